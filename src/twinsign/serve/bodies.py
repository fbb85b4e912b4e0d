"""What a request carries: bytes within limits, JSON of plain shape, clips of poses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from starlette.requests import Request

from twinsign.errors import InputError
from twinsign.pose.layout import JOINT_COUNT
from twinsign.pose.read.plausible import check
from twinsign.pose.recording import FloatArray, Recording
from twinsign.serve.options import Limits
from twinsign.serve.refusals import RefusedError

MEGABYTE = 10**6
SHAPES = {"xy": f"(frames, {JOINT_COUNT} joints, 2)", "seen": f"(frames, {JOINT_COUNT} joints)"}
CLIP_KEYS = ("xy", "seen", "fps", "size", "unit", "id")
UNITS = ("fraction", "pixel")
LONGEST_NAME = 200
LARGEST_SIDE = 100_000
MOST_GUESSES = 100


async def read_body(request: Request, megabytes: float) -> bytes:
    """The whole body; RefusedError as soon as it grows beyond the limit, whatever it says of its length."""
    most, found = int(megabytes * MEGABYTE), bytearray()
    wanted = f"at most {megabytes:g} MB"
    stated = request.headers.get("content-length", "")
    if stated.isascii() and stated.isdigit() and int(stated[:20]) > most:
        raise RefusedError(413, f"a body of {int(stated[:20]) / MEGABYTE:.1f} MB", wanted)
    async for chunk in request.stream():
        found += chunk
        if len(found) > most:
            raise RefusedError(413, f"a body of more than {megabytes:g} MB", wanted)
    return bytes(found)


async def read_object(request: Request, megabytes: float) -> dict[str, Any]:
    """The body's JSON object; RefusedError where it is none."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise RefusedError(415, f"a body of type {kind or '(none)'}", "Content-Type: application/json")
    return as_object(await read_body(request, megabytes))


def as_object(content: str | bytes) -> dict[str, Any]:
    """Text as a JSON object; RefusedError where it is none."""
    try:
        value = json.loads(content, parse_constant=_no_number)
    except RecursionError as error:
        raise RefusedError(400, "JSON nested too deep", "a JSON object") from error
    except ValueError as error:
        raise RefusedError(400, f"no JSON ({error})", "a JSON object") from error
    if not isinstance(value, dict):
        raise RefusedError(422, f"a JSON {type(value).__name__}", "a JSON object")
    return value


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no JSON number")


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
    if not isinstance(id, str) or not 0 < len(id) <= LONGEST_NAME:
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
    """Nested lists as float32; null is NaN; RefusedError where they are ragged or hold anything else."""
    wanted = f"{what}: {SHAPES.get(what, 'numbers')}, of numbers"
    if not isinstance(values, list):
        raise RefusedError(422, f"{what} of type {type(values).__name__}", wanted, where=where)
    try:
        array = np.asarray(values)
        if array.dtype.kind == "O" and array.ndim == axes:
            flat = array.ravel()
            if all(one is None or type(one) in (int, float) for one in flat):
                array = np.asarray([np.nan if one is None else float(one) for one in flat]).reshape(array.shape)
    except (ValueError, OverflowError, RecursionError) as error:
        raise RefusedError(422, f"{what} of uneven rows, or too large a number", wanted, where=where) from error
    if array.size and array.dtype.kind not in ("iufb" if what == "seen" else "iuf"):
        raise RefusedError(422, f"something in {what} that is no number", wanted, where=where)
    if array.ndim != axes:
        raise RefusedError(422, f"{what} of shape {array.shape}"[:100], wanted, where=where)
    with np.errstate(over="ignore"):
        numbers: FloatArray = array.astype(np.float32)
    return numbers


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
