"""The generated language: handshapes, locations, movements, ways to use two hands, and the glosses made of them.

Directions and places are those of the dominant hand as a right hand, in shoulder widths from the middle between the
shoulders: x grows to the image's right (the signer's left), y down, z away from the camera.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def _shape(
    knuckle: tuple[float, ...], middle: tuple[float, ...], spread: float, thumb: tuple[float, float, float]
) -> Array:
    return np.array([*knuckle, *middle, spread, *thumb])


# Angles in radians: knuckle flexion and middle-joint flexion of index, middle, ring, little finger; their spread;
# the thumb's angle away from the fingers, out of the palm's plane, and its bend a joint. The values are ours, by eye.
HANDSHAPES: dict[str, Array] = {
    "FLAT": _shape((0.05,) * 4, (0.05,) * 4, 0.02, (0.3, 0.15, 0.15)),
    "FIST": _shape((1.4,) * 4, (1.6,) * 4, 0.0, (0.6, 0.5, 0.7)),
    "POINT": _shape((0.0, 1.4, 1.4, 1.4), (0.05, 1.6, 1.6, 1.6), 0.0, (0.5, 0.6, 0.7)),
    "VEE": _shape((0.0, 0.0, 1.4, 1.4), (0.05, 0.05, 1.6, 1.6), 0.25, (0.4, 0.7, 0.7)),
    "CLAW": _shape((0.3,) * 4, (1.0,) * 4, 0.22, (0.8, 0.4, 0.3)),
    "SPREAD": _shape((0.0,) * 4, (0.05,) * 4, 0.25, (0.95, 0.1, 0.0)),
    "PINCH": _shape((0.85, 0.2, 0.1, 0.0), (0.9, 0.2, 0.15, 0.1), 0.12, (0.55, 0.7, 0.3)),
    "HORNS": _shape((1.4, 1.4, 1.4, 0.0), (1.6, 1.6, 1.6, 0.05), 0.2, (1.0, 0.05, -0.05)),
}


@dataclass(frozen=True)
class Place:
    """Where a sign starts: the wrist's place, the fingers' direction and the palm's normal, each (3,)."""

    wrist: tuple[float, float, float]
    fingers: tuple[float, float, float]
    palm: tuple[float, float, float]


LOCATIONS: dict[str, Place] = {
    "FOREHEAD": Place((-0.4, -0.75, -0.4), (0.5, -0.85, 0.0), (0.2, 0.0, -1.0)),
    "CHIN": Place((-0.18, -0.2, -0.5), (0.25, -0.95, 0.1), (0.0, 0.1, 1.0)),
    "CHEEK": Place((-0.5, -0.4, -0.35), (0.25, -0.9, 0.2), (1.0, 0.2, 0.2)),
    "SHOULDER": Place((0.15, 0.15, -0.5), (0.7, -0.6, 0.2), (0.0, 0.2, 1.0)),
    "CHEST": Place((-0.25, 0.4, -0.45), (0.9, -0.15, 0.15), (0.1, 0.1, 1.0)),
    "NEUTRAL": Place((-0.3, 0.5, -0.85), (0.35, -0.6, -0.6), (0.2, 0.8, -0.6)),
    "SIDE": Place((-0.95, 0.15, -0.4), (-0.2, -0.9, -0.3), (0.1, 0.0, -1.0)),
    "WAIST": Place((-0.45, 0.9, -0.5), (0.6, 0.25, -0.6), (0.0, -1.0, -0.3)),
}
BASE_HAND = Place((-0.2, 0.75, -0.55), (0.9, -0.1, -0.3), (0.1, -1.0, -0.2))
"""The still, flat other hand of a sign with a base hand, as if it were a right hand."""
HANDS = ("ONE", "TWO", "BASE")
"""One hand; two hands in mirror symmetry; the dominant hand over a still base hand."""


@dataclass(frozen=True)
class Motion:
    """A stroke in time: wrist offset (T 3) in shoulder widths, forearm roll (T), share of the handshape change (T),
    extra knuckle flexion (T 4); angles in radians."""

    offset: Array
    roll: Array
    change: Array
    flutter: Array


def minimum_jerk(phase: Array) -> Array:
    """Rise from 0 to 1 with no speed or acceleration at the ends (Flash & Hogan 1985); phase is cut to [0, 1]."""
    p = np.clip(phase, 0, 1)
    return p**3 * (10 - 15 * p + 6 * p * p)


