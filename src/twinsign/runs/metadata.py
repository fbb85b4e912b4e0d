"""The facts of a RUN's making, `about` in its config.yaml: each is checked for its type before anything uses it."""

from __future__ import annotations

import math
from collections.abc import Callable
from os import PathLike
from typing import Any

from twinsign.errors import InputError
from twinsign.pose.layout import JOINTS

STATISTICS = 5
"""Numbers that a RUN keeps of each joint (inference/shift.py)."""
Check = Callable[[Any], bool]


def check_about(about: Any, file: str | PathLike[str]) -> dict[str, Any]:
    """The facts if each is of its type, else InputError; keys that nothing reads may hold anything."""
    if not isinstance(about, dict):
        raise InputError(f"about = {about!r}"[:200], "a mapping", file=file)
    _check(about, FACTS, "about", file)
    for name, table in SECTIONS.items():
        if about.get(name):
            _check(about[name], table, f"about.{name}", file)
    return about


def _check(values: Any, table: dict[str, tuple[str, Check]], place: str, file: str | PathLike[str]) -> None:
    for name, (wanted, fits) in table.items():
        if name in values and not fits(values[name]):
            raise InputError(f"{place}.{name} = {values[name]!r}"[:200], wanted, file=file)


def _number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _pair(value: Any) -> bool:
    return _texts(value) and len(value) == 2


def _mappings(value: Any) -> bool:
    mappings = isinstance(value, list) and all(isinstance(item, dict) for item in value)
    return mappings and all(isinstance(item.get(name, {}), dict) for item in value for name in ("files", "start"))


def _joints(value: Any) -> bool:
    """Whether each joint has its numbers, as text with spaces between."""
    try:
        rows = [[float(word) for word in str(value[name]).split()] for name in JOINTS]
    except (KeyError, TypeError, ValueError):
        return False
    return all(len(row) == STATISTICS and all(map(math.isfinite, row)) for row in rows)


def _or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


_MAPPING = ("a mapping", lambda value: isinstance(value, dict))
_TEXT = ("text", lambda value: isinstance(value, str))
_SOME_TEXT = ("text or null", _or_null(_TEXT[1]))
_TEXTS = ("a list of texts", _texts)
_COUNT = ("a whole number", _count)
_SOME_COUNT = ("a whole number or null", _or_null(_count))
_NUMBER = ("a number", _number)
_MAPPINGS = ("a list of mappings", _mappings)
FACTS: dict[str, tuple[str, Check]] = {
    "protocol": _TEXT,
    "config": _SOME_TEXT,
    "init": _SOME_TEXT,
    "seed": _SOME_COUNT,
    "data": _TEXTS,
    "where": _TEXTS,
    "label_fraction": _NUMBER,
    "labels_per_class": _SOME_COUNT,
    "clips": _COUNT,
    "classes": _COUNT,
    "minutes": _NUMBER,
    "rows_hash": _TEXT,
    "selected_on": _TEXTS,
    "calibration": ("a mapping or null", _or_null(_MAPPING[1])),
    "calibrated": _MAPPING,
    "learnt_from": _MAPPING,
    "started_from": _MAPPING,
    "averaged": _MAPPINGS,
    "ensemble": _MAPPINGS,
    "same_signs": ("a list of pairs of glosses", lambda value: isinstance(value, list) and all(map(_pair, value))),
}
"""What each fact must be, in words and as a check; all of them may be absent."""
SECTIONS: dict[str, dict[str, tuple[str, Check]]] = {
    "calibration": {
        "temperature": ("a number above 0", lambda value: _number(value) and value > 0),
        **dict.fromkeys(("threshold", "trusted", "unknown", "confidence", "coverage"), _NUMBER),
        "unknown_clips": _COUNT,
    },
    "calibrated": {
        "data": _TEXTS,
        "split": ("a list of texts or null", _or_null(_texts)),
        "where": _TEXTS,
        "clips": _COUNT,
        "left_out": _SOME_COUNT,
        "split_hash": _TEXT,
        "digest": _TEXT,
    },
    "learnt_from": {
        "packs": _MAPPINGS,
        "estimators": _TEXTS,
        "clips_measured": _COUNT,
        "joints": (f"{STATISTICS} numbers of each joint", _joints),
    },
    "started_from": {
        "digest": _TEXT,
        "protocol": _TEXT,
        "config": _SOME_TEXT,
        "seed": _SOME_COUNT,
        "data": _TEXTS,
        "where": _TEXTS,
        "clips": _COUNT,
        "rows_hash": _TEXT,
        "packs": _MAPPINGS,
    },
}
"""The same for the facts that are mappings."""
