"""Score files written and read back, another model's NPZ and CSV, errors in bad ones, and alignment of several."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax

from twinsign.errors import InputError
from twinsign.evaluation.metrics import ClipScores
from twinsign.evaluation.score_files import (
    LEAST_PROBABILITY,
    ScoreFile,
    align_scores,
    difference,
    read_scores,
    write_scores,
)

IDS, GLOSSES = ["07069", "07070", "x y"], ["BOOK", "你好", "$5, $6"]
NAMES = ["APPLE", "BOOK", "CAT"]
LABELS = np.array([2, 0, 1])
LOGITS = np.array([[0.5, -1.0, 3.0], [4.0, 4.5, -2.0], [0.0, 1.0, 2.0]], np.float32)


def write(path: Path, **arrays: object) -> Path:
    np.savez(path, **{name: np.asarray(value) for name, value in arrays.items()})
    return path


def test_ours_there_and_back(tmp_path: Path) -> None:
    report = {"split_hash": "abc", "split": ["val", "test"], "selected_on": ["val"]}
    write_scores(tmp_path / "S.npz", ClipScores(IDS, GLOSSES, LABELS, LOGITS), report)
    found = read_scores(tmp_path / "S.npz")
    assert (found.ids, found.glosses, found.split_hash) == (IDS, GLOSSES, "abc")
    assert (found.splits, found.selected_on, found.probabilities) == (("val", "test"), ("val",), False)
    assert np.array_equal(found.truth, LABELS)
    assert np.array_equal(found.scores, LOGITS)
    write_scores(
        tmp_path / "S.npz", ClipScores(IDS, GLOSSES, LABELS, LOGITS), report | {"split": None, "selected_on": []}
    )
    assert (read_scores(tmp_path / "S.npz").splits, read_scores(tmp_path / "S.npz").selected_on) == (("all",), ())


@pytest.mark.parametrize("truth", ["gloss,", "label,", ""])
def test_a_csv_of_another_model(tmp_path: Path, truth: str) -> None:
    names = {"gloss,": [GLOSSES[label] for label in LABELS], "label,": [str(label) for label in LABELS], "": None}[
        truth
    ]
    rows = [f"id,{truth}" + ",".join(f'"{gloss}"' for gloss in GLOSSES)]
    for number, row in enumerate(LOGITS):
        own = f'"{names[number]}",' if names else ""
        rows.append(f"{IDS[number]},{own}" + ",".join(str(float(value)) for value in row))
    (tmp_path / "S.CSV").write_text("\n".join(rows) + "\n", encoding="utf-8")
    found = read_scores(tmp_path / "S.CSV")
    assert (found.ids, found.glosses) == (IDS, GLOSSES)
    assert np.array_equal(found.scores, LOGITS)
    wanted = {"gloss,": names, "label,": LABELS.tolist(), "": None}[truth]
    assert (found.truth.tolist() if isinstance(found.truth, np.ndarray) else found.truth) == wanted


def test_glosses_that_are_numbers_stay_names(tmp_path: Path) -> None:
    (tmp_path / "S.csv").write_text("id,gloss,1,0\na,1,0.5,2\nb,0,3,4\n")
    found = read_scores(tmp_path / "S.csv")
    assert (found.glosses, found.truth) == (["1", "0"], ["1", "0"])


def test_probabilities_become_logits_that_give_them_back(tmp_path: Path) -> None:
    shares = np.exp(log_softmax(LOGITS.astype(float), axis=1))
    shares[0] = [0, 0, 1]
    found = read_scores(write(tmp_path / "S.npz", ids=IDS, probabilities=shares, labels=LABELS))
    assert found.probabilities
    assert np.exp(log_softmax(found.scores.astype(float), axis=1)) == pytest.approx(shares, abs=1e-6)
    assert found.scores.min() == np.log(np.float32(LEAST_PROBABILITY))
    for logits in (LOGITS, shares * 2, shares - 0.1, np.ones((3, 1))):
        assert not read_scores(write(tmp_path / "S.npz", ids=IDS, logits=logits, labels=LABELS)).probabilities


def test_names_beat_numbers_where_a_file_has_both(tmp_path: Path) -> None:
    named = [GLOSSES[label] for label in LABELS]
    assert read_scores(write(tmp_path / "S.npz", id=IDS, logits=LOGITS, label=[9, 9, 9], gloss=named)).truth == named


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"ids": IDS}, "found arrays ids; wanted an array named scores or logits or probabilities"),
        ({"logits": LOGITS}, "wanted an array named ids or id"),
        ({"ids": IDS[:2], "logits": LOGITS}, r"of shape \(3, 3\); wanted \(2, classes\)"),
        ({"ids": IDS, "logits": LOGITS, "glosses": GLOSSES[:2]}, "found 2 glosses; wanted 3"),
        ({"ids": IDS, "logits": LOGITS, "labels": [0]}, "found 1 labels; wanted 3"),
        ({"ids": ["a", "b", "a"], "logits": LOGITS}, "clip id 'a' 2 times"),
        ({"ids": IDS, "logits": LOGITS, "classes": ["a", "a", "b"]}, "gloss 'a' 2 times"),
        ({"ids": IDS, "logits": np.where(LOGITS == 4.5, np.nan, LOGITS)}, "clip '07070': found NaN"),
        ({"ids": np.asarray(IDS, object), "logits": LOGITS}, "no readable NPZ"),
    ],
)
def test_bad_arrays_are_refused(tmp_path: Path, arrays: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        read_scores(write(tmp_path / "S.npz", **arrays))
    assert str(tmp_path / "S.npz") in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no readable CSV"),
        ("name,A\na,1\n", "wanted a column named id"),
        ("id,gloss\na,A\n", "no column of scores"),
        ("id,A,B\na,1,\n", "column 'B'"),
        ("id,A,B\na,1,two\n", "column 'B' of string"),
        ("id,A,B\na,1\n", "no readable CSV"),
        ("id,A,B\na,1,2\na,3,4\n", "clip id 'a' 2 times"),
        ("id,A,B\n", r"wanted \(0, classes\)|column 'A' of null"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "S.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_scores(tmp_path / "S.csv")


def test_no_file_and_no_npz(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file"):
        read_scores(tmp_path / "S.npz")
    (tmp_path / "S.npz").write_text("hello")
    with pytest.raises(InputError, match="no readable NPZ"):
        read_scores(tmp_path / "S.npz")
    np.save(tmp_path / "S.npy", LOGITS)
    with pytest.raises(InputError, match="arr_0"):
        read_scores(tmp_path / "S.npy")


def file(name: str, ids, truth, scores, glosses=NAMES) -> ScoreFile:
    return ScoreFile(Path(name), list(ids), np.asarray(scores, np.float32), glosses, truth, False)


def lead(clips: int = 4) -> ScoreFile:
    labels = np.arange(clips) % 3
    return file("A", [f"clip{i}" for i in range(clips)], labels, np.arange(clips * 3).reshape(clips, 3))


@given(st.permutations(range(4)), st.permutations(range(3)), st.booleans(), st.booleans())
def test_any_order_comes_out_as_the_first(rows, columns, with_truth: bool, with_names: bool) -> None:
    one = lead()
    glosses = [NAMES[c] for c in columns] if with_names else None
    order = list(columns) if with_names else [0, 1, 2]
    scores = 100 + one.scores[np.ix_(rows, order)]
    truth = None
    if with_truth or not with_names:  # a number means a column of its own file
        truth = np.array([order.index(one.truth[row]) for row in rows])
    other = file("B", [one.ids[row] for row in rows], truth, scores, glosses)
    for files, mine in (([one, other], 1), ([other, one], 0)):
        found = align_scores(files)[mine]
        by_id = {
            clip: dict(zip(found.glosses, row, strict=True)) for clip, row in zip(found.ids, found.scores, strict=True)
        }
        for i, clip in enumerate(one.ids):
            assert [by_id[clip][gloss] for gloss in NAMES] == (100 + one.scores[i]).tolist()
        assert [found.glosses[label] for label in found.labels] == [
            NAMES[one.truth[one.ids.index(clip)]] for clip in found.ids
        ]
        assert align_scores(files)[0].ids == align_scores(files)[1].ids


def test_names_of_glosses_are_a_truth_too() -> None:
    one = lead()
    other = file("B", one.ids, [NAMES[label] for label in one.truth], one.scores)
    assert isinstance(align_scores([other, one])[0], ClipScores)
    other.truth[1] = "DOG"
    with pytest.raises(InputError, match="clip 'clip1': found label DOG; wanted one of the 3 classes"):
        align_scores([one, other])


def test_other_clips_are_named_and_common_ones_can_be_taken() -> None:
    one = lead(9)
    other = file("B", [*one.ids[7:], "new"], None, np.zeros((3, 3)))
    with pytest.raises(InputError) as error:
        align_scores([one, other])
    assert "7 missing (clip0, clip1, clip2, clip3, clip4, …), 1 too many (new)" in str(error.value)
    assert "--common" in str(error.value)
    both = align_scores([one, other], common=True)
    assert [each.ids for each in both] == [["clip7", "clip8"]] * 2
    assert np.array_equal(both[0].scores, one.scores[7:])
    with pytest.raises(InputError, match="no clip in common"):
        align_scores([one, file("B", ["new"], None, np.zeros((1, 3)))], common=True)


@pytest.mark.parametrize("common", [False, True])
def test_other_labels_are_named_whatever_is_common(common: bool) -> None:
    one = lead()
    wrong = one.truth.copy()
    wrong[2] = 0
    with pytest.raises(
        InputError, match=r"B: found other labels of 1 clips \(clip2: APPLE, not CAT\); wanted those of A"
    ):
        align_scores([one, file("B", one.ids, wrong, one.scores)], common)


def test_other_glosses_and_unknown_classes_are_refused() -> None:
    one = lead()
    other = file("B", one.ids, None, np.zeros((4, 3)), ["APPLE", "BOOK", "DOG"])
    with pytest.raises(InputError, match=r"1 missing \(CAT\), 1 too many \(DOG\)"):
        align_scores([one, other])
    with pytest.raises(InputError, match="neither glosses nor labels"):
        align_scores([one, file("B", one.ids, None, one.scores, None)])
    with pytest.raises(InputError, match="2 classes without names"):
        align_scores([one, file("B", one.ids, one.truth, one.scores[:, :2], None)])
    with pytest.raises(InputError, match="clip 'clip0': found label 3"):
        align_scores([one, file("B", one.ids, one.truth + 3, one.scores, None)])
    with pytest.raises(InputError, match="glosses and labels together in no file"):
        align_scores([file("B", one.ids, None, one.scores), file("C", one.ids, one.truth, one.scores, None)])


def test_a_difference_in_words() -> None:
    assert difference(["a", "b"], ["b", "c"]) == "1 missing (a), 1 too many (c)"
    assert difference(["a"], ["a"]) == "nothing"
