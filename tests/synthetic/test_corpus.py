"""The generated corpus: reproducible, split by signer, lifelike in shape, and hard enough to be worth learning."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import combinations
from operator import ne

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinsign.errors import InputError
from twinsign.pose.layout import BONES, HAND_GRAPH, HAND_WRIST, INDEX, LEFT_HAND, MIRROR, RIGHT_HAND, TRUNK
from twinsign.pose.recording import Recording
from twinsign.synthetic.body import Proportions, elbow, hand_frame, hand_joints, reach
from twinsign.synthetic.corpus import SyntheticConfig, synthesise
from twinsign.synthetic.lexicon import HANDS, HANDSHAPES, LOCATIONS, MOVEMENTS, lexicon
from twinsign.synthetic.signers import make_signer

Clips = list[tuple[Recording, dict[str, str]]]
SMALL = SyntheticConfig(glosses=6, signers=8, seed=3)
EXACT = replace(
    SMALL, jitter=0, loss_rate=0, rest_unseen=0, burst_rate=0, yaw_spread=0, pitch_spread=0, roll_spread=0, pan_spread=0
)
"""A perfect estimator behind a camera that stands straight and in the middle."""


@pytest.fixture(scope="module")
def small() -> Clips:
    return list(synthesise(SMALL))


@pytest.fixture(scope="module")
def full() -> Clips:
    return list(synthesise(SyntheticConfig()))


def test_the_same_config_gives_the_same_clips(small: Clips) -> None:
    for (one, row), (other, other_row) in zip(small, synthesise(SMALL), strict=True):
        assert row == other_row
        np.testing.assert_array_equal(one.xy, other.xy)
        np.testing.assert_array_equal(one.score, other.score)


def test_another_seed_gives_other_clips_of_the_same_glosses(small: Clips) -> None:
    for (one, row), (other, other_row) in zip(small, synthesise(replace(SMALL, seed=4)), strict=True):
        assert row == other_row
        assert one.xy.shape != other.xy.shape or not np.array_equal(one.xy, other.xy)


def test_more_glosses_and_repeats_leave_the_first_clips_as_they_are(small: Clips) -> None:
    more = {row["id"]: clip for clip, row in synthesise(replace(SMALL, glosses=9, clips_per_signer_gloss=2))}
    assert len(more) == 8 * 9 * 2
    for clip, row in small:
        np.testing.assert_array_equal(clip.xy, more[row["id"]].xy)


def test_rows_name_every_clip_once(full: Clips) -> None:
    rows = [row for _, row in full]
    assert all(set(row) == {"id", "gloss", "signer", "split"} for row in rows)
    assert len({row["id"] for row in rows}) == len(rows) == 60 * 40
    assert all(clip.id == row["id"] for clip, row in full)


def test_splits_have_their_own_signers_and_every_gloss(full: Clips) -> None:
    signers, glosses, clips = defaultdict(set), defaultdict(set), defaultdict(int)
    for _, row in full:
        signers[row["split"]].add(row["signer"])
        glosses[row["split"]].add(row["gloss"])
        clips[row["split"]] += 1
    assert {split: len(people) for split, people in signers.items()} == {"train": 36, "val": 9, "test": 15}
    assert all(not one & other for one, other in combinations(signers.values(), 2))
    assert all(len(names) == 40 for names in glosses.values())
    assert clips["test"] >= 500


def test_every_split_has_left_handed_signers() -> None:
    config = SyntheticConfig()
    left = [make_signer(number, config).left_handed for number in range(config.signers)]
    assert any(left[:36])
    assert any(left[36:45])
    assert any(left[45:])
    assert np.mean(left) == pytest.approx(config.left_handed_share, abs=0.02)


def test_recordings_are_lifelike_in_shape(full: Clips) -> None:
    lengths = np.array([len(clip.xy) for clip, _ in full])
    assert np.quantile(lengths, 0.02) >= 20
    assert np.quantile(lengths, 0.98) <= 80
    assert len(np.unique(lengths)) > 20
    for clip, _ in full:
        assert clip.unit == "fraction"
        assert clip.fps == 25.0
        assert np.isfinite(clip.xy).all()
        assert np.abs(clip.xy).max() < 3
    assert any(clip.size[0] < clip.size[1] for clip, _ in full if clip.size)
    assert len({clip.size for clip, _ in full}) > 3


def test_hands_are_lost_in_runs_and_lowered_at_both_ends(full: Clips) -> None:
    ends, inside, holes = [], [], 0
    for clip, _ in full:
        seen = clip.seen[:, HAND_WRIST["right"]] | clip.seen[:, HAND_WRIST["left"]]
        ends += [seen[0], seen[-1]]
        inside.append(seen[len(seen) // 3 : 2 * len(seen) // 3].mean())
        found = np.flatnonzero(seen)
        holes += len(found) > 0 and not seen[found[0] : found[-1]].all()
    assert np.mean(inside) > 0.8
    assert np.mean(ends) < 0.65
    assert 0.05 < holes / len(full) < 0.9
    assert np.mean([clip.seen[:, RIGHT_HAND].any() or clip.seen[:, LEFT_HAND].any() for clip, _ in full]) > 0.99
    assert np.mean([clip.seen[:, TRUNK].mean() for clip, _ in full]) > 0.9


def test_a_left_handed_signer_is_the_mirror_image_of_a_right_handed_one() -> None:
    right = list(synthesise(replace(EXACT, left_handed_share=0)))
    left = list(synthesise(replace(EXACT, left_handed_share=1)))
    for (one, row), (other, other_row) in zip(right, left, strict=True):
        assert row == other_row
        assert one.seen.any()
        mirrored = np.where(one.seen[..., None], one.xy * [-1, 1] + [1, 0], 0)[:, list(MIRROR)]
        np.testing.assert_allclose(other.xy, mirrored, atol=1e-5)


@pytest.mark.parametrize(("share", "moving", "resting"), [(0, "right", "left"), (1, "left", "right")])
def test_one_handed_signs_move_the_dominant_hand_and_leave_the_other_at_rest(
    share: float, moving: str, resting: str
) -> None:
    ratios = defaultdict(list)
    for clip, row in synthesise(replace(EXACT, glosses=40, signers=6, left_handed_share=share)):
        size = np.array(clip.size) / min(clip.size or (1, 1))
        path = {
            side: np.hypot(*np.ptp(clip.xy[:, INDEX[f"{side}_wrist"]], axis=0) * size) for side in ("left", "right")
        }
        hands = row["gloss"].split("-")[-1]
        ratios[hands].append(path[moving] / path[resting])
        assert hands != "ONE" or path[resting] < 0.12
    # A signer who rests with the hands in the lap hardly moves for a twist at the waist: so medians.
    assert np.median(ratios["ONE"]) > 4
    assert np.median(ratios["TWO"]) == pytest.approx(1, abs=0.15)


def test_the_glosses_have_minimal_pairs_in_every_component() -> None:
    signs = SyntheticConfig().signs()
    assert len({sign.name for sign in signs}) == 40
    pairs = [(one, other) for one, other in combinations(signs, 2) if sum(map(ne, one, other)) == 1]
    assert len(pairs) >= 20
    for part, inventory in zip(
        ("handshape", "location", "movement", "hands"), (HANDSHAPES, LOCATIONS, MOVEMENTS, HANDS), strict=True
    ):
        assert sum(getattr(one, part) != getattr(other, part) for one, other in pairs) >= 5, part
        assert {getattr(sign, part) for sign in signs} == set(inventory), part


def test_gloss_names_are_stable() -> None:
    names = [gloss.name for gloss in lexicon()]
    assert names[:3] == ["FLAT-FOREHEAD-STRAIGHT-ONE", "VEE-FOREHEAD-STRAIGHT-ONE", "FLAT-NEUTRAL-STRAIGHT-ONE"]
    assert len(names) == len(set(names)) >= 100


def spread_over_signers(config: SyntheticConfig) -> dict[str, float]:
    """How much the first frame's measures differ over signers who sign the first gloss."""
    first = [clip for clip, row in synthesise(config) if row["gloss"] == config.signs()[0].name]
    shoulders = np.array([clip.xy[0, [INDEX["left_shoulder"], INDEX["right_shoulder"]]] for clip in first])
    sizes = np.array([clip.size for clip in first], dtype=float)
    across = (shoulders[:, 0] - shoulders[:, 1]) * sizes
    return {
        "roll": float(np.std(np.arctan2(across[:, 1], across[:, 0]))),
        "width": float(np.std(np.log(np.hypot(*across.T) / sizes.min(axis=1)))),
        "frames": float(np.std([len(clip.xy) for clip in first])),
    }


