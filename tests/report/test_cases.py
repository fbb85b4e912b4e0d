from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from helpers.recordings import packed, recording

from twinsign.errors import InputError
from twinsign.evaluation.metrics import ClipScores
from twinsign.pack.open import Pack
from twinsign.pose.layout import HANDS, TRUNK
from twinsign.pose.recording import Recording
from twinsign.report.cases import part_cases, signer_cases
from twinsign.report.html import png, svg

SIGNS = ["one", "two", "three"]


def clips(folder: Path, signers: list[str | None], glosses: list[int], frames: int = 5) -> Pack:
    """A clip an entry, `c0` …, with its signer and sign."""
    rng = np.random.default_rng(0)
    made = [recording(rng, f"c{number}", frames, scored=True) for number in range(len(glosses))]
    rows = [{"gloss": SIGNS[sign], "signer": who or ""} for who, sign in zip(signers, glosses, strict=True)]
    return packed(folder / "cases.pack", made, rows)


def scored(guessed: list[int], glosses: list[int], sure: list[float] | None = None, signs=tuple(SIGNS)) -> ClipScores:
    """A model that takes each clip for a sign, the surer the higher; the signs far from a guess are the less likely."""
    heights = np.asarray(sure or [3.0] * len(guessed))
    scores = -np.abs(np.arange(len(signs)) - np.asarray(guessed)[:, None]) * heights[:, None]
    ids = [f"c{number}" for number in range(len(guessed))]
    return ClipScores(ids, list(signs), np.asarray(glosses), scores.astype(np.float32))


