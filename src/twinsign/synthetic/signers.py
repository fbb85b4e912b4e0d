"""Config of the generated corpus, its signers and how they differ, and the camera before each."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from twinsign.errors import InputError
from twinsign.synthetic.body import Proportions
from twinsign.synthetic.lexicon import LOCATIONS, MOVEMENTS, Array, Gloss, lexicon

GOLDEN_RATIO = 0.6180339887498949
NECK = 0.72
"""An average nose's height over the shoulders, in shoulder widths."""
CAMERA_SIZES = ((640, 480), (1280, 720), (1920, 1080), (480, 640), (720, 1280))
"""Width and height in pixels: webcams, video, and telephones held upright."""


@dataclass(frozen=True)
class SyntheticConfig:
    """What to generate, and how much signers, clips and the pose estimator vary.

    Defaults make labels necessary (raw nearest neighbours do badly), let few suffice after pre-training, and keep
    skeletons lifelike. Spreads are standard deviations over signers; lengths are in shoulder widths. Raises InputError
    on a wrong value.
    """

    glosses: int = 40  # classes: the first of a fixed list with minimal pairs
    signers: int = 60  # each in one split only
    clips_per_signer_gloss: int = 1  # 60 x 40 = 2400 clips, 600 of them to test on
    seed: int = 0  # of signers, clips and noise; the glosses do not depend on it
    fps: float = 25.0  # frames a second: the rate of most sign videos
    train_share: float = 0.6  # of the signers
    val_share: float = 0.15  # of the signers; the others are for testing
    left_handed_share: float = 0.2  # of the signers: 1 in 10 people, and as many mirroring cameras
    stroke_seconds: float = 1.0  # mean length of a sign between its rise from and fall to rest
    pace_spread: float = 0.22  # of the logarithm of a signer's durations
    proportion_spread: float = 0.09  # of the logarithm of each length of the body
    amplitude_spread: float = 0.3  # of the logarithm of how far a signer moves
    place_spread: float = 0.13  # of a signer's own position of each location, shoulder widths
    shape_spread: float = 0.16  # of a signer's own version of each handshape, radians a joint
    turn_spread: float = 0.3  # of a signer's hand orientation at each location and path direction, radians
    warp_spread: float = 0.35  # of the unevenness in time of a signer's movements (0 even, 1 halts midway)
    bend_spread: float = 0.12  # of the smooth bending of a signer's signing space, shoulder widths
    clip_share: float = 0.35  # spread among a signer's own clips as a share of those above
    yaw_spread: float = 0.35  # of the camera about the vertical, radians: people half turned
    pitch_spread: float = 0.12  # of the camera up and down, radians
    roll_spread: float = 0.12  # of the camera's tilt, radians
    pan_spread: float = 0.06  # of the signer's place in the image, of its shorter side
    zoom_spread: float = 0.2  # of the logarithm of the signer's size in the image
    jitter: float = 0.02  # of each joint and frame: of a hand's length for hands, of the shoulder width for the trunk
    loss_rate: float = 0.02  # chance a frame that a still hand is lost; grows with its speed
    loss_frames: float = 4.0  # mean length of a loss
    rest_unseen: float = 0.6  # chance that a hand at rest in the image is not detected
    burst_rate: float = 1.0  # mean number a clip of bursts, in which a joint jumps away for a few frames

    def __post_init__(self) -> None:
        shares = ("train_share", "val_share", "left_handed_share", "clip_share", "rest_unseen", "loss_rate")
        for field in fields(self):
            value = getattr(self, field.name)
            if not (np.isfinite(value) and value >= 0):
                raise InputError(f"{field.name} {value}", "a finite number of at least 0")
            if field.name in shares and value > 1:
                raise InputError(f"{field.name} {value}", "a share in [0, 1]")
        if not 2 <= self.glosses <= len(lexicon()):
            raise InputError(f"glosses {self.glosses}", f"2 to {len(lexicon())} glosses")
        if not self.clips_per_signer_gloss:
            raise InputError("clips_per_signer_gloss 0", "at least 1 clip a signer and gloss")
        if min(self.fps, self.stroke_seconds, self.loss_frames) <= 0:
            raise InputError("fps, stroke_seconds or loss_frames 0", "positive numbers")
        if min(self.split_signers().values()) < 1:
            problem = f"{self.signers} signers as {self.split_signers()}"
            raise InputError(problem, "at least 1 signer a split", hint="Add signers.")

    def split_signers(self) -> dict[str, int]:
        """Number of signers in each of train, val and test."""
        train, val = round(self.signers * self.train_share), round(self.signers * self.val_share)
        return {"train": train, "val": val, "test": self.signers - train - val}

    def signs(self) -> tuple[Gloss, ...]:
        """The glosses of this corpus, in their fixed order."""
        return lexicon()[: self.glosses]


