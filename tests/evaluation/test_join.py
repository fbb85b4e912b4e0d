"""Score files joined by id: any order of clips and classes comes out as one, and what differs is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinsign.errors import InputError
from twinsign.evaluation.join import aligned, difference
from twinsign.evaluation.metrics import Scored
from twinsign.evaluation.scores import ScoreFile

GLOSSES = ["APPLE", "BOOK", "CAT"]


def file(name: str, ids, truth, scores, glosses=GLOSSES) -> ScoreFile:
    return ScoreFile(Path(name), list(ids), np.asarray(scores, np.float32), glosses, truth, False)


def lead(clips: int = 4) -> ScoreFile:
    labels = np.arange(clips) % 3
    return file("A", [f"clip{i}" for i in range(clips)], labels, np.arange(clips * 3).reshape(clips, 3))


@given(st.permutations(range(4)), st.permutations(range(3)), st.booleans(), st.booleans())
def test_any_order_comes_out_as_the_first(rows, columns, with_truth: bool, with_names: bool) -> None:
    one = lead()
    glosses = [GLOSSES[c] for c in columns] if with_names else None
    order = list(columns) if with_names else [0, 1, 2]
    scores = 100 + one.scores[np.ix_(rows, order)]
    truth = None
    if with_truth or not with_names:  # a number means a column of its own file
        truth = np.array([order.index(one.truth[row]) for row in rows])
    other = file("B", [one.ids[row] for row in rows], truth, scores, glosses)
    for files, mine in (([one, other], 1), ([other, one], 0)):
        found = aligned(files)[mine]
        by_id = {
            clip: dict(zip(found.glosses, row, strict=True)) for clip, row in zip(found.ids, found.scores, strict=True)
        }
        for i, clip in enumerate(one.ids):
            assert [by_id[clip][gloss] for gloss in GLOSSES] == (100 + one.scores[i]).tolist()
        assert [found.glosses[label] for label in found.labels] == [
            GLOSSES[one.truth[one.ids.index(clip)]] for clip in found.ids
        ]
        assert aligned(files)[0].ids == aligned(files)[1].ids


def test_names_of_glosses_are_a_truth_too() -> None:
    one = lead()
    other = file("B", one.ids, [GLOSSES[label] for label in one.truth], one.scores)
    assert isinstance(aligned([other, one])[0], Scored)
    other.truth[1] = "DOG"
    with pytest.raises(InputError, match="clip 'clip1': found label DOG; wanted one of the 3 classes"):
        aligned([one, other])


def test_other_clips_are_named_and_common_ones_can_be_taken() -> None:
    one = lead(9)
    other = file("B", [*one.ids[7:], "new"], None, np.zeros((3, 3)))
    with pytest.raises(InputError) as error:
        aligned([one, other])
    assert "7 missing (clip0, clip1, clip2, clip3, clip4, …), 1 too many (new)" in str(error.value)
    assert "--common" in str(error.value)
    both = aligned([one, other], common=True)
    assert [each.ids for each in both] == [["clip7", "clip8"]] * 2
    assert np.array_equal(both[0].scores, one.scores[7:])
    with pytest.raises(InputError, match="no clip in common"):
        aligned([one, file("B", ["new"], None, np.zeros((1, 3)))], common=True)


@pytest.mark.parametrize("common", [False, True])
def test_other_labels_are_named_whatever_is_common(common: bool) -> None:
    one = lead()
    wrong = one.truth.copy()
    wrong[2] = 0
    with pytest.raises(
        InputError, match=r"B: found other labels of 1 clips \(clip2: APPLE, not CAT\); wanted those of A"
    ):
        aligned([one, file("B", one.ids, wrong, one.scores)], common)


def test_other_glosses_and_unknown_classes_are_refused() -> None:
    one = lead()
    other = file("B", one.ids, None, np.zeros((4, 3)), ["APPLE", "BOOK", "DOG"])
    with pytest.raises(InputError, match=r"1 missing \(CAT\), 1 too many \(DOG\)"):
        aligned([one, other])
    with pytest.raises(InputError, match="neither glosses nor labels"):
        aligned([one, file("B", one.ids, None, one.scores, None)])
    with pytest.raises(InputError, match="2 classes without names"):
        aligned([one, file("B", one.ids, one.truth, one.scores[:, :2], None)])
    with pytest.raises(InputError, match="clip 'clip0': found label 3"):
        aligned([one, file("B", one.ids, one.truth + 3, one.scores, None)])
    with pytest.raises(InputError, match="glosses and labels together in no file"):
        aligned([file("B", one.ids, None, one.scores), file("C", one.ids, one.truth, one.scores, None)])


def test_a_difference_in_words() -> None:
    assert difference(["a", "b"], ["b", "c"]) == "1 missing (a), 1 too many (c)"
    assert difference(["a"], ["a"]) == "nothing"
