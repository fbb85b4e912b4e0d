"""Where signs begin and end: made streams whose signs are known, real clips, and a slow version that keeps all."""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from helpers import scripted_signer
from numpy.typing import NDArray

from twinsign.errors import InputError
from twinsign.pose.layout import HANDS, INDEX, LEFT_HAND, RIGHT_HAND
from twinsign.pose.read import open_landmarks
from twinsign.streaming.segmenter import Frame, Segment, Segmenter, SegmenterConfig

CONFIG = SegmenterConfig()
THREE = [(1.0, 2.4), (3.6, 5.2), (6.4, 8.0)]
SPAN = 0.1
Spans = list[tuple[float, float]]


def signs_of(
    frames: Sequence[Frame], config: SegmenterConfig = CONFIG, size: tuple[int, int] | None = None
) -> list[Segment]:
    signing = Segmenter(config, size)
    found = [signing.push(one) for one in frames] + [signing.finish()]
    return [one for one in found if one is not None]


def spans(signs: Sequence[Segment]) -> Spans:
    return [(one.begin, one.end) for one in signs]


def slow_spans(frames: Sequence[Frame], config: SegmenterConfig = CONFIG) -> Spans:
    """The same by the words of SegmenterConfig, from speeds of all frames at once, in float64, nothing forgotten."""
    raised, speed = slow_hands(frames)
    found: Spans = []
    begin = up = moved = -math.inf
    signing = after_hold = False
    for now, one in enumerate(frames):
        time = one.time
        held = not signing and (frames[now - 1].time if now else -math.inf) - up < config.gone
        if raised[now]:
            fresh = not held and not (now and raised[now - 1])
            up, moved = time, time if speed[now] > config.still else moved
            if not signing and (speed[now] > config.moving or fresh):
                signing, begin, moved, after_hold = True, time, time, held
                continue
        if not signing:
            continue
        lowered, held_still = time - up >= config.gone, bool(raised[now]) and time - moved >= config.pause
        if lowered or held_still or time - begin >= config.longest:
            end = up if lowered else moved if held_still else time
            least = config.lowering if lowered and after_hold else config.shortest
            found += [(begin, end)] if end - begin >= least else []
            signing = False
    last = frames[-1].time
    return found + ([(begin, last)] if signing and last - begin >= config.shortest else [])


