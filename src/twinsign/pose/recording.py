"""One recording of one signer: 49 joints a frame, in pixels or image fractions, each seen or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twinsign.errors import InputError
from twinsign.pose.layout import INDEX, JOINT_COUNT

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Unit = Literal["fraction", "pixel"]
MAX_SIDE_OR_FPS = 10**6
"""Pixels of an image's side, and frames a second, above which a number must be something else."""


@dataclass(frozen=True, eq=False)
class Recording:
    """A checked pose sequence: xy (T 49 2), score (T 49) in [0, 1], 0 = unseen.

    Unseen joints hold xy = 0. `size` is (width, height) in pixels, `fps` frames a second, None where unknown.
    `notes` are the reader's decisions, such as which of several persons it followed. Raises InputError if shapes
    disagree, there is no frame, a seen joint is not finite or a score leaves [0, 1].

    Examples:
        >>> import numpy as np
        >>> import twinsign as ts
        >>> clip = ts.Recording("still", np.full((30, 49, 2), 0.5), np.ones((30, 49)), fps=25)
        >>> len(clip.xy), clip.unit, bool(clip.seen.all())
        (30, 'fraction', True)
    """

    id: str
    xy: FloatArray
    score: FloatArray
    unit: Unit = "fraction"
    size: tuple[int, int] | None = None
    fps: float | None = None
    source: str = ""
    estimator: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        xy = np.asarray(self.xy, dtype=np.float32)
        score = np.asarray(self.score, dtype=np.float32)
        if xy.ndim != 3 or xy.shape[1:] != (JOINT_COUNT, 2):
            raise self.error(f"coordinates of shape {xy.shape}", f"(frames, {JOINT_COUNT} joints, 2)")
        if score.shape != xy.shape[:2]:
            raise self.error(f"scores of shape {score.shape}", f"{xy.shape[:2]}, one a joint")
        if not len(xy):
            raise self.error("0 frames", "at least 1 frame")
        if self.unit == "pixel" and self.size is None:
            raise self.error("pixels without an image size", "size=(width, height)")
        if self.size is not None and not 0 < min(self.size) <= max(self.size) <= MAX_SIDE_OR_FPS:
            raise self.error(f"image size {self.size}", f"(width, height) from 1 to {MAX_SIDE_OR_FPS}")
        if self.fps is not None and not 0 < self.fps <= MAX_SIDE_OR_FPS:
            raise self.error(f"{self.fps} frames a second", "a positive number, or None if unknown")
        wrong = ~(np.isfinite(score) & (score >= 0) & (score <= 1))
        if wrong.any():
            raise self.error(f"score {score[wrong][0]}", "scores in [0, 1]", frame=int(np.argwhere(wrong)[0, 0]))
        wrong = (score > 0) & ~np.isfinite(xy).all(axis=-1)
        if wrong.any():
            raise self.error(
                "NaN or infinity in a seen joint", "finite coordinates", frame=int(np.argwhere(wrong)[0, 0])
            )
        object.__setattr__(self, "xy", np.where((score > 0)[..., None], xy, np.float32(0)))
        object.__setattr__(self, "score", score)

    def error(self, found: str, wanted: str, *, frame: int | None = None, hint: str = "") -> InputError:
        """An InputError that names the recording's file and clip."""
        return InputError(found, wanted, file=self.source or None, clip=self.id, frame=frame, hint=hint)

    @property
    def seen(self) -> BoolArray:
        """Which joints are seen: (T 49) bool."""
        return self.score > 0

    def fractions(self) -> Recording:
        """The same recording in image fractions: x / width, y / height (paper, Sec. IV-A)."""
        if self.unit == "fraction":
            return self
        size: FloatArray = np.asarray(self.size, np.float32)
        return replace(self, xy=self.xy / size, unit="fraction")

    @classmethod
    def by_name(
        cls,
        id: str,
        joints: Mapping[str, tuple[ArrayLike, ArrayLike]],
        *,
        unit: Unit = "fraction",
        size: tuple[int, int] | None = None,
        fps: float | None = None,
        source: str = "",
        estimator: str = "",
    ) -> Recording:
        """Build from joint name -> (xy (T 2), score (T)); absent names are unseen, unknown ones an InputError."""
        unknown = sorted(joints.keys() - INDEX.keys())
        if unknown:
            raise InputError(f"joint {unknown[0]!r}", "names of twinsign.pose.layout.JOINTS", file=source, clip=id)
        frames = max((len(np.asarray(score)) for _, score in joints.values()), default=0)
        xy = np.zeros((frames, JOINT_COUNT, 2), np.float32)
        score = np.zeros((frames, JOINT_COUNT), np.float32)
        for name, (points, confidence) in joints.items():
            if np.shape(points) != (frames, 2) or np.shape(confidence) != (frames,):
                problem = f"joint {name!r} of shapes {np.shape(points)}, {np.shape(confidence)}"
                raise InputError(problem, f"({frames}, 2) and ({frames},)", file=source, clip=id)
            xy[:, INDEX[name]], score[:, INDEX[name]] = points, confidence
        return cls(id, xy, score, unit, size, fps, source, estimator)
