"""Streams named as they come: the answers are those of `predict` on the same frames, whatever the frames' rhythm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from helpers import scripted_signer
from helpers.trained_runs import Trained
from hypothesis import assume, given
from hypothesis import strategies as st

from twinsign.errors import InputError
from twinsign.inference.recogniser import Recogniser
from twinsign.pack.open import Pack
from twinsign.pose.layout import HANDS, JOINT_COUNT
from twinsign.pose.read import open_landmarks
from twinsign.pose.recording import Recording
from twinsign.streaming.segmenter import Frame, SegmenterConfig
from twinsign.streaming.stream import GUESS_SECONDS, MAX_UNEVENNESS, Sign, Stream, resample

THREE = [(1.0, 2.4), (3.6, 5.2), (6.4, 8.0)]
REST = 0.6
"""Seconds without hands between clips."""


def shown(frames: Sequence[Frame], stream: Stream[Recording]) -> list[Sign[Recording]]:
    return [sign for one in frames for sign in stream.push(*one)] + stream.finish()


def as_it_is(recording: Recording) -> Recording:
    return recording


def joined(clips: Sequence[Recording], fps: float) -> list[Frame]:
    """Clips one after another, with rests in which the last frame's trunk alone is seen, at even times."""
    found: list[Frame] = []
    for clip in clips:
        unseen = clip.score[-1].copy()
        unseen[HANDS] = 0
        rest = [(clip.xy[-1], unseen)] * math.ceil(REST * fps)
        for xy, score in [*zip(clip.xy, clip.score, strict=True), *rest]:
            found.append(Frame(len(found) / fps, xy, score))
    return found


def test_the_answers_are_those_of_predict_on_the_same_frames(trained: Trained) -> None:
    recogniser, pack = Recogniser.load(trained.finetuned), Pack(trained.pack)
    rows = pack.select(["test"])
    clips = [pack.recording(int(row)) for row in rows[pack.usable[rows]]]
    fps, size = clips[0].fps or 25.0, clips[0].size
    frames = joined(clips, fps)
    stream = Stream(recogniser.predict, size=size, estimator="synthetic")
    found = [sign for one in frames for sign in stream.push(*one) if sign.ended] + stream.finish()
    assert len(found) == len(clips)
    for sign in found:
        lead = SegmenterConfig().lead
        part = [one for one in frames if sign.begin - lead <= one.time <= sign.end + lead]
        xy, score = np.stack([one.xy for one in part]), np.stack([one.score for one in part])
        wanted = recogniser.predict(Recording("again", xy, score, size=size, fps=fps))
        assert sign.answer == wanted


def test_real_clips_with_rests_between_give_a_sign_each(data_dir: Path) -> None:
    source = open_landmarks(data_dir / "wlasl_body_hands.npz")
    clips = [source.clip(number) for number in range(200, 224)]
    frames = joined(clips, 25)
    found = [sign for sign in shown(frames, Stream(as_it_is)) if sign.ended]
    starts = np.cumsum([0.0] + [len(clip.xy) / 25 + math.ceil(REST * 25) / 25 for clip in clips])
    inside = [int(np.searchsorted(starts, sign.begin + 1e-6)) - 1 for sign in found]
    assert sum(inside.count(clip) == 1 for clip in range(len(clips))) >= 22
    for sign, clip in zip(found, inside, strict=True):
        hands = np.flatnonzero(clips[clip].seen[:, HANDS].any(axis=1)) / 25 + starts[clip]
        assert hands[0] - 1e-6 <= sign.begin < sign.end <= hands[-1] + 1e-6


def test_guesses_come_while_a_sign_goes_on_and_then_the_answer() -> None:
    frames = scripted_signer.stream(9, THREE)
    found = shown(frames, Stream(as_it_is))
    assert [sign.ended for sign in found].count(True) == 3
    for number, (begin, end) in enumerate(scripted_signer.up_times(frames)):
        mine = [sign for sign in found if begin - 0.05 < sign.begin < end]
        assert [sign.ended for sign in mine] == [False] * (len(mine) - 1) + [True]
        guessed = [sign.end for sign in mine if not sign.ended]
        assert min(np.diff([mine[0].begin, *guessed])) >= GUESS_SECONDS - 1e-6
        assert len(guessed) >= math.floor((end - begin) / (GUESS_SECONDS + 0.04))
        assert mine[-1].answer.id == f"sign {number + 1}"
        assert mine[-1].delay == pytest.approx(SegmenterConfig().gone, abs=0.05)
        assert mine[-1].seconds >= 0


@pytest.mark.parametrize("fps", [12.5, 30, 60])
def test_a_recording_has_the_frames_rate_and_form(fps: float) -> None:
    for sign in shown(scripted_signer.stream(9, THREE, fps), Stream(as_it_is, size=(640, 480), estimator="made 1")):
        recording = sign.answer
        assert (recording.size, recording.estimator) == ((640, 480), "made 1")
        assert recording.fps == pytest.approx(fps)
        if sign.ended:
            long = sign.end - sign.begin + 2 * SegmenterConfig().lead
            assert len(recording.xy) / fps == pytest.approx(long, abs=2 / fps)


