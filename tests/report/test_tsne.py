from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex

from twinsign.errors import InputError
from twinsign.report import tsne
from twinsign.report.figures import GREY
from twinsign.report.tsne import embedding_map, project

GENERATOR = np.random.default_rng(0)


def groups(clips: int, count: int) -> tuple[np.ndarray, list[str]]:
    labels = np.arange(clips) % count
    centres = GENERATOR.normal(size=(count, 16)) * 8
    return centres[labels] + GENERATOR.normal(size=(clips, 16)) * 0.3, [f"gloss{label}" for label in labels]


def points_of(axes) -> dict[str, np.ndarray]:
    return {part.get_label(): np.asarray(part.get_offsets()) for part in axes.collections}


def test_groups_stay_groups_and_the_seed_fixes_the_map() -> None:
    features, glosses = groups(90, 3)
    found = project(features, seed=1)
    assert (found == project(features, seed=1)).all()
    names = np.array(glosses)
    centres = {name: found[names == name].mean(axis=0) for name in set(glosses)}
    for name, centre in centres.items():
        spread = np.linalg.norm(found[names == name] - centre, axis=1).max()
        assert spread < min(np.linalg.norm(centre - other) for key, other in centres.items() if key != name)


def test_length_does_not_matter_but_direction_does() -> None:
    features, _ = groups(8, 4)
    assert project(features * GENERATOR.uniform(1, 50, (8, 1))) == pytest.approx(project(features), abs=1e-6)


@pytest.mark.parametrize("clips", [1, 2, 3, 9, 10, 11])
@pytest.mark.parametrize("width", [1, 2, 16])
def test_few_clips_and_narrow_embeddings(clips: int, width: int) -> None:
    found = project(GENERATOR.normal(size=(clips, width)))
    assert found.shape == (clips, 2)
    assert np.isfinite(found).all()


def test_a_collapsed_model_is_one_point() -> None:
    assert not project(np.full((30, 8), 0.7)).any()
    assert not project(np.zeros((30, 8))).any()


def test_two_panels_with_the_same_clips_in_the_same_colours() -> None:
    features, glosses = groups(60, 25)
    figure = embedding_map({"before": GENERATOR.normal(size=(60, 4)), "after": features}, [*glosses[:-1], None])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["before (60 clips)", "after (60 clips)"]
    before, after = map(points_of, figure.axes)
    assert list(before) == list(after) == ["other", *(f"gloss{label}" for label in range(20))]
    assert {name: len(points) for name, points in before.items()} == {n: len(p) for n, p in after.items()}
    assert sum(map(len, after.values())) == 60
    assert len(after["other"]) == sum(int(gloss.removeprefix("gloss")) >= 20 for gloss in glosses[:-1]) + 1
    assert to_hex(figure.axes[0].collections[0].get_facecolor()[0]) == GREY
    looks = [
        (to_hex(part.get_facecolor()[0]), part.get_paths()[0].vertices.shape) for part in figure.axes[0].collections[1:]
    ]
    assert len(set(looks)) == 20
    assert [text.get_text() for text in figure.legends[0].texts] == list(before)


def test_many_clips_are_thinned_out_and_the_title_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tsne, "MOST_POINTS", 20)
    features, glosses = groups(50, 2)
    figure = embedding_map({"after": features}, glosses)
    assert figure.axes[0].get_title(loc="left") == "after (20 of 50 clips)"
    assert sum(map(len, points_of(figure.axes[0]).values())) == 20


def test_no_clip_with_a_gloss_is_all_grey() -> None:
    figure = embedding_map({"only": GENERATOR.normal(size=(5, 3))}, [None] * 5)
    assert {name: len(points) for name, points in points_of(figure.axes[0]).items()} == {"other": 5}


def test_placed_clips_join_their_group_and_move_nothing() -> None:
    features, glosses = groups(120, 3)
    placed = np.arange(120) >= 90
    found, names = project(features, 1, placed), np.array(glosses)
    assert (found[~placed] == project(features[~placed], 1)).all()
    centres = {name: found[~placed & (names == name)].mean(axis=0) for name in set(glosses)}
    for point, name in zip(found[placed], names[placed], strict=True):
        assert min(centres, key=lambda one: np.linalg.norm(point - centres[one])) == name
    few = project(features[:12], 0, np.arange(12) >= 6)  # PCA of the six
    assert few[:6] == pytest.approx(project(features[:6]), abs=1e-6)


def test_placed_clips_have_an_edge_and_named_glosses_a_colour() -> None:
    features, glosses = groups(60, 6)
    placed = np.arange(60) >= 48
    figure = embedding_map({"both": features}, glosses, coloured=["gloss4", "gloss1"], placed=placed)
    edged = [part for part in figure.axes[0].collections if len(part.get_edgecolor())]
    assert [part.get_label() for part in edged] == ["other", "gloss4", "gloss1"]
    assert sum(len(part.get_offsets()) for part in edged) == 12
    assert [text.get_text() for text in figure.legends[0].texts] == ["other", "gloss4", "gloss1"]
    top = embedding_map({"both": features}, glosses, coloured=2)
    assert list(points_of(top.axes[0])) == ["other", "gloss0", "gloss1"]


def test_glosses_that_are_not_there_or_too_many_are_refused() -> None:
    features, glosses = groups(60, 30)
    with pytest.raises(InputError, match="gloss 'CAT'; wanted glosses of the clips, such as gloss0, gloss1, gloss10"):
        embedding_map({"both": features}, glosses, coloured=["gloss1", "CAT"])
    with pytest.raises(InputError, match="30 glosses to colour; wanted at most 21"):
        embedding_map({"both": features}, glosses, coloured=30)


@pytest.mark.parametrize(
    ("embeddings", "message"),
    [
        ({}, "0 sets of embeddings"),
        ({"after": np.zeros((2, 4))}, r"'after' embeddings of shape \(2, 4\); wanted \(3 clips, width\)"),
        ({"after": np.zeros(3)}, r"shape \(3,\)"),
        ({"after": np.zeros((3, 0))}, r"shape \(3, 0\)"),
        ({"after": np.full((3, 4), np.nan)}, "NaN or infinity in the 'after' embeddings"),
    ],
)
def test_bad_embeddings_are_refused(embeddings, message: str) -> None:
    with pytest.raises(InputError, match=message):
        embedding_map(embeddings, ["a", "b", "c"])
