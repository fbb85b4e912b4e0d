"""Clip or whole video: what lengths say, what is cut, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.recordings import recording
from hypothesis import given
from hypothesis import strategies as st

from twinsign.datasets.spans import Frames, Span, cut
from twinsign.errors import InputError


def taken(length: int, span: Span, frames: Frames = "auto", fps: float | None = None) -> list[int]:
    """The frames that are left, by number: the right wrist's x says which frame it was."""
    one = recording(np.random.default_rng(0), "clip", length, fps=fps)
    one.score[:, 0] = 1
    one.xy[:, 0, 0] = np.arange(length)
    return [int(x) for x in cut(one, span, frames).xy[:, 0, 0]]


def test_a_clip_is_left_as_it_is() -> None:
    for length in (45, 60, 72, 144):  # as long, at 25 for 30, 30 for 25 and 60 for 25 frames a second
        assert taken(length, Span(1000, 1060)) == list(range(length))


def test_a_whole_video_is_cut() -> None:
    assert taken(1500, Span(1000, 1060)) == list(range(1000, 1060))
    assert taken(300, Span(0, 60)) == list(range(60))
    assert taken(1058, Span(1000, 1060)) == list(range(1000, 1058)), "decoders lose the last frames"


def test_what_fits_neither_is_refused() -> None:
    for length in (40, 160, 800):
        with pytest.raises(InputError, match="--frames") as caught:
            taken(length, Span(1000, 1060))
        assert (caught.value.clip, caught.value.found) == ("clip", f"{length} frames")


def test_what_the_user_says_goes_first() -> None:
    assert taken(1500, Span(1000, 1060), "clip") == list(range(1500))
    assert taken(70, Span(4, 44), "video") == list(range(4, 44))
    assert taken(70, Span(4, None)) == list(range(70))
    assert taken(70, Span(4, None), "video") == list(range(4, 70))
    with pytest.raises(InputError, match="begins at frame 80"):
        taken(70, Span(80, 90), "video")


def test_frames_are_counted_at_their_own_rate() -> None:
    assert taken(400, Span(100, 200, 50), "video", fps=25) == list(range(50, 100))
    assert taken(400, Span(100, 200, 50), "video") == list(range(100, 200)), "an unknown rate is the video's"


def test_a_cut_is_noted() -> None:
    one = cut(recording(np.random.default_rng(0), "a", 300), Span(10, 30))
    assert one.notes == ("frames 10 to 29 of 300 taken",)


@given(st.integers(1, 400), st.integers(0, 300), st.integers(0, 80), st.sampled_from(["auto", "clip", "video"]))
def test_frames_follow_each_other(length: int, first: int, clip: int, frames: Frames) -> None:
    try:
        found = taken(length, Span(first, first + clip), frames)
    except InputError:
        return
    assert found == list(range(found[0], found[0] + len(found)))
    assert found[-1] < length
