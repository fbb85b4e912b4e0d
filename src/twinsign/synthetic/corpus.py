"""The generated corpus, for demos and tests without data: generated people sign generated glosses before a camera.

Everything follows from SyntheticConfig: the same config gives the same clips on any machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from twinsign.datasets.sample import Corpus, Sample
from twinsign.pose.layout import MIRROR
from twinsign.pose.recording import Recording
from twinsign.synthetic.body import MIRRORED, assemble, elbow, hand_frame, hand_joints, reach
from twinsign.synthetic.estimator import estimate, smooth_noise
from twinsign.synthetic.lexicon import (
    BASE_HAND,
    HANDSHAPES,
    LOCATIONS,
    MOVEMENTS,
    Array,
    Gloss,
    changed_handshape,
    minimum_jerk,
    stroke,
)
from twinsign.synthetic.signers import NECK, Signer, SyntheticConfig, make_signer, rotation

__all__ = ["SyntheticConfig", "synthesise", "synthetic_corpus"]

REST_HAND = (np.array([0.15, 1.0, -0.1]), np.array([1.0, 0.0, 0.3]))
"""Direction of the fingers and palm normal of a hand at rest."""
REST_ANGLES = HANDSHAPES["FLAT"] + 0.25 * (HANDSHAPES["CLAW"] - HANDSHAPES["FLAT"])
FOREARM_SHARE = 0.5
"""How far the fingers follow the forearm instead of the sign's own direction: wrists bend only so far."""


def synthetic_corpus(config: SyntheticConfig) -> Corpus:
    """The clips of every signer and gloss in turn, each generated when it is read."""
    samples = []
    splits = [split for split, count in config.split_signers().items() for _ in range(count)]
    for number, split in enumerate(splits):
        signer, person = make_signer(number, config), f"signer{number:03d}"
        for sign, gloss in enumerate(config.signs()):
            for repeat in range(config.clips_per_signer_gloss):
                clip = f"{person}-{gloss.name}-{repeat + 1}"
                row = {"id": clip, "gloss": gloss.name, "signer": person, "split": split}
                seed = (config.seed, 2, number, sign, repeat)
                samples.append(Sample(clip, partial(_generate, seed, clip, gloss, signer, config), row))
    return Corpus(samples)


def synthesise(config: SyntheticConfig) -> Iterator[tuple[Recording, dict[str, str]]]:
    """Generate the clips of every signer and gloss in turn, each with its id, gloss, signer and split."""
    for sample in synthetic_corpus(config).samples:
        yield sample.read(), dict(sample.row)


def _generate(seed: tuple[int, ...], clip: str, gloss: Gloss, signer: Signer, config: SyntheticConfig) -> Recording:
    rng = np.random.default_rng(seed)
    arms = _arms(rng, gloss, *_timeline(rng, signer, config), signer, config)
    joints = _joints(rng, arms, signer)
    sway = smooth_noise(rng, len(joints), 3, 15.0)[:, None] * 0.03
    sides = ("right", "left")
    if signer.left_handed:
        sway, sides = sway * MIRRORED, ("left", "right")
    camera = signer.camera
    lengths = (signer.body.hand * camera.zoom, signer.body.shoulder * camera.zoom)
    active = dict(zip(sides, arms.active, strict=True))
    xy, score = estimate(rng, camera.project(joints + sway), camera.size, lengths, active, config)
    joints_xy, joints_score = xy.astype(np.float32), score.astype(np.float32)
    return Recording(clip, joints_xy, joints_score, "fraction", camera.size, config.fps, "synthetic", "synthetic")


def _timeline(rng: np.random.Generator, signer: Signer, config: SyntheticConfig) -> tuple[Array, Array]:
    """Phase of the stroke (T) and activity of the arms (T), both in [0, 1]."""
    pace = signer.pace * np.exp(rng.normal() * config.clip_share * config.pace_spread) * config.fps
    length, rise, fall = np.array([config.stroke_seconds, 0.32, 0.36]) * pace * rng.uniform(0.85, 1.15, 3)
    lead, tail = rng.uniform(0.0, 0.35, 2) * config.fps
    time = np.arange(max(4, round(lead + rise + length + fall + tail)))
    phase = np.clip((time - lead - rise) / length, 0, 1)
    return phase, minimum_jerk((time - lead) / rise) * minimum_jerk((lead + rise + length + fall - time) / fall)


class _Arm(NamedTuple):
    """What an arm does, as a right arm: wrist target (T 3), finger direction and palm normal (T 3), roll (T),
    handshape angles (T 12), activity (T)."""

    wrist: Array
    fingers: Array
    palm: Array
    roll: Array
    angles: Array
    active: Array


