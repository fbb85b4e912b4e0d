"""The generated language: handshapes, locations, movements, uses of two hands, and the glosses that combine them.

Directions and positions are those of the dominant hand as a right hand, in shoulder widths from the middle between the
shoulders: x grows to the image's right (the signer's left), y down, z away from the camera.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


# Angles in radians: knuckle flexion and middle-joint flexion of index, middle, ring, little finger; their spread;
# the thumb's angle away from the fingers, out of the palm's plane, and its bend a joint. Values were chosen by eye.
_ANGLES: dict[str, tuple[tuple[float, ...], tuple[float, ...], float, tuple[float, ...]]] = {
    "FLAT": ((0.05,) * 4, (0.05,) * 4, 0.02, (0.3, 0.15, 0.15)),
    "FIST": ((1.4,) * 4, (1.6,) * 4, 0.0, (0.6, 0.5, 0.7)),
    "POINT": ((0.0, 1.4, 1.4, 1.4), (0.05, 1.6, 1.6, 1.6), 0.0, (0.5, 0.6, 0.7)),
    "VEE": ((0.0, 0.0, 1.4, 1.4), (0.05, 0.05, 1.6, 1.6), 0.25, (0.4, 0.7, 0.7)),
    "CLAW": ((0.3,) * 4, (1.0,) * 4, 0.22, (0.8, 0.4, 0.3)),
    "SPREAD": ((0.0,) * 4, (0.05,) * 4, 0.25, (0.95, 0.1, 0.0)),
    "PINCH": ((0.85, 0.2, 0.1, 0.0), (0.9, 0.2, 0.15, 0.1), 0.12, (0.55, 0.7, 0.3)),
    "HORNS": ((1.4, 1.4, 1.4, 0.0), (1.6, 1.6, 1.6, 0.05), 0.2, (1.0, 0.05, -0.05)),
}
HANDSHAPES = {
    name: np.array([*knuckles, *middle, spread, *thumb]) for name, (knuckles, middle, spread, thumb) in _ANGLES.items()
}


class Place(NamedTuple):
    """Where a sign starts: the wrist's position, the fingers' direction and the palm's normal, each (3,)."""

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
"""The still, flat hand under a sign with a base hand, as if it were a right hand."""
MOVEMENTS = ("STRAIGHT", "ARC", "CIRCLE", "TAP", "ZIGZAG", "WIGGLE", "TWIST", "CHANGE")
"""What the dominant hand does; CHANGE is a change of handshape."""
HANDS = ("ONE", "TWO", "BASE")
"""One hand; two hands in mirror symmetry; the dominant hand over a still base hand."""


class Motion(NamedTuple):
    """A stroke in time: wrist offset (T 3) in shoulder widths, forearm roll (T), share of the handshape change (T),
    extra knuckle flexion (T 4); angles in radians."""

    offset: Array
    roll: Array
    change: Array
    flutter: Array


def minimum_jerk(phase: Array) -> Array:
    """Rise from 0 to 1 with no speed or acceleration at the ends (Flash & Hogan 1985); phase is clipped to [0, 1]."""
    p = np.clip(phase, 0, 1)
    return p**3 * (10 - 15 * p + 6 * p * p)


def stroke(movement: str, phase: Array, cycles: float) -> Motion:
    """A movement over phase (T) in [0, 1]; `cycles`: how often a repeated one repeats."""
    smooth, turn = minimum_jerk(phase), 2 * np.pi * cycles * phase
    x = y = z = roll = change = np.zeros(len(phase))
    flutter = np.zeros((len(phase), 4))
    match movement:
        case "STRAIGHT":
            x, y, z = -0.35 * smooth, 0.4 * smooth, -0.15 * smooth
        case "ARC":
            x, y, z = -0.55 * smooth, -0.35 * np.sin(np.pi * smooth), -0.1 * smooth
        case "CIRCLE":
            x, y, z = 0.22 * (np.cos(turn) - 1), 0.22 * np.sin(turn), -0.05 * np.sin(turn)
        case "TAP":
            tap = np.sin(np.pi * (cycles + 1) * phase) ** 2
            x, y, z = -0.05 * tap, 0.22 * tap, -0.1 * tap
        case "ZIGZAG":
            x, y = -0.24 * np.sin(turn), 0.45 * phase
        case "WIGGLE":
            x, flutter = -0.2 * smooth, 0.5 * np.sin(2 * turn[:, None] + np.arange(4) * 0.9)
        case "TWIST":
            roll = 1.1 * np.sin(turn)
        case "CHANGE":
            z, change = -0.15 * phase, minimum_jerk((phase - 0.2) / 0.5)
    return Motion(np.stack([x, y, z], axis=-1), roll, change, flutter)


def changed_handshape(name: str) -> str:
    """The handshape that a CHANGE movement ends in: closed hands open, open hands close."""
    return "SPREAD" if name in ("FIST", "POINT", "HORNS", "PINCH") else "FIST"


class Gloss(NamedTuple):
    """A sign of the generated language by its four components."""

    handshape: str
    location: str
    movement: str
    hands: str

    @property
    def name(self) -> str:
        """The components joined, such as FLAT-CHIN-ARC-ONE."""
        return "-".join(self)


@cache
def lexicon() -> tuple[Gloss, ...]:
    """All glosses in a fixed order: each sign followed by its minimal pairs, one in each component."""
    shapes, places = tuple(HANDSHAPES), tuple(LOCATIONS)
    glosses: dict[Gloss, None] = {}
    for k in range(3 * len(shapes)):
        turn = k // len(shapes)
        shape, place, move, hands = k % 8, (3 * k + 2 * turn) % 8, (5 * k + 3 * turn) % 8, k % 3
        sign = Gloss(shapes[shape], places[place], MOVEMENTS[move], HANDS[hands])
        family = (
            sign,
            sign._replace(handshape=shapes[(shape + 3) % 8]),
            sign._replace(location=places[(place + 5) % 8]),
            sign._replace(movement=MOVEMENTS[(move + 3) % 8]),
            sign._replace(hands=HANDS[(hands + 1) % 3]),
        )
        glosses.update(dict.fromkeys(family))
    return tuple(glosses)