def test_frames_that_are_none_are_refused_and_change_nothing() -> None:
    stream, frames = Stream(as_it_is), scripted_signer.stream(4, [(1.0, 2.4)])
    usual = shown(frames, Stream(as_it_is))
    good = frames[0]
    nan, beyond = np.full((JOINT_COUNT, 2), np.nan), np.full(JOINT_COUNT, 1.5)
    found: list[Sign[Recording]] = []
    for one in frames:
        found += stream.push(*one)
        for time, xy, score, words in (
            (one.time - 0.5, good.xy, good.score, "rise"),
            (math.nan, good.xy, good.score, "seconds"),
            (math.inf, good.xy, good.score, "seconds"),
            (one.time + 0.01, good.xy[:48], good.score, "shapes"),
            (one.time + 0.01, good.xy, good.score[:5], "shapes"),
            (one.time + 0.01, nan, np.ones(JOINT_COUNT), "NaN"),
            (one.time + 0.01, good.xy, beyond, "score"),
        ):
            with pytest.raises(InputError, match=words):
                stream.push(time, xy, score)
    found += stream.finish()
    assert [(sign.begin, sign.end) for sign in found] == [(sign.begin, sign.end) for sign in usual]


def test_another_stream_may_follow_from_time_zero() -> None:
    stream, frames = Stream(as_it_is), scripted_signer.stream(2, [(0.5, 3.0)])
    first, second = shown(frames, stream), shown(frames, stream)
    assert [(one.begin, one.end, one.ended) for one in first] == [(one.begin, one.end, one.ended) for one in second]
    assert first[-1].ended, "what had not ended is answered at the end"


def test_no_hand_asks_nothing() -> None:
    def never(recording: Recording) -> None:
        raise AssertionError(recording)

    stream = Stream(never)
    assert not [sign for one in scripted_signer.stream(20, [], hanging=False) for sign in stream.push(*one)]
    assert stream.finish() == []
    assert stream.state == "rest"


def slow_resample(frames: Sequence[Frame]) -> tuple[list[list[tuple[float, float]]], list[list[float]]]:
    """Step by step and joint by joint, in float64: what `resample` has to agree with."""
    times = [one.time for one in frames]
    gaps = sorted(after - before for before, after in pairwise(times))
    half = len(gaps) // 2
    gap = gaps[half] if len(gaps) % 2 else (gaps[half - 1] + gaps[half]) / 2
    count = max(2, round((times[-1] - times[0]) / gap) + 1)
    places, scores = [], []
    for step in range(count):
        time = times[0] + (times[-1] - times[0]) * step / (count - 1)
        after = next((at for at, one in enumerate(times) if at and one >= time - 1e-9), len(times) - 1)
        weight = (time - times[after - 1]) / (times[after] - times[after - 1])
        low, high = frames[after - 1], frames[after]
        row, known = [], []
        for joint in range(JOINT_COUNT):
            if low.score[joint] > 0 and high.score[joint] > 0:
                x, y = (float(low.xy[joint, axis] * (1 - weight) + high.xy[joint, axis] * weight) for axis in (0, 1))
                known.append(float(low.score[joint] * (1 - weight) + high.score[joint] * weight))
            else:
                nearer = high if weight >= 0.5 else low
                x, y = (float(value) for value in nearer.xy[joint])
                known.append(float(nearer.score[joint]))
            row.append((x, y))
        places.append(row)
        scores.append(known)
    return places, scores


@given(seed=st.integers(0, 10**6), count=st.integers(3, 12))
def test_resample_is_the_slow_interpolation(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.integers(17, 120, count)) / 1000
    gaps = np.diff(times)
    assume(np.abs(gaps / np.median(gaps) - 1).max() > MAX_UNEVENNESS)
    score = np.where(rng.random((count, JOINT_COUNT)) < 0.7, rng.uniform(0.1, 1, (count, JOINT_COUNT)), 0)
    xy = rng.random((count, JOINT_COUNT, 2)) * (score > 0)[..., None]
    frames = [Frame(float(time), *one) for time, *one in zip(times, np.float32(xy), np.float32(score), strict=True)]
    found, (places, scores) = resample(frames, "clip", None), slow_resample(frames)
    decided = np.abs(_weights(frames, len(places)) - 0.5) > 1e-6
    np.testing.assert_allclose(found.xy[decided], np.asarray(places)[decided], atol=1e-5)
    np.testing.assert_allclose(found.score[decided], np.asarray(scores)[decided], atol=1e-5)


def _weights(frames: Sequence[Frame], steps: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """How far each step lies between its two frames: at exactly half, rounding decides which one is nearer."""
    times = np.asarray([one.time for one in frames])
    even = np.linspace(times[0], times[-1], steps)
    return np.interp(even, times, np.arange(len(times))) % 1


def test_even_frames_stay_what_they_are() -> None:
    frames = scripted_signer.stream(2, [(0.2, 1.8)], 29.97)
    found = resample(frames, "clip", (640, 480), "made 1")
    np.testing.assert_array_equal(found.xy, [one.xy for one in frames])
    np.testing.assert_array_equal(found.score, [one.score for one in frames])
    assert found.fps == pytest.approx(29.97)
    assert len(resample(frames[:1], "one", None).xy) == 1
