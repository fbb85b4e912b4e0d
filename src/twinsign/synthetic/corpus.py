"""The embedded default corpus: generated signers who sign generated glosses before a camera and a pose estimator.

Everything follows from SyntheticConfig: the same config gives the same clips, on any machine, one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np

from twinsign.datasets.sample import Corpus, Sample
from twinsign.pose.layout import MIRROR
from twinsign.pose.recording import Recording
from twinsign.synthetic.body import assemble, elbow, hand_frame, hand_joints, reach
from twinsign.synthetic.estimator import estimate, smooth_noise
from twinsign.synthetic.lexicon import (
    BASE_HAND,
    HANDSHAPES,
    LOCATIONS,
    MOVEMENTS,
    Array,
    Gloss,
    Motion,
    changed_handshape,
    minimum_jerk,
)
from twinsign.synthetic.signers import NECK, Signer, SyntheticConfig, make_signer, rotation

__all__ = ["SyntheticConfig", "planned", "synthesise"]

FLIP = np.array([-1.0, 1.0, 1.0])
REST_HAND = (np.array([0.15, 1.0, -0.1]), np.array([1.0, 0.0, 0.3]))
"""Direction of the fingers and palm normal of a hand at rest."""
REST_ANGLES = HANDSHAPES["FLAT"] + 0.25 * (HANDSHAPES["CLAW"] - HANDSHAPES["FLAT"])
FOREARM_SHARE = 0.5
"""How far the fingers follow the forearm instead of the sign's own direction: wrists bend only so far."""


@dataclass(frozen=True)
class _Timeline:
    """Frames of one clip: stroke phase (T,) and activity (T,), both in [0, 1]."""

    phase: Array
    active: Array


def _timeline(rng: np.random.Generator, signer: Signer, config: SyntheticConfig) -> _Timeline:
    pace = signer.pace * np.exp(rng.normal() * config.clip_share * config.pace_spread) * config.fps
    stroke, rise, fall = np.array([config.stroke_seconds, 0.32, 0.36]) * pace * rng.uniform(0.85, 1.15, 3)
    lead, tail = rng.uniform(0.0, 0.35, 2) * config.fps
    time = np.arange(max(4, round(lead + rise + stroke + fall + tail)))
    phase = np.clip((time - lead - rise) / stroke, 0, 1)
    active = minimum_jerk((time - lead) / rise) * minimum_jerk((lead + rise + stroke + fall - time) / fall)
    return _Timeline(phase, active)


def _warped(phase: Array, warp: Array) -> Array:
    """Phase run through a signer's own monotone unevenness in time; the ends stay."""
    turn = 2 * np.pi * phase
    return np.asarray(phase + (warp[0] * np.sin(turn) + warp[1] * np.sin(2 * turn) / 2) / (2 * np.pi))


@dataclass(frozen=True)
class _Arm:
    """What one arm does, as a right arm: wrist target (T 3), finger direction and palm normal (T 3), roll (T),
    handshape angles (T 12), activity (T)."""

    wrist: Array
    fingers: Array
    palm: Array
    roll: Array
    angles: Array
    active: Array


def _angles(rng: np.random.Generator, name: str, signer: Signer, config: SyntheticConfig) -> Array:
    plain = HANDSHAPES[name]
    own = signer.shape_habit @ np.append(plain, 1.0)
    return np.asarray(plain + own + rng.normal(size=len(plain)) * config.clip_share * config.shape_spread)


def _signing_angles(
    rng: np.random.Generator, gloss: Gloss, motion: Motion, signer: Signer, config: SyntheticConfig
) -> Array:
    """Handshape angles (T 12) of the dominant hand through the stroke."""
    start, end = (_angles(rng, name, signer, config) for name in (gloss.handshape, changed_handshape(gloss.handshape)))
    angles = start + motion.change[:, None] * (end - start)
    angles[:, : motion.flutter.shape[1]] += motion.flutter
    return np.asarray(angles)


def _in_own_space(points: Array, signer: Signer) -> Array:
    """Wrist targets (T 3) in the signer's own space: heights above the shoulders by the neck, all gently bent."""
    neck = np.array([1.0, signer.body.neck / NECK, 1.0])
    points = np.where(points < 0, points * neck, points)
    size, frequency, phase = signer.bend
    return np.asarray(points + size * np.sin(points[:, [1, 0, 0]] * frequency + phase))


def _signing_arm(
    rng: np.random.Generator, gloss: Gloss, time: _Timeline, signer: Signer, config: SyntheticConfig
) -> _Arm:
    place, at = LOCATIONS[gloss.location], list(LOCATIONS).index(gloss.location)
    move = list(MOVEMENTS).index(gloss.movement)
    motion = MOVEMENTS[gloss.movement](_warped(time.phase, signer.warp[move]), signer.cycles)
    vary = rng.normal(size=(3, 3)) * config.clip_share
    turn = rotation(signer.hand_turn[at] + vary[0] * config.turn_spread)
    path = rotation(signer.path_turn[move] + vary[1] * config.turn_spread)
    amplitude = signer.amplitude * np.exp(rng.normal() * config.clip_share * config.amplitude_spread)
    start = np.array(place.wrist) + signer.place_shift[at] + vary[2] * config.place_spread
    still = np.zeros((len(time.phase), 3))
    return _Arm(
        wrist=_in_own_space(start + amplitude * motion.offset @ path.T, signer),
        fingers=still + turn @ np.array(place.fingers),
        palm=still + turn @ np.array(place.palm),
        roll=motion.roll,
        angles=_signing_angles(rng, gloss, motion, signer, config),
        active=time.active,
    )


