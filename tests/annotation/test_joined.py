from __future__ import annotations

import numpy as np
from helpers.recordings import random_pose

from twinsign.annotation.joined import CENTRE, HAND_LENGTH, JoinConfig, Sign, join, load_sign
from twinsign.annotation.resampling import Poses, resample, steps
from twinsign.pose.layout import HANDS, JOINT_COUNT
from twinsign.pose.recording import Recording


def sign(frames: int, value: float, gloss: str) -> Sign:
    """A sign whose joints all stand at one place."""
    xy = np.full((frames, JOINT_COUNT, 2), value, np.float32)
    return Sign(Poses(xy, np.ones((frames, JOINT_COUNT), np.float32)), gloss)


def test_with_rests_each_span_holds_its_sign_alone() -> None:
    signs = [sign(30, 0.2, "a"), sign(50, 0.4, "b"), sign(40, 0.6, "c")]
    recording, spans = join(signs, JoinConfig(fps=(25.0,)), np.random.default_rng(0))
    assert [span.gloss for span in spans] == ["a", "b", "c"]
    shown = recording.seen.any(axis=1)
    inside = np.zeros(len(shown), bool)
    for span, part in zip(spans, signs, strict=True):
        first, stop = round(span.begin * 25), round(span.end * 25)
        assert stop - first == len(part.poses.xy)
        np.testing.assert_allclose(recording.xy[first:stop], part.poses.xy[:1].repeat(stop - first, 0))
        inside[first:stop] = True
    np.testing.assert_array_equal(shown, inside)


def test_without_rests_signs_fade_into_each_other() -> None:
    signs = [sign(40, 0.2, "a"), sign(40, 0.4, "b"), sign(40, 0.6, "c")]
    recording, spans = join(signs, JoinConfig(rest=None, fade=0.2, fps=(25.0,)), np.random.default_rng(0))
    assert [span.end for span in spans[:2]] == [span.begin for span in spans[1:]]
    middle = spans[1].begin * 25
    x = recording.xy[:, 0, 0]
    fade = x[int(middle) - 2 : int(middle) + 3]
    assert (np.diff(fade) > 0).all()
    assert abs(float(fade.mean()) - 0.3) < 0.02
    assert x[int(middle) - 5] == np.float32(0.2)
    assert x[int(middle) + 5] == np.float32(0.4)


def test_frame_rates_keep_times() -> None:
    signs = [sign(30, 0.2, "a"), sign(50, 0.4, "b")]
    lengths = set()
    for fps in (15.0, 25.0, 50.0):
        recording, spans = join(signs, JoinConfig(fps=(fps,)), np.random.default_rng(1))
        assert recording.fps == fps
        lengths.add(round(len(recording.xy) / fps, 1))
        begin = int(np.flatnonzero(recording.seen.any(axis=1))[0]) / fps
        assert abs(begin - spans[0].begin) <= 1 / fps + 1e-9
    assert len(lengths) == 1


def test_signs_are_scaled_alike_and_clips_without_a_hand_left_out() -> None:
    xy, score = random_pose(np.random.default_rng(0), 40, scored=False)
    one = load_sign(Recording("a", xy, score, fps=25.0), "a")
    half = load_sign(Recording("b", xy * 0.5, score, fps=25.0), "a")
    assert one is not None
    assert half is not None
    np.testing.assert_allclose(one.poses.xy, half.poses.xy, atol=1e-4)
    middle = np.median(one.poses.xy[:, HANDS][one.poses.score[:, HANDS] > 0], axis=0)
    np.testing.assert_allclose(middle, CENTRE, atol=1e-5)
    assert HAND_LENGTH > 0
    score[:, HANDS] = 0
    assert load_sign(Recording("c", xy, score, fps=25.0), "a") is None


def test_resampling_decides_by_the_nearer_frame_between_seen_and_unseen() -> None:
    poses = Poses(
        np.arange(4, dtype=np.float32)[:, None, None].repeat(2, 2), np.array([[1], [1], [0], [1]], np.float32)
    )
    out = resample(poses, np.arange(4.0), np.array([0.5, 1.25, 1.75, 9.0]))
    np.testing.assert_allclose(out.xy[:2, 0, 0], [0.5, 1.0])
    np.testing.assert_array_equal(out.score[:, 0] > 0, [True, True, False, True])
    assert len(steps(0.01, 25.0)) == 1