@pytest.mark.parametrize(
    ("field", "measure"),
    [("roll_spread", "roll"), ("zoom_spread", "width"), ("pace_spread", "frames")],
)
def test_a_spread_spreads_what_it_names(field: str, measure: str) -> None:
    still = replace(EXACT, glosses=2, signers=20, yaw_spread=0, proportion_spread=0, zoom_spread=0, pace_spread=0)
    with_spread = replace(still, **{field: 0.3})
    assert spread_over_signers(with_spread)[measure] > 1.5 * spread_over_signers(still)[measure] + 0.02


def test_jitter_and_losses_follow_the_config() -> None:
    clean, noisy = (list(synthesise(replace(EXACT, jitter=jitter))) for jitter in (0.0, 0.05))
    error = [
        np.abs(one.xy - other.xy)[one.seen & other.seen].mean()
        for (one, _), (other, _) in zip(clean, noisy, strict=True)
    ]
    assert 0 < np.mean(error) < 0.02
    seen = [
        np.mean([clip.seen[:, RIGHT_HAND].mean() for clip, _ in synthesise(replace(EXACT, loss_rate=rate))])
        for rate in (0.0, 0.05, 0.3)
    ]
    assert seen[0] > seen[1] + 0.05 > seen[2] + 0.1


def test_fps_scales_the_number_of_frames(small: Clips) -> None:
    double = [len(clip.xy) for clip, _ in synthesise(replace(SMALL, fps=50.0))]
    assert np.mean(double) == pytest.approx(2 * np.mean([len(clip.xy) for clip, _ in small]), rel=0.03)