def _arms(
    rng: np.random.Generator, gloss: Gloss, phase: Array, active: Array, signer: Signer, config: SyntheticConfig
) -> _Arm:
    """Both arms, stacked (2 T ...), the dominant one first."""
    signing = _signing_arm(rng, gloss, phase, active, signer, config)
    still = np.zeros((len(active), 3))
    # The base hand is near the waist: a signer's own place for signs there holds for it too.
    shift = signer.place_shift[list(LOCATIONS).index("WAIST")]
    base = _Arm(
        wrist=still + np.array(BASE_HAND.wrist) + shift,
        fingers=still + np.array(BASE_HAND.fingers),
        palm=still + np.array(BASE_HAND.palm),
        roll=still[:, 0],
        angles=still[:, :1] + _angles(rng, "FLAT", signer, config),
        active=active if gloss.hands == "BASE" else np.zeros_like(active),
    )
    second = signing if gloss.hands == "TWO" else base
    return _Arm(*(np.stack(pair) for pair in zip(signing, second, strict=True)))


def _signing_arm(
    rng: np.random.Generator, gloss: Gloss, phase: Array, active: Array, signer: Signer, config: SyntheticConfig
) -> _Arm:
    place, at = LOCATIONS[gloss.location], list(LOCATIONS).index(gloss.location)
    move = MOVEMENTS.index(gloss.movement)
    # The signer's own unevenness in time, monotone and without effect on both ends.
    turn, warp = 2 * np.pi * phase, signer.warp[move]
    phase = phase + (warp[0] * np.sin(turn) + warp[1] * np.sin(2 * turn) / 2) / (2 * np.pi)
    motion = stroke(gloss.movement, phase, signer.cycles)
    vary = rng.normal(size=(3, 3)) * config.clip_share
    hand = rotation(signer.hand_turn[at] + vary[0] * config.turn_spread)
    path = rotation(signer.path_turn[move] + vary[1] * config.turn_spread)
    amplitude = signer.amplitude * np.exp(rng.normal() * config.clip_share * config.amplitude_spread)
    start = np.array(place.wrist) + signer.place_shift[at] + vary[2] * config.place_spread
    first, last = (_angles(rng, name, signer, config) for name in (gloss.handshape, changed_handshape(gloss.handshape)))
    angles = first + motion.change[:, None] * (last - first)
    angles[:, : motion.flutter.shape[1]] += motion.flutter
    still = np.zeros((len(phase), 3))
    return _Arm(
        wrist=_bend_space(start + amplitude * motion.offset @ path.T, signer),
        fingers=still + hand @ np.array(place.fingers),
        palm=still + hand @ np.array(place.palm),
        roll=motion.roll,
        angles=angles,
        active=active,
    )


def _angles(rng: np.random.Generator, name: str, signer: Signer, config: SyntheticConfig) -> Array:
    """A handshape's angles (12) as this signer makes it in this clip."""
    plain = HANDSHAPES[name]
    habit = signer.shape_habit @ np.append(plain, 1.0)
    return np.asarray(plain + habit + rng.normal(size=len(plain)) * config.clip_share * config.shape_spread)


def _bend_space(points: Array, signer: Signer) -> Array:
    """Wrist targets (T 3) in the signer's own space: heights above the shoulders by the neck, all gently bent."""
    neck = np.array([1.0, signer.body.neck / NECK, 1.0])
    points = np.where(points < 0, points * neck, points)
    size, frequency, phase = signer.bend
    return np.asarray(points + size * np.sin(points[:, [1, 0, 0]] * frequency + phase))


def _joints(rng: np.random.Generator, arms: _Arm, signer: Signer) -> Array:
    """The 49 joints (T 49 3) in the signer's shoulder widths, before any camera."""
    frames, body, active = arms.active.shape[1], signer.body, arms.active[..., None]
    shoulder = np.array([-body.shoulder / 2, 0.0, 0.0])
    tremor = smooth_noise(rng, frames, 9, 8.0)
    wander = np.stack([tremor[:, :3], tremor[:, 3:6]]) * 0.02
    resting = signer.rest[:, None]
    wrist = reach(shoulder, resting + active * (arms.wrist - resting) + wander, body)
    elbows = elbow(shoulder, wrist, body)
    forearm = (wrist - elbows) / body.forearm
    fingers = REST_HAND[0] + active * (arms.fingers - REST_HAND[0]) + FOREARM_SHARE * forearm
    palm = REST_HAND[1] + active * (arms.palm - REST_HAND[1])
    angles = REST_ANGLES + active * (arms.angles - REST_ANGLES)
    hands = wrist[:, :, None] + body.hand * hand_joints(angles, hand_frame(fingers, palm, arms.roll * arms.active))
    nose = np.array([0.0, -body.neck, -0.25]) + tremor[:, 6:] * 0.03
    joints = assemble(body, wrist, elbows, hands, nose)
    return joints[:, list(MIRROR)] * MIRRORED if signer.left_handed else joints