def rotation(vector: Array) -> Array:
    """The rotation matrix (3 3) about a vector (3,) by its length in radians (Rodrigues)."""
    angle = float(np.sqrt(vector @ vector))
    x, y, z = vector / max(angle, 1e-12)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera looking at the middle between the shoulders.

    `size` in pixels, `turn` (3 3), `zoom` in shorter image sides a shoulder width, `centre` (2,) in image fractions.
    """

    size: tuple[int, int]
    turn: Array
    zoom: float
    centre: Array
    distance: float

    def project(self, joints: Array) -> Array:
        """Image fractions (... 2) of body points (... 3) in shoulder widths."""
        turned = joints @ self.turn.T
        scale = self.zoom * min(self.size) * self.distance / (self.distance + turned[..., 2:])
        return np.asarray(self.centre + turned[..., :2] * scale / np.array(self.size))


@dataclass(frozen=True)
class Signer:
    """One person's body and habits: arrays are by location (L), handshape angle and movement (M)."""

    left_handed: bool
    body: Proportions
    pace: float
    amplitude: float
    cycles: float
    place_shift: Array  # (L 3)
    hand_turn: Array  # (L 3) rotation vectors
    path_turn: Array  # (M 3) rotation vectors
    warp: Array  # (M 2)
    bend: Array  # (3, 3): amplitude, frequency and phase of each axis
    shape_habit: Array  # (12, 13): angles' own change and offset as an affine map
    rest: Array  # (2 3) wrists at rest, each as a right arm
    camera: Camera


def _camera(rng: np.random.Generator, config: SyntheticConfig) -> Camera:
    pitch, yaw, roll = rng.normal(size=3) * (config.pitch_spread, config.yaw_spread, config.roll_spread)
    turn = rotation(np.array([0, 0, roll])) @ rotation(np.array([pitch, 0, 0])) @ rotation(np.array([0, yaw, 0]))
    size = CAMERA_SIZES[rng.integers(len(CAMERA_SIZES))]
    pan = rng.normal(size=2) * config.pan_spread * min(size) / np.array(size)
    centre = np.array([0.5, 0.42]) + pan
    return Camera(size, turn, 0.28 * np.exp(rng.normal() * config.zoom_spread), centre, rng.uniform(4.0, 9.0))


def make_signer(number: int, config: SyntheticConfig) -> Signer:
    """Signer `number` with body, habits and camera, which do not depend on the number of signers and glosses."""
    rng = np.random.default_rng([config.seed, 1, number])
    # Spread evenly instead of drawn, so that small splits too have their share of left-handed signers.
    left_handed = ((number + 0.5) * GOLDEN_RATIO) % 1.0 < config.left_handed_share
    places, moves = len(LOCATIONS), len(MOVEMENTS)
    habit = np.concatenate([rng.normal(size=(12, 12)) * 0.25, rng.normal(size=(12, 1))], axis=1) * config.shape_spread
    folded = rng.uniform()
    lengths = np.array([0.95, 0.76, 0.66, 0.47, NECK]) * np.exp(rng.normal(size=5) * config.proportion_spread)
    hanging, in_lap = np.array([-0.55, 1.3, -0.1]), np.array([-0.12, 1.0, -0.4])
    return Signer(
        left_handed=left_handed,
        body=Proportions(*lengths.tolist()),
        pace=float(np.exp(rng.normal() * config.pace_spread)),
        amplitude=float(np.exp(rng.normal() * config.amplitude_spread)),
        cycles=rng.uniform(1.5, 2.5),
        place_shift=rng.normal(size=(places, 3)) * config.place_spread,
        hand_turn=rng.normal(size=(places, 3)) * config.turn_spread,
        path_turn=rng.normal(size=(moves, 3)) * config.turn_spread,
        warp=np.clip(rng.normal(size=(moves, 2)) * config.warp_spread, -0.45, 0.45),
        bend=np.stack([rng.normal(size=3) * config.bend_spread, rng.uniform(1, 3, 3), rng.uniform(0, 6.3, 3)]),
        shape_habit=habit,
        rest=hanging + folded * (in_lap - hanging) + rng.normal(size=(2, 3)) * 0.05,
        camera=_camera(rng, config),
    )