@pytest.mark.parametrize("shape", HANDSHAPES)
def test_bones_keep_their_length_and_extended_fingers_reach_far(shape: str) -> None:
    rng = np.random.default_rng(0)
    angles = HANDSHAPES[shape] + rng.normal(size=(20, 12)) * 0.2
    frame = hand_frame(rng.normal(size=(20, 3)), rng.normal(size=(20, 3)), rng.normal(size=20))
    joints = hand_joints(angles, frame)
    bones = np.linalg.norm([joints[:, child] - joints[:, parent] for parent, child in HAND_GRAPH.bones], axis=-1)
    np.testing.assert_allclose(bones, bones[:, :1] * np.ones(20), atol=1e-9)
    tips = np.linalg.norm(hand_joints(HANDSHAPES[shape], hand_frame(*np.eye(3)[[1, 2]], np.array(0.0))), axis=-1)
    index_tip = tips[HAND_GRAPH.groups[1][-1]]
    assert (index_tip > 0.9) == (shape in ("FLAT", "POINT", "VEE", "SPREAD"))


@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_arms_reach_their_wrists_with_bones_of_the_right_length(target: list[float]) -> None:
    body = Proportions(shoulder=1.0, upper_arm=0.76, forearm=0.66, hand=0.47, neck=0.72)
    shoulder = np.array([-0.5, 0.0, 0.0])
    wrist = reach(shoulder, np.array([target]), body)
    bend = elbow(shoulder, wrist, body)
    assert np.linalg.norm(bend - shoulder) == pytest.approx(body.upper_arm, abs=1e-6)
    if np.linalg.norm(wrist - shoulder) > 0.2:
        assert np.linalg.norm(wrist - bend) == pytest.approx(body.forearm, abs=1e-6)


def test_no_bone_stretches_in_the_image() -> None:
    one, other = np.array(BONES).T
    for clip, _ in synthesise(EXACT):
        size = np.array(clip.size) / min(clip.size or (1, 1))
        lengths = np.linalg.norm((clip.xy[:, one] - clip.xy[:, other]) * size, axis=-1)
        assert lengths[clip.seen[:, one] & clip.seen[:, other]].max() < 0.6


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"glosses": 1}, "glosses 1"),
        ({"glosses": 5000}, "glosses 5000"),
        ({"signers": 2}, "signers"),
        ({"clips_per_signer_gloss": 0}, "clips_per_signer_gloss 0"),
        ({"jitter": -0.1}, "jitter -0.1"),
        ({"fps": float("nan")}, "fps nan"),
        ({"fps": 0.0}, "fps"),
        ({"left_handed_share": 1.5}, "left_handed_share 1.5"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_a_wrong_config_says_what_was_found(changes: dict[str, float], found: str) -> None:
    with pytest.raises(InputError, match=found):
        replace(SMALL, **changes)
