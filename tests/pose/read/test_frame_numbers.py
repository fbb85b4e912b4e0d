"""Frame numbers to places in time."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinsign.errors import InputError
from twinsign.pose.clip_file import ClipFile
from twinsign.pose.read.frame_numbers import MOST_MISSING, places

CLIP = ClipFile(Path("a"))


@pytest.mark.parametrize(
    ("numbers", "expected", "note"),
    [
        ([], [], ""),
        ([7], [0], ""),
        ([7, 8, 9], [0, 1, 2], ""),
        ([0, 5, 10], [0, 1, 2], "5 apart"),
        ([3, 4, 6], [0, 1, 3], "1 of 4 frames missing (5)"),
        ([0, 3, 9], [0, 1, 3], "1 of 4 frames missing (6)"),
        ([*range(8), *range(16, 24)], [*range(8), *range(16, 24)], "(8, 9, 10, 11, 12, …)"),
    ],
)
def test_places_and_notes(numbers: list[int], expected: list[int], note: str) -> None:
    found, notes = places(CLIP, numbers)
    assert found == expected
    assert note in " ".join(notes)
    assert bool(notes) == bool(note)


@pytest.mark.parametrize(("numbers", "frame"), [([1, 1], 1), ([1, 2, 0], 2), ([0, 1, 10**12], None)])
def test_what_is_no_clip(numbers: list[int], frame: int | None) -> None:
    with pytest.raises(InputError) as caught:
        places(CLIP, numbers)
    assert caught.value.frame == frame


@given(st.sets(st.integers(-50, 10**6), min_size=1, max_size=20))
def test_time_is_kept(numbers: set[int]) -> None:
    rising = sorted(numbers)
    try:
        found, _ = places(CLIP, rising)
    except InputError:
        return
    assert found[0] == 0
    assert found[-1] + 1 - len(found) <= MOST_MISSING * (found[-1] + 1)
    for (a, b), (m, n) in zip(pairwise(found), pairwise(rising), strict=True):
        assert (b - a) * (rising[-1] - rising[0]) == (n - m) * found[-1]
