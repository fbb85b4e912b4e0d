"""twinsign's own `.npz` of one clip: xy (T 49 2) with score (T 49) or seen (T 49), and what else a Recording holds."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike

import numpy as np

from twinsign.files import atomic, writable
from twinsign.pose.clip_file import Arrays, ClipFile
from twinsign.pose.layout import JOINT_COUNT
from twinsign.pose.recording import FloatArray, Recording, Unit

_UNITS: dict[str, Unit] = {"": "fraction", "fraction": "fraction", "pixel": "pixel"}


def from_arrays(clip: ClipFile, arrays: Arrays) -> Recording:
    """The Recording of xy (T 49 2) and score or seen (T 49); without either, joints that are NaN are unseen.

    Optional: `unit`, "fraction" (default) or "pixel"; size (width, height), fps, id and estimator.
    """
    clip = replace(clip, clip_id=clip.clip_id or _text(clip, arrays, "id"))
    xy = clip.numbers(arrays["xy"], "xy", ("frames", JOINT_COUNT, 2))
    unit = _text(clip, arrays, "unit")
    if unit not in _UNITS:
        raise clip.error(f"unit {unit!r}", "fraction or pixel")
    score, estimator = _score(clip, arrays, xy), _text(clip, arrays, "estimator")
    return clip.recording(xy, score, unit=_UNITS[unit], stated=arrays, estimator=estimator)


def _score(clip: ClipFile, arrays: Arrays, xy: FloatArray) -> FloatArray:
    for name in ("score", "seen"):
        if name in arrays:
            return clip.numbers(arrays[name], name, xy.shape[:2])
    misnamed = [name for name, array in arrays.items() if name != "xy" and array.shape == xy.shape[:2]]
    if misnamed:
        raise clip.error(f"arrays {', '.join(arrays)}"[:200], f"scores called score or seen, not {misnamed[0]}")
    return np.where(np.isnan(xy).all(axis=-1), np.float32(0), np.float32(1))


def _text(clip: ClipFile, arrays: Arrays, name: str) -> str:
    with clip.decoding(f"a text as {name}"):  # an array may hold code points that are not characters
        text = str(arrays[name]) if name in arrays and arrays[name].ndim == 0 else ""
    if not writable(text):
        raise clip.error(f"half a surrogate pair in {name}", "text that UTF-8 can encode")
    return text


def write_npz(recording: Recording, path: str | PathLike[str]) -> None:
    """Write `recording` whole or not at all; reading it gives it back with the new file as its `source`."""
    stated = {name: getattr(recording, name) for name in ("id", "unit", "estimator", "size", "fps")}
    stated = {name: value for name, value in stated.items() if value is not None}
    with atomic(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, xy=recording.xy, score=recording.score, **stated)
