"""twinsign's own `.npz` of one clip: xy (T 49 2) with score (T 49) or seen (T 49), and what else a Recording holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinsign.files import atomic, writable
from twinsign.pose.clip_file import ClipFile
from twinsign.pose.layout import JOINT_COUNT
from twinsign.pose.recording import FloatArray, Recording, Unit

_UNITS: dict[str, Unit] = {"fraction": "fraction", "pixel": "pixel"}


def from_arrays(clip: ClipFile, arrays: Mapping[str, NDArray[Any]]) -> Recording:
    """A Recording of xy (T 49 2) and score or seen (T 49); with neither, joints that are NaN are the unseen ones.

    `unit` is "fraction" (where absent) or "pixel"; size (width, height), fps, id and estimator may be there.
    """
    clip = replace(clip, clip_id=clip.clip_id or _text(clip, arrays, "id"))
    xy = clip.joints(arrays["xy"], JOINT_COUNT, (2,), "xy")
    unit = _text(clip, arrays, "unit") or "fraction"
    if unit not in _UNITS:
        raise clip.error(f"unit {unit!r}", "fraction or pixel")
    size, fps = clip.stated_size(arrays), clip.stated_fps(arrays)
    score, estimator = _score(clip, arrays, xy), _text(clip, arrays, "estimator")
    return clip.recording(xy, score, unit=_UNITS[unit], size=size, fps=fps, estimator=estimator)


def _score(clip: ClipFile, arrays: Mapping[str, NDArray[Any]], xy: FloatArray) -> FloatArray:
    name = next((name for name in ("score", "seen") if name in arrays), None)
    strange = [one for one, array in arrays.items() if one != "xy" and array.shape == xy.shape[:2]]
    if name is None and strange:
        raise clip.error(f"arrays {', '.join(arrays)}"[:200], f"scores called score or seen, not {strange[0]}")
    if name is None:
        return np.where(np.isnan(xy).all(axis=-1), np.float32(0), np.float32(1))
    score = clip.numbers(arrays[name], name)
    if score.shape != xy.shape[:2]:
        raise clip.error(f"{name} of shape {score.shape}", f"{xy.shape[:2]}, one a joint")
    return score


def _text(clip: ClipFile, arrays: Mapping[str, NDArray[Any]], name: str) -> str:
    with clip.decoding(f"a text as {name}"):  # an array may hold letters that are none
        text = str(arrays[name]) if name in arrays and arrays[name].ndim == 0 else ""
    if not writable(text):
        raise clip.error(f"half a character in {name}", "a whole text")
    return text


def write_npz(recording: Recording, path: str | PathLike[str]) -> None:
    """Write `recording` whole or not at all; reading it gives it back with the new file as its `source`."""
    stated: dict[str, Any] = {"id": recording.id, "unit": recording.unit, "estimator": recording.estimator}
    stated |= {} if recording.size is None else {"size": np.asarray(recording.size)}
    stated |= {} if recording.fps is None else {"fps": np.asarray(recording.fps)}
    with atomic(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, xy=recording.xy, score=recording.score, **stated)
