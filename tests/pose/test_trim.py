"""Rest at both ends: agreement with a loop over frames, and what a person would say of plain cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinsign.pose.layout import INDEX, JOINT_COUNT, LEFT_HAND, RIGHT_HAND
from twinsign.pose.recording import Recording
from twinsign.pose.trim import FPS, LOWERED, MARGIN, MOVING, SPAN, active_span

SIZE = (640, 480)


def body(frames: int) -> Recording:
    """A person with both hands seen at hip height, still."""
    xy = np.zeros((frames, JOINT_COUNT, 2), np.float32)
    for side, x in (("left", 400), ("right", 240)):
        xy[:, INDEX[f"{side}_shoulder"]] = x, 150
        xy[:, INDEX[f"{side}_elbow"]] = x, 250
        xy[:, LEFT_HAND if side == "left" else RIGHT_HAND] = x, 340
    return Recording("x", xy, np.ones(xy.shape[:2], np.float32), "pixel", SIZE, fps=25)


def with_right_hand(one: Recording, frames: slice, place: tuple[float, float] | None) -> Recording:
    xy, score = one.xy.copy(), one.score.copy()
    xy[frames, RIGHT_HAND] = place or (0, 0)
    score[frames, RIGHT_HAND] = place is not None
    return Recording(one.id, xy, score, one.unit, one.size, one.fps)


def slow_span(one: Recording) -> tuple[int, int]:
    """Frame by frame in float64, from the definition's words alone."""
    scale = (1, 1) if one.unit == "pixel" or one.size is None else one.size
    fps = one.fps or FPS
    half = max(1, round(SPAN * fps / 2))
    frames, widths, active = len(one.xy), [], []

    def at(frame: int, joint: str) -> tuple[float, float] | None:
        x, y = (float(value) * side for value, side in zip(one.xy[frame, INDEX[joint]], scale, strict=True))
        return (x, y) if one.score[frame, INDEX[joint]] > 0 else None

    for frame in range(frames):
        left, right = at(frame, "left_shoulder"), at(frame, "right_shoulder")
        if left and right:
            widths.append(math.dist(left, right))
    width = float(np.median(widths)) if widths else 0.0
    for frame in range(frames):
        for side, part in (("right", RIGHT_HAND), ("left", LEFT_HAND)):
            if not one.seen[frame, part].any():
                continue
            shoulder, elbow = at(frame, f"{side}_shoulder"), at(frame, f"{side}_elbow")
            if not shoulder or not elbow or not width:
                active.append(frame)
                continue
            wrist = at(frame, f"{side}_hand_wrist") or (0, 0)
            if not wrist[1] - elbow[1] > LOWERED * math.dist(shoulder, elbow):
                active.append(frame)
            if frame >= half and frame + half < frames:
                before, after = (at(frame + step, f"{side}_hand_wrist") for step in (-half, half))
                if before and after and math.dist(before, after) * fps / (2 * half) > MOVING * width:
                    active.append(frame)
    if not active:
        return 0, frames
    margin = round(MARGIN * fps)
    return max(0, min(active) - margin), min(frames, max(active) + 1 + margin)


@given(seed=st.integers(0, 10**6), frames=st.integers(1, 40), fps=st.sampled_from([None, 8.0, 25.0, 60.0]))
def test_agrees_with_a_loop(seed: int, frames: int, fps: float | None) -> None:
    rng = np.random.default_rng(seed)
    start = body(frames)
    steps = rng.normal(0, rng.choice([0.1, 3, 20]), start.xy.shape).cumsum(axis=0)
    score = np.repeat(rng.random((frames, 1)) < rng.random(), JOINT_COUNT, axis=1) & (rng.random(JOINT_COUNT) < 0.9)
    pixels = Recording("x", start.xy + steps.astype(np.float32), score.astype(np.float32), "pixel", SIZE, fps)
    for one in (pixels, pixels.fractions()):
        assert active_span(one) == slow_span(one)


def test_lowered_and_still_is_rest() -> None:
    still = body(50)
    assert active_span(still) == (0, 50), "nothing to go by: all is kept"
    raised = with_right_hand(still, slice(20, 30), (300, 180))
    first, stop = active_span(raised)
    assert first == pytest.approx(20 - 5, abs=3)
    assert stop == pytest.approx(30 + 5, abs=3)


def test_a_hold_at_the_end_is_no_rest() -> None:
    held = with_right_hand(body(50), slice(20, 50), (300, 180))
    assert active_span(held)[1] == 50


def test_hands_held_before_the_belly_are_no_rest() -> None:
    assert active_span(with_right_hand(body(50), slice(20, 50), (300, 260)))[1] == 50


def test_a_hand_that_moves_low_is_no_rest() -> None:
    one = body(50)
    xy = one.xy.copy()
    xy[10:40, RIGHT_HAND, 0] += np.arange(30, dtype=np.float32)[:, None] * 12
    xy[40:, RIGHT_HAND, 0] += 29 * 12
    first, stop = active_span(Recording("x", xy, one.score, "pixel", SIZE, 25))
    assert first == pytest.approx(5, abs=3)
    assert stop == pytest.approx(45, abs=3)


def test_hands_out_of_sight_are_rest_and_hands_alone_are_not() -> None:
    one = body(40)
    hidden = with_right_hand(with_right_hand(one, slice(0, 40), (300, 180)), slice(0, 12), None)
    assert active_span(hidden) == (7, 40)
    score = one.score.copy()
    score[:, [INDEX["left_shoulder"], INDEX["right_shoulder"]]] = 0
    score[:15, :] = 0
    assert active_span(Recording("x", one.xy, score, "pixel", SIZE, 25)) == (10, 40)
