"""A body from its wrists, for all frames at once: hands by finger chains, elbows by two-link inverse kinematics.

Arms are computed as right arms (see lexicon for the axes); the other side is the mirror image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinsign.pose.layout import INDEX, JOINT_COUNT, LEFT_HAND, RIGHT_HAND
from twinsign.synthetic.lexicon import Array

# Lengths in hand lengths (wrist to middle fingertip), about those of an adult; index, middle, ring, little finger.
KNUCKLE_SIDEWAYS = np.array([0.17, 0.06, -0.05, -0.15])
KNUCKLE_FORWARD = np.array([0.48, 0.50, 0.47, 0.41])
PHALANGES = np.array([[0.24, 0.14, 0.11], [0.26, 0.16, 0.11], [0.24, 0.15, 0.11], [0.18, 0.11, 0.10]])
THUMB_ROOT = (0.10, 0.12, 0.04)
THUMB_BONES = np.array([0.22, 0.17, 0.14])
SPREAD_SHARE = np.array([1.0, 0.3, -0.4, -1.1])
END_JOINT_SHARE = 0.6
"""Bend of a finger's last joint as a share of the middle joint's."""
ELBOW_POLE = np.array([-0.7, 1.0, 0.3])
"""Direction in which the elbow points as far as the arm allows: out, down and back."""
REACH = 0.98
"""Largest distance of a wrist from its shoulder as a share of the arm's length: an arm is never quite straight."""
MIRRORED = np.array([-1.0, 1.0, 1.0])
"""Factors that mirror points (... 3)."""


@dataclass(frozen=True)
class Proportions:
    """A signer's lengths in units of an average shoulder width."""

    shoulder: float
    upper_arm: float
    forearm: float
    hand: float
    neck: float


def unit(v: Array) -> Array:
    """Normalise vectors (... 3) to length 1; a zero vector stays zero."""
    return np.asarray(v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9))


def hand_frame(fingers: Array, palm: Array, roll: Array) -> tuple[Array, Array, Array]:
    """Orthonormal (forward, sideways to the thumb, palm normal), each (... 3), rolled by (...) radians."""
    forward = unit(fingers)
    normal = unit(palm - (palm * forward).sum(axis=-1, keepdims=True) * forward)
    side = np.cross(forward, normal)
    c, s = np.cos(roll)[..., None], np.sin(roll)[..., None]
    return forward, c * side - s * normal, c * normal + s * side


def hand_joints(angles: Array, frame: tuple[Array, Array, Array]) -> Array:
    """21 joints (... 21 3) in hand lengths from the wrist, from angles (... 12) and the hand's frame."""
    knuckle, middle, spread = angles[..., :4], angles[..., 4:8], angles[..., 8:9] * SPREAD_SHARE
    bend = np.stack([knuckle, knuckle + middle, knuckle + (1 + END_JOINT_SHARE) * middle], axis=-1)
    along, up = np.cos(bend) * PHALANGES, np.sin(bend) * PHALANGES
    steps = np.stack([along * np.cos(spread)[..., None], along * np.sin(spread)[..., None], up], axis=-1)
    local = np.zeros((*angles.shape[:-1], 5, 4, 3))
    local[..., 1:, 0, 0], local[..., 1:, 0, 1] = KNUCKLE_FORWARD, KNUCKLE_SIDEWAYS
    local[..., 1:, 1:, :] = steps
    local[..., 0, 0, :] = THUMB_ROOT
    away = angles[..., 9:10] - angles[..., 11:12] * np.arange(3)
    lift = angles[..., 10:11]
    thumb = np.stack([np.cos(lift) * np.cos(away), np.cos(lift) * np.sin(away), np.sin(lift) + 0 * away], axis=-1)
    local[..., 0, 1:, :] = thumb * THUMB_BONES[:, None]
    chains = local.cumsum(axis=-2).reshape(*angles.shape[:-1], 20, 3)
    axes = np.stack(frame, axis=-2)
    return np.concatenate([np.zeros_like(chains[..., :1, :]), chains @ axes], axis=-2)


def reach(shoulder: Array, wrist: Array, body: Proportions) -> Array:
    """The wrist (... 3), moved towards the shoulder (3,) as far as the arm's length requires."""
    arm = wrist - shoulder
    length = np.linalg.norm(arm, axis=-1, keepdims=True)
    longest = REACH * (body.upper_arm + body.forearm)
    return np.asarray(shoulder + arm * np.minimum(1.0, longest / np.maximum(length, 1e-9)))


def elbow(shoulder: Array, wrist: Array, body: Proportions) -> Array:
    """Elbows (... 3) of two-link arms from the shoulder (3,) to wrists (... 3) within reach (cosine rule)."""
    arm = wrist - shoulder
    shortest = abs(body.upper_arm - body.forearm) + 0.05
    length = np.maximum(np.linalg.norm(arm, axis=-1, keepdims=True), shortest)
    along = (body.upper_arm**2 - body.forearm**2 + length**2) / (2 * length)
    out = np.sqrt(np.maximum(body.upper_arm**2 - along**2, 0.0))
    axis = unit(arm)
    pole = unit(ELBOW_POLE - (axis @ ELBOW_POLE)[..., None] * axis)
    return np.asarray(shoulder + axis * along + pole * out)


def assemble(body: Proportions, wrists: Array, elbows: Array, hands: Array, nose: Array) -> Array:
    """The 49 joints (T 49 3) of a right-handed signer.

    Wrists and elbows (2 T 3) and hands (2 T 21 3) are of the dominant and the second arm, both as right arms; nose
    (T 3).
    """
    joints = np.zeros((wrists.shape[1], JOINT_COUNT, 3))
    for arm, (side, mirror, hand) in enumerate((("right", 1.0, RIGHT_HAND), ("left", MIRRORED, LEFT_HAND))):
        joints[:, hand] = hands[arm] * mirror
        joints[:, INDEX[f"{side}_wrist"]] = wrists[arm] * mirror
        joints[:, INDEX[f"{side}_elbow"]] = elbows[arm] * mirror
        joints[:, INDEX[f"{side}_shoulder"]] = np.array([-body.shoulder / 2, 0.0, 0.0]) * mirror
    joints[:, INDEX["nose"]] = nose
    return joints
