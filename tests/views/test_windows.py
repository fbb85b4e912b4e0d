"""What tests look at: where windows lie, and which settings are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers.tiny_configs import clips_of_view, random_view

from twinsign.errors import InputError
from twinsign.views.clips import resample, window, window_bounds, window_views
from twinsign.views.config import MAX_WINDOWS, WindowConfig

CLIPS = clips_of_view(random_view(2, 101))
LONG_AND_SHORT = replace(CLIPS, length=torch.tensor([101, 1]))


def test_one_window_is_the_middle() -> None:
    ((begin, span),) = window_bounds(LONG_AND_SHORT, WindowConfig(0.95, 1))
    torch.testing.assert_close(begin, torch.tensor([2.5, 0.0]))
    torch.testing.assert_close(span, torch.tensor([95.0, 0.0]))
    ((begin, span),) = window_bounds(LONG_AND_SHORT, WindowConfig(0.5, 1))
    torch.testing.assert_close(begin + span / 2, torch.tensor([50.0, 0.0]))
    assert WindowConfig() == WindowConfig(0.95, 1)


def test_windows_are_spread_from_the_first_frame_to_the_last() -> None:
    found = window_bounds(LONG_AND_SHORT, WindowConfig(0.6, 3))
    assert [begin.tolist() for begin, _ in found] == [[0, 0], [pytest.approx(20), 0], [pytest.approx(40), 0]]
    assert all(span.tolist() == [pytest.approx(60), 0] for _, span in found)


def test_a_clip_of_one_frame_fills_every_window() -> None:
    clips = clips_of_view(random_view(2, 1))
    for view in window_views(clips, WindowConfig(0.6, 3), 4):
        torch.testing.assert_close(view.xy, clips.xy.view(2, 1, -1, 2).expand(-1, 4, -1, -1))


def test_views_are_the_windows_resampled() -> None:
    first, last = window_views(CLIPS, WindowConfig(0.8, 2), 7)
    for view, place in ((first, 0.0), (last, 1.0)):
        wanted = resample(CLIPS, *window(CLIPS, torch.full((2,), 0.8), torch.full((2,), place)), 7)
        torch.testing.assert_close(view.xy, wanted.xy)
        assert torch.equal(view.seen, wanted.seen)


@pytest.mark.parametrize("share", [0.0, -0.5, 1.1, float("nan"), float("inf")])
def test_a_share_of_a_clip_is_more_than_nothing_and_no_more_than_all(share: float) -> None:
    with pytest.raises(InputError, match=r"windows\.share"):
        WindowConfig(share)


@pytest.mark.parametrize("count", [0, -1, MAX_WINDOWS + 1])
def test_windows_are_counted(count: int) -> None:
    with pytest.raises(InputError, match=r"windows\.count"):
        WindowConfig(0.8, count)