def slow_hands(frames: Sequence[Frame]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Whether a hand is raised (T), and the faster raised hand's speed (T), of frames whose shoulders are all seen."""
    raised, speed = np.zeros(len(frames), bool), np.zeros(len(frames))
    for now, one in enumerate(frames):
        xy = one.xy.astype(np.float64)
        width = math.dist(xy[INDEX["right_shoulder"]], xy[INDEX["left_shoulder"]])
        past = [other for other in range(now) if one.time - frames[other].time >= SPAN]
        for side, hand in (("right", RIGHT_HAND), ("left", LEFT_HAND)):
            elbow, shoulder = INDEX[f"{side}_elbow"], INDEX[f"{side}_shoulder"]
            hangs = xy[hand.start, 1] - xy[elbow, 1] > 0.25 * math.dist(xy[elbow], xy[shoulder])
            if not one.score[hand].any() or (hangs and one.score[elbow] > 0 and one.score[shoulder] > 0):
                continue
            raised[now] = True
            ways = [
                math.dist(xy[joint], frames[past[-1]].xy[joint].astype(np.float64))
                for joint in range(hand.start, hand.stop)
                if past and one.score[joint] > 0 and frames[past[-1]].score[joint] > 0
            ]
            if ways:
                mean = sum(ways) / len(ways)
                speed[now] = max(speed[now], mean / width / (one.time - frames[past[-1]].time))
    return raised, speed


@pytest.mark.parametrize("hanging", [True, False])
@pytest.mark.parametrize("side", ["right", "left"])
def test_signs_with_rests_between_are_found_where_they_are(hanging: bool, side: str) -> None:
    found = signs_of(scripted_signer.stream(9, THREE, hanging=hanging, side=side))
    wanted = scripted_signer.up_times(scripted_signer.stream(9, THREE, hanging=hanging))
    assert len(found) == 3
    np.testing.assert_allclose(spans(found), wanted, atol=0.041)
    for one in found:
        assert one.frames[0].time == pytest.approx(one.begin - CONFIG.lead, abs=0.041)
        assert one.frames[-1].time == pytest.approx(one.end + CONFIG.lead, abs=0.041)


@pytest.mark.parametrize("fps", [10, 15, 24, 29.97, 50, 120, 1000])
def test_the_frame_rate_does_not_matter(fps: float) -> None:
    found, usual = signs_of(scripted_signer.stream(9, THREE, fps)), signs_of(scripted_signer.stream(9, THREE, 100))
    np.testing.assert_allclose(spans(found), spans(usual), atol=1 / fps + 0.011)
    assert max(len(one.frames) for one in found) <= 120 * 2.1, "frames that come too fast are left out"


def test_uneven_times_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.02, 0.12, 130))
    found = signs_of([scripted_signer.frame(float(time), THREE) for time in times if time < 9])
    np.testing.assert_allclose(spans(found), spans(signs_of(scripted_signer.stream(9, THREE, 100))), atol=0.13)


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (1920, 400)])
def test_the_shape_of_the_picture_does_not_matter(size: tuple[int, int]) -> None:
    square = scripted_signer.stream(9, THREE)
    shaped = [one._replace(xy=one.xy * np.float32(1000) / np.asarray(size, np.float32)) for one in square]
    assert spans(signs_of(shaped, size=size)) == spans(signs_of(square, size=(1000, 1000)))


def test_without_shoulders_the_palm_is_the_measure() -> None:
    names = ("right_shoulder", "left_shoulder", "right_elbow", "left_elbow")
    unseen = [scripted_signer.without(one, *names) for one in scripted_signer.stream(9, THREE, hanging=False)]
    np.testing.assert_allclose(spans(signs_of(unseen)), [(1.04, 2.36), (3.64, 5.16), (6.44, 7.96)], atol=0.05)


def test_a_sign_that_never_ends_is_cut_at_the_most_seconds() -> None:
    found = spans(signs_of(scripted_signer.stream(13, [(0.5, 12.5)])))
    assert [round(end - begin, 2) for begin, end in found[:2]] == [CONFIG.longest] * 2
    assert found[1][0] - found[0][1] == pytest.approx(0.04), "the next one begins at once"
    assert len(found) == 3


def test_held_hands_end_a_sign_and_lowering_them_is_none() -> None:
    held = [(one._replace(xy=scripted_signer.frame(2.0, [(1.0, 9.0)]).xy) if 2 < one.time < 5 else one)
            for one in scripted_signer.stream(7, [(1.0, 5.3)])]  # fmt: skip
    found = spans(signs_of(held))
    assert len(found) == 1
    assert found[0][1] == pytest.approx(2.0, abs=0.2)
    assert signs_of([*held[:-50], *[one._replace(score=0 * one.score) for one in held[-50:]]])


def test_the_state_says_what_the_hands_do() -> None:
    signing, states = Segmenter(CONFIG), list[str]()
    for one in scripted_signer.stream(4, [(1.0, 2.4)], moves=False):
        signing.push(one)
        states.append(signing.state)
    assert {"rest", "signing"} <= set(states)
    assert states[:25] == ["rest"] * 25
    assert states[-1] == "rest"


def test_no_hand_is_no_sign_and_nothing_is_kept() -> None:
    signing, kept = Segmenter(CONFIG), list[weakref.ref[NDArray[np.float32]]]()
    for one in scripted_signer.stream(40, [], hanging=False):
        kept.append(weakref.ref(one.score))
        assert signing.push(one) is None
    del one
    assert sum(ref() is not None for ref in kept) < 10
    assert signing.finish() is None


