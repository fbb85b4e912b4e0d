"""What a request says: JSON of plain shape, and clips of poses in it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np

from twinsign.errors import InputError
from twinsign.pose.layout import JOINT_COUNT
from twinsign.pose.plausible import check
from twinsign.pose.recording import FloatArray, Recording
from twinsign.serve.options import Limits
from twinsign.serve.refusals import RefusedError

SHAPES = {"xy": f"(frames, {JOINT_COUNT} joints, 2)", "seen": f"(frames, {JOINT_COUNT} joints)"}
CLIP_KEYS = ("xy", "seen", "fps", "size", "unit", "id")
UNITS = ("fraction", "pixel")
LONGEST_NAME = 200
LARGEST_SIDE = 100_000
MOST_GUESSES = 100


def only_keys(values: Mapping[str, Any], keys: tuple[str, ...], where: str = "") -> None:
    """RefusedError where a key is none of these: a mistyped one would be ignored."""
    for key in values:
        if key not in keys:
            raise RefusedError(422, f"key {key[:40]!r}", f"keys among {', '.join(keys)}", where=where)


def as_clip(values: Any, limits: Limits, name: str = "clip") -> Recording:
    """A clip's Recording; RefusedError or InputError where a part of it is wrong."""
    if not isinstance(values, dict):
        raise RefusedError(422, f"a {type(values).__name__}", f"an object with {', '.join(CLIP_KEYS)}", where=name)
    only_keys(values, CLIP_KEYS, name)
    if "xy" not in values:
        raise RefusedError(422, "no xy", f"xy: {SHAPES['xy']}", where=name)
    fps, size = as_fps(values.get("fps"), name), as_size(values.get("size"), name)
    listed = values["xy"]
    if isinstance(listed, list) and listed:
        check_length(len(listed), fps, limits, name)
    xy = as_numbers(listed, "xy", 3, name)
    score = as_numbers(values["seen"], "seen", 2, name) if "seen" in values else finite(xy)
    unit = values.get("unit", UNITS[0])
    if unit not in UNITS:
        raise RefusedError(422, f"unit {str(unit)[:40]!r}", " or ".join(UNITS), where=f"{name}.unit")
    id = values.get("id", name)
    if not isinstance(id, str) or not 0 < len(id) <= LONGEST_NAME or not id.isprintable():
        raise RefusedError(422, "an id of another kind", f"text of 1 to {LONGEST_NAME} characters", where=f"{name}.id")
    return check(Recording(id, xy, score, unit, size, fps), insisted="unit" in values)


def finite(xy: FloatArray) -> FloatArray:
    """1 where a joint has a place (… 2), 0 where it is null."""
    return np.where(np.isnan(xy).any(axis=-1), np.float32(0), np.float32(1))


def check_length(frames: int, fps: float | None, limits: Limits, name: str) -> None:
    """RefusedError where a clip has too many frames or lasts too long."""
    if frames > limits.frames:
        raise RefusedError(413, f"{frames} frames", f"at most {limits.frames}", where=name)
    if fps and frames / fps > limits.seconds:
        raise RefusedError(413, f"{frames / fps:.1f} seconds", f"at most {limits.seconds:g}", where=name)


def as_numbers(values: Any, what: str, axes: int, where: str) -> FloatArray:
    """Nested lists as float32; null is NaN; RefusedError where they are ragged or hold anything else.

    Looked through before an array is made: one long text among numbers would make an array of long texts.
    """
    wanted = f"{what}: {SHAPES.get(what, 'numbers')}, of numbers"
    shape, level = list[int](), [values]
    for axis in range(axes):
        others = [one for one in level if type(one) is not list]
        if others:
            raise RefusedError(422, f"{what} with {_kind(others[0])} at depth {axis}", wanted, where=where)
        lengths = {len(one) for one in level}
        if len(lengths) > 1:
            raise RefusedError(422, f"{what} of uneven rows", wanted, where=where)
        shape.append(lengths.pop() if lengths else 0)
        level = list(chain.from_iterable(level))
    taken = {int, float, type(None)} | ({bool} if what == "seen" else set())
    others = [one for one in level if type(one) not in taken]
    if others:
        raise RefusedError(422, f"{_kind(others[0])} in {what}, where a number belongs", wanted, where=where)
    try:
        with np.errstate(over="ignore"):
            flat = np.asarray([np.nan if one is None else float(one) for one in level]).astype(np.float32)
    except OverflowError as error:
        raise RefusedError(422, f"too large a number in {what}", wanted, where=where) from error
    numbers: FloatArray = flat.reshape(shape)
    return numbers


def _kind(value: Any) -> str:
    return {list: "a list", dict: "an object", str: "text", bool: "true or false", type(None): "null"}.get(
        type(value), "a number"
    )


def as_fps(value: Any, where: str) -> float | None:
    """Frames a second, or None; RefusedError where it is no positive number."""
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 < value < LARGEST_SIDE:
        raise RefusedError(422, f"fps {str(value)[:40]}", "a positive number of frames a second", where=where)
    return float(value)


def as_size(value: Any, where: str) -> tuple[int, int] | None:
    """(width, height) in pixels, or None; RefusedError where it is no pair of whole numbers."""
    if value is None:
        return None
    if not (isinstance(value, list) and len(value) == 2 and all(type(one) is int for one in value)):
        raise RefusedError(422, f"size {str(value)[:40]}", "[width, height] in pixels", where=where)
    if not all(0 < one <= LARGEST_SIDE for one in value):
        raise RefusedError(422, f"size {str(value)[:40]}", f"pixels from 1 to {LARGEST_SIDE}", where=where)
    return value[0], value[1]


def as_text(values: Mapping[str, Any], key: str, *, needed: bool = False) -> str:
    """A short text; RefusedError where it is none, or is missing and needed."""
    value = values.get(key, "")
    if not isinstance(value, str) or len(value) > LONGEST_NAME or (needed and not value.strip()):
        raise RefusedError(422, f"{key} {str(value)[:40]!r}", f"text of 1 to {LONGEST_NAME} characters", where=key)
    if not value.isprintable():
        raise InputError(f"{key} with signs that cannot be shown", "plain text")
    return value.strip()


def as_count(values: Mapping[str, Any], key: str, default: int, most: int) -> int:
    """A whole number from 1 to `most`; RefusedError where it is none."""
    value = values.get(key, default)
    if type(value) is not int or not 1 <= value <= most:
        raise RefusedError(422, f"{key} {str(value)[:40]}", f"a whole number from 1 to {most}", where=key)
    return int(value)


def as_flag(values: Mapping[str, Any], key: str) -> bool:
    """true or false, false where it is missing; RefusedError where it is neither."""
    value = values.get(key, False)
    if type(value) is not bool:
        raise RefusedError(422, f"{key} {str(value)[:40]}", "true or false", where=key)
    return value