def words(figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def drawn_clips(figure) -> list[str]:
    return [word for word in words(figure) if word.startswith("clip ")]


def test_clips_that_the_whole_mends_come_in_turn_each_sign_once(tmp_path: Path) -> None:
    truth = [0, 0, 1, 2, 1, 2]
    pack = clips(tmp_path, [None] * 6, truth)
    models = {
        "both": scored([0, 0, 1, 2, 0, 2], truth),
        "hand": scored([1, 2, 1, 2, 1, 2], truth, [1.0, 2.0, 3.0, 3.0, 3.0, 3.0]),
        "trunk": scored([0, 0, 2, 1, 2, 2], truth),
    }
    figure, caption = part_cases(models, pack, np.arange(6), whole="both", count=9)
    # Wrong by hand alone: 0, 1, the surer 1 first. By trunk alone: 2, 3. Of sign 0 one clip only.
    assert drawn_clips(figure) == ["clip c1", "clip c2", "clip c3"]
    assert "Of 6 clips both is right on 4 that a part alone gets wrong (wrong: hand 2, trunk 2)" in caption
    assert "a part alone is right on 1 that both gets wrong (right: hand 1)" in caption
    assert "Shown: 3 of the 4, chosen by rule" in caption
    one, _ = part_cases(models, pack, np.arange(6), whole="both", count=0, converse=5)
    assert words(one)[:2] == ["two", "clip c4"]
    said = words(one)[2:]
    assert [(said[i], said[i + 1].split(",")[0], said[i + 2]) for i in (0, 3, 6)] == [
        ("✗", "both", "one"),
        ("✓", "hand", "two"),
        ("✗", "trunk", "three"),
    ]


def test_similar_signs_come_before_surer_errors(tmp_path: Path) -> None:
    signs = [f"sign{number}" for number in range(9)]
    rng = np.random.default_rng(0)
    made = [recording(rng, f"c{number}", 3) for number in range(2)]
    pack = packed(tmp_path / "near.pack", made, [{"gloss": "sign0"}, {"gloss": "sign1"}])
    models = {
        "both": scored([0, 1], [0, 1], signs=signs),
        "hand": scored([8, 2], [0, 1], [9.0, 1.0], signs=signs),  # far off and sure; near and unsure
    }
    figure, _ = part_cases(models, pack, np.arange(2), whole="both", count=1)
    assert drawn_clips(figure) == ["clip c1"]


def test_no_such_clip_has_counts_and_no_picture(tmp_path: Path) -> None:
    pack = clips(tmp_path, [None, None], [0, 1])
    right = scored([0, 1], [0, 1])
    figure, caption = part_cases({"both": right, "hand": right}, pack, np.arange(2), whole="both", converse=1)
    assert figure is None
    assert "Of 2 clips both is right on 0 that a part alone gets wrong; conversely" in caption
    assert "Shown: 0 of the 0, then 0 of the 0" in caption
    figure, caption = signer_cases({"joint": right, "motion": right}, pack, np.arange(2))
    assert figure is None
    assert "0 signs have several clips (the pack names no signers" in caption


def test_signs_by_several_signers_show_each_signer_once(tmp_path: Path) -> None:
    truth = [0, 0, 0, 0, 1, 1, 2, 2, 2]
    signers = ["ann", "ann", "bob", "cy", "ann", "bob", "dee", "dee", None]
    pack = clips(tmp_path, signers, truth)
    models = {
        "joint": scored([1, 1, 0, 1, 0, 0, 0, 0, 0], truth),
        "motion": scored([0, 0, 1, 1, 1, 0, 2, 2, 2], truth),
    }
    figure, caption = signer_cases(models, pack, np.arange(9), count=5, signers=3)
    assert drawn_clips(figure) == [f"clip {one}" for one in ("c0, signer ann", "c2, signer bob", "c3, signer cy")] + [
        "clip c4, signer ann",
        "clip c5, signer bob",
    ]
    assert "Of 9 clips motion is right on 6 that joint gets wrong, and joint on 1 that motion gets wrong" in caption
    assert "2 signs have several signers; in 2 of them motion is right where joint errs. Shown: 2 of these 2" in caption


def test_without_signers_every_clip_is_its_own_and_it_is_said(tmp_path: Path) -> None:
    pack = clips(tmp_path, [None, None, None], [0, 0, 1])
    models = {"joint": scored([1, 0, 1], [0, 0, 1]), "motion": scored([0, 0, 1], [0, 0, 1])}
    figure, caption = signer_cases(models, pack, np.arange(3), signers=2)
    assert drawn_clips(figure) == ["clip c0", "clip c1"]
    assert "1 signs have several clips (the pack names no signers: some may be of one person)" in caption
    assert "of each up to 2 clips" in caption


def test_what_does_not_fit_together_is_refused(tmp_path: Path) -> None:
    pack = clips(tmp_path, [None, None], [0, 1])
    one, other = scored([0, 1], [0, 1]), scored([0, 1], [1, 1])
    for models, whole, message in (
        ({"both": one}, "both", "no part beside the whole"),
        ({"both": one, "hand": other}, "both", "other clips, glosses or labels of model 'hand'"),
        ({"both": one, "hand": one}, "all", "no scores of model 'all'"),
        ({}, "both", "no model"),
    ):
        with pytest.raises(InputError, match=message):
            part_cases(models, pack, np.arange(2), whole=whole)
    with pytest.raises(InputError, match="1 rows of other clips; wanted the 2 scored ones"):
        part_cases({"both": one, "hand": one}, pack, np.arange(1), whole="both")
    with pytest.raises(InputError, match="no scores of model 'motion'; wanted one of joint"):
        signer_cases({"joint": one}, pack, np.arange(2))


def odd(name: str, frames: int, seen: slice) -> Recording:
    score = np.zeros((frames, TRUNK.stop), np.float32)
    score[:, seen] = 1
    xy = np.random.default_rng(1).uniform(0.1, 0.9, (frames, TRUNK.stop, 2)) * (score > 0)[..., None]
    return Recording(name, xy.astype(np.float32), score)


def test_odd_clips_and_glosses_of_any_script_are_drawn(tmp_path: Path) -> None:
    glosses = ["مدرسة", "学校 $x_1$", "a gloss that goes on and on " * 4]
    made = [odd("c0", 1, HANDS), odd("c1", 4, TRUNK), odd("c2", 3, slice(0))]
    pack = packed(tmp_path / "odd.pack", made, [{"gloss": gloss} for gloss in glosses])
    truth = [0, 1, 2]
    models = {name: scored([0, 1, 2], truth, signs=glosses) for name in ("both", "hand", "trunk", "motion")}
    models["hand"] = scored([1, 2, 0], truth, signs=glosses)
    figure, _ = part_cases(models, pack, np.arange(3), whole="both")
    assert "no joint seen in this clip" in words(figure)
    assert [axes.get_title() for axes in figure.axes if "of 1" in axes.get_title()] == ["frame 1 of 1"]
    assert png(figure).startswith(b"\x89PNG")
    picture = svg(figure).decode()
    assert "مدرسة" in picture
    assert "学校" in picture
    width, height = figure.get_size_inches()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # as png() does
        figure.canvas.draw()
        for text in figure.texts:
            box = text.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
            assert 0 <= box.x0 < box.x1 <= width, text.get_text()
            assert 0 <= box.y0 < box.y1 <= height, text.get_text()


def test_a_strip_shows_the_frames_between_the_first_and_the_last_hand(tmp_path: Path) -> None:
    whole = odd("c0", 20, slice(0, TRUNK.stop))
    score = whole.score.copy()
    score[:6, HANDS] = score[10, HANDS] = score[15:, HANDS] = 0
    pack = packed(
        tmp_path / "idle.pack", [Recording("c0", whole.xy * (score > 0)[..., None], score)], [{"gloss": "one"}]
    )
    models = {"both": scored([0], [0]), "hand": scored([1], [0])}
    figure, _ = part_cases(models, pack, np.arange(1), whole="both")
    frames = [int(axes.get_title().split()[1]) - 1 for axes in figure.axes]
    assert (frames[0], frames[-1], len(frames)) == (6, 14, 6)