def _base_arm(rng: np.random.Generator, active: Array, signer: Signer, config: SyntheticConfig) -> _Arm:
    still = np.zeros((len(active), 3))
    # The base hand stands near the waist: a signer who makes signs there elsewhere holds it elsewhere too.
    shift = signer.place_shift[list(LOCATIONS).index("WAIST")]
    return _Arm(
        wrist=still + np.array(BASE_HAND.wrist) + shift,
        fingers=still + np.array(BASE_HAND.fingers),
        palm=still + np.array(BASE_HAND.palm),
        roll=still[:, 0],
        angles=still[:, :1] + _angles(rng, "FLAT", signer, config),
        active=active,
    )


def _arms(rng: np.random.Generator, gloss: Gloss, time: _Timeline, signer: Signer, config: SyntheticConfig) -> _Arm:
    """Both arms, stacked (2 T ...), the dominant one first."""
    signing = _signing_arm(rng, gloss, time, signer, config)
    base = _base_arm(rng, time.active, signer, config)
    other = {"ONE": replace(base, active=np.zeros_like(time.active)), "TWO": signing, "BASE": base}[gloss.hands]
    names = [field.name for field in fields(_Arm)]
    return _Arm(**{name: np.stack([getattr(signing, name), getattr(other, name)]) for name in names})


def _body(rng: np.random.Generator, arms: _Arm, signer: Signer, config: SyntheticConfig) -> Array:
    """The 49 joints (T 49 3) in shoulder widths of the signer, as seen by no camera yet."""
    frames, body, active = arms.active.shape[1], signer.body, arms.active[..., None]
    shoulder = np.array([-body.shoulder / 2, 0.0, 0.0])
    tremor = smooth_noise(rng, frames, 9, 8.0)
    wander = np.stack([tremor[:, :3], tremor[:, 3:6]]) * 0.02
    rest = signer.rest[:, None]
    wrist = reach(shoulder, rest + active * (arms.wrist - rest) + wander, body)
    elbows = elbow(shoulder, wrist, body)
    forearm = (wrist - elbows) / body.forearm
    fingers = REST_HAND[0] + active * (arms.fingers - REST_HAND[0]) + FOREARM_SHARE * forearm
    palm = REST_HAND[1] + active * (arms.palm - REST_HAND[1])
    angles = REST_ANGLES + active * (arms.angles - REST_ANGLES)
    hands = wrist[:, :, None] + body.hand * hand_joints(angles, hand_frame(fingers, palm, arms.roll * arms.active))
    nose = np.array([0.0, -body.neck, -0.25]) + tremor[:, 6:] * 0.03
    joints = assemble(body, wrist, elbows, hands, nose)
    return joints[:, list(MIRROR)] * FLIP if signer.left_handed else joints


def _clip(rng: np.random.Generator, clip: str, gloss: Gloss, signer: Signer, config: SyntheticConfig) -> Recording:
    time = _timeline(rng, signer, config)
    arms = _arms(rng, gloss, time, signer, config)
    joints = _body(rng, arms, signer, config)
    sway = smooth_noise(rng, len(joints), 3, 15.0) * 0.03
    camera = signer.camera
    true = camera.project(joints + sway[:, None] * FLIP if signer.left_handed else joints + sway[:, None])
    sides = ("left", "right") if signer.left_handed else ("right", "left")
    active = dict(zip(sides, arms.active, strict=True))
    lengths = (signer.body.hand * camera.zoom, signer.body.shoulder * camera.zoom)
    xy, score = estimate(rng, true, camera.size, lengths, active, config)
    return Recording(
        clip,
        xy.astype(np.float32),
        score.astype(np.float32),
        "fraction",
        camera.size,
        config.fps,
        "synthetic",
        "synthetic",
    )


def _drawn(seed: tuple[int, ...], clip: str, gloss: Gloss, signer: Signer, config: SyntheticConfig) -> Recording:
    return _clip(np.random.default_rng(seed), clip, gloss, signer, config)


def planned(config: SyntheticConfig) -> Iterator[tuple[dict[str, str], Callable[[], Recording]]]:
    """Each clip's id, gloss, signer and split, and what generates it, for every signer and gloss in turn."""
    splits = [split for split, count in config.split_signers().items() for _ in range(count)]
    for number, split in enumerate(splits):
        signer, person = make_signer(number, config), f"signer{number:03d}"
        for sign, gloss in enumerate(config.signs()):
            for repeat in range(config.clips_per_signer_gloss):
                clip = f"{person}-{gloss.name}-{repeat + 1}"
                row = {"id": clip, "gloss": gloss.name, "signer": person, "split": split}
                yield row, partial(_drawn, (config.seed, 2, number, sign, repeat), clip, gloss, signer, config)


def synthesise(config: SyntheticConfig) -> Iterator[tuple[Recording, dict[str, str]]]:
    """Clips of every signer and gloss in turn, each with its id, gloss, signer and split."""
    for row, make in planned(config):
        yield make(), row


def synthetic_corpus(config: SyntheticConfig) -> Corpus:
    """Every clip of the corpus, generated as it is read."""
    return Corpus([Sample(row["id"], make, row) for row, make in planned(config)])