def _motion(
    phase: Array,
    x: Array | float = 0.0,
    y: Array | float = 0.0,
    z: Array | float = 0.0,
    roll: Array | float = 0.0,
    change: Array | float = 0.0,
    flutter: Array | float = 0.0,
) -> Motion:
    offset = np.stack([phase * 0 + value for value in (x, y, z)], axis=-1)
    return Motion(offset, phase * 0 + roll, phase * 0 + change, np.zeros((len(phase), 4)) + flutter)


def _straight(p: Array, cycles: float) -> Motion:
    s = minimum_jerk(p)
    return _motion(p, x=-0.35 * s, y=0.4 * s, z=-0.15 * s)


def _arc(p: Array, cycles: float) -> Motion:
    s = minimum_jerk(p)
    return _motion(p, x=-0.55 * s, y=-0.35 * np.sin(np.pi * s), z=-0.1 * s)


def _circle(p: Array, cycles: float) -> Motion:
    angle = 2 * np.pi * cycles * p
    return _motion(p, x=0.22 * (np.cos(angle) - 1), y=0.22 * np.sin(angle), z=-0.05 * np.sin(angle))


def _tap(p: Array, cycles: float) -> Motion:
    s = np.sin(np.pi * (cycles + 1) * p) ** 2
    return _motion(p, x=-0.05 * s, y=0.22 * s, z=-0.1 * s)


def _zigzag(p: Array, cycles: float) -> Motion:
    return _motion(p, x=-0.24 * np.sin(2 * np.pi * cycles * p), y=0.45 * p)


def _wiggle(p: Array, cycles: float) -> Motion:
    wave = np.sin(2 * np.pi * 2 * cycles * p[:, None] + np.arange(4) * 0.9)
    return _motion(p, x=-0.2 * minimum_jerk(p), flutter=0.5 * wave)


def _twist(p: Array, cycles: float) -> Motion:
    return _motion(p, roll=1.1 * np.sin(2 * np.pi * cycles * p))


def _change(p: Array, cycles: float) -> Motion:
    return _motion(p, z=-0.15 * p, change=minimum_jerk((p - 0.2) / 0.5))


# Each takes phase (T,) in [0, 1] and how often what repeats is repeated.
MOVEMENTS: dict[str, Callable[[Array, float], Motion]] = {
    "STRAIGHT": _straight,
    "ARC": _arc,
    "CIRCLE": _circle,
    "TAP": _tap,
    "ZIGZAG": _zigzag,
    "WIGGLE": _wiggle,
    "TWIST": _twist,
    "CHANGE": _change,
}


def changed_handshape(name: str) -> str:
    """The handshape that a CHANGE movement ends in: closed hands open, open hands close."""
    return "SPREAD" if name in ("FIST", "POINT", "HORNS", "PINCH") else "FIST"


@dataclass(frozen=True)
class Gloss:
    """A sign of the generated language by its four components."""

    handshape: str
    location: str
    movement: str
    hands: str

    @property
    def name(self) -> str:
        """The components joined, such as FLAT-CHIN-ARC-ONE."""
        return f"{self.handshape}-{self.location}-{self.movement}-{self.hands}"

    def differences(self, other: Gloss) -> int:
        """How many of the four components differ: 1 makes the two a minimal pair."""
        return sum(a != b for a, b in zip(self._parts(), other._parts(), strict=True))

    def _parts(self) -> tuple[str, str, str, str]:
        return self.handshape, self.location, self.movement, self.hands


@cache
def lexicon() -> tuple[Gloss, ...]:
    """All glosses in a fixed order: families of a sign and its minimal pairs in each component in turn."""
    shapes, places, moves = tuple(HANDSHAPES), tuple(LOCATIONS), tuple(MOVEMENTS)
    glosses: dict[Gloss, None] = {}
    for k in range(3 * len(shapes)):
        turn = k // len(shapes)
        shape, place, move, hands = k % 8, (3 * k + 2 * turn) % 8, (5 * k + 3 * turn) % 8, k % 3
        sign = Gloss(shapes[shape], places[place], moves[move], HANDS[hands])
        family = (
            sign,
            replace(sign, handshape=shapes[(shape + 3) % 8]),
            replace(sign, location=places[(place + 5) % 8]),
            replace(sign, movement=moves[(move + 3) % 8]),
            replace(sign, hands=HANDS[(hands + 1) % 3]),
        )
        glosses.update(dict.fromkeys(family))
    return tuple(glosses)