def test_a_hand_in_sight_from_the_first_frame_on_begins_a_sign() -> None:
    late = [one._replace(time=one.time - 1.5) for one in scripted_signer.stream(4, [(1.0, 2.8)]) if one.time >= 1.5]
    found = spans(signs_of(late))
    assert len(found) == 1
    assert found == scripted_signer.up_times(late)
    assert found[0][0] == late[0].time


def test_time_must_go_on_and_a_refused_frame_changes_nothing() -> None:
    frames, signing = scripted_signer.stream(9, THREE), Segmenter(CONFIG)
    found = []
    for one in frames:
        found.append(signing.push(one))
        for wrong in (one, one._replace(time=one.time - 3)):
            with pytest.raises(InputError, match="times that rise"):
                signing.push(wrong)
    assert spans([one for one in found if one is not None]) == spans(signs_of(frames))


def test_a_gap_in_the_stream_ends_a_sign() -> None:
    frames = [one for one in scripted_signer.stream(9, [(1.0, 8.0)]) if not 3 < one.time < 5]
    found = spans(signs_of(frames))
    assert found[0][1] == pytest.approx(3.0, abs=0.05)
    assert found[1][0] == pytest.approx(5.0, abs=0.05)


def test_another_stream_may_follow() -> None:
    signing = Segmenter(CONFIG)
    for _ in range(2):
        found = [signing.push(one) for one in scripted_signer.stream(2, [(0.5, 3.0)])]
        assert found == [None] * len(found)
        last = signing.finish()
        assert last is not None
        assert last.end == pytest.approx(1.96)
        assert signing.state == "rest"


@pytest.mark.parametrize("name", list(vars(CONFIG)))
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_settings_are_positive_numbers(name: str, value: float) -> None:
    with pytest.raises(InputError, match=name):
        SegmenterConfig(**{name: value})


def test_is_what_the_slow_version_finds_in_made_streams() -> None:
    rng = np.random.default_rng(1)
    for _ in range(8):
        edges = np.cumsum(rng.uniform(0.2, 1.6, 12))
        signs = [(float(begin), float(end)) for begin, end in zip(edges[::2], edges[1::2], strict=True)]
        moves = bool(rng.random() < 0.7)
        frames = scripted_signer.stream(float(edges[-1]) + 1, signs, float(rng.choice([12.5, 25, 50])), moves=moves)
        assert spans(signs_of(frames)) == slow_spans(frames)


def test_real_clips_hold_one_sign_each(data_dir: Path) -> None:
    """WLASL clips of one sign, each a stream, and many of them as one stream with the hands out of sight between."""
    clips = open_landmarks(data_dir / "wlasl_body_hands.npz")
    shown, joined, counts = 0, list[Frame](), list[int]()
    for number in range(0, len(clips.rows), 8):
        one = clips.clip(number)
        if one.seen[:, [INDEX["right_shoulder"], INDEX["left_shoulder"]]].all() and one.seen[:, HANDS].any():
            frames = [Frame(at / 25, xy, score) for at, (xy, score) in enumerate(zip(one.xy, one.score, strict=True))]
            found = spans(signs_of(frames))
            assert found == slow_spans(frames), one.id
            shown += 1
            counts.append(len(found))
            offset = joined[-1].time + 0.04 if joined else 0.0
            rest = [Frame(at / 25, one.xy[0], 0 * one.score[0] + _shoulders(one.score[0])) for at in range(15)]
            joined += [other._replace(time=offset + at / 25) for at, other in enumerate(frames + rest)]
    assert shown > 75
    assert sum(count == 1 for count in counts) > 0.93 * shown
    assert abs(len(signs_of(joined)) - sum(counts)) <= 0.03 * shown


def _shoulders(score: NDArray[np.float32]) -> NDArray[np.float32]:
    kept = np.zeros_like(score)
    kept[[INDEX["right_shoulder"], INDEX["left_shoulder"]]] = 1
    return kept
