"""Texts and trees of values made invalid: JSON, YAML, CSV and pickles; see tests/helpers/mutate.py."""

from __future__ import annotations

import csv
import io
import json
import pickle
from random import Random
from typing import Any

import yaml

from helpers.mutate import raw

VALUES: tuple[Any, ...] = (None, True, -1, 0, 3, 10**400, 1.5, float("nan"), float("inf"), -1e300, "", "\0", "a\ud800b")
VALUES += ("../../x", "/etc/passwd", "é" * 300, "1" * 5000, "nan", [], {}, [[]], {"a": 1}, [1, "a", None], {"id": {}})
TAGS = (
    "!!python/object/apply:os.system ['touch WITNESS']",
    "!!python/name:os.system",
    "&a [*a, 1]",
    "{<<: 1}",
    "!!binary aGVsbG8=",
    "2001-01-01",
    "!!set {a, b}",
    "0b1111",
    "1:30:00",
    "? [a]\n: b",
    "\x85",
)


def tree(value: Any, rng: Random) -> Any:
    """Plain containers with one or a few values replaced, left out, doubled or exchanged."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        value = _tree(value, rng, rng.choice((0.15, 0.4, 0.7)))
    return value


def _tree(value: Any, rng: Random, stop: float) -> Any:
    if not isinstance(value, dict | list) or not value or rng.random() < stop * 0.3:
        return rng.choice(VALUES)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = rng.choice(keys)
    changed = value.copy()
    what = rng.randrange(10)
    if what == 0:
        del changed[key]
    elif what == 1 and isinstance(changed, list):
        changed.insert(key, changed[rng.choice(keys)])
    elif what == 2 and isinstance(changed, dict):
        changed[rng.choice(("id", "", "é", "extra", "../x", str(key) * 2))] = rng.choice(VALUES)
    elif what == 3:
        changed[key] = changed[rng.choice(keys)]
    else:
        changed[key] = _tree(changed[key], rng, stop)
    return changed


def json_text(data: bytes, rng: Random) -> bytes:
    """JSON of a changed value, or with deep nesting, long numbers, doubled keys or another encoding."""
    what = rng.randrange(12)
    if what == 0:
        return raw(data, rng)
    if what == 1:
        at = rng.randrange(len(data) + 1)
        word = rng.choice((b"[" * 100_000, b'{"a":' * 50_000, b"9" * 5000, b"1e999", b"NaN", b"\xff", b"\\ud800", b"-"))
        return data[:at] + word + data[at:]
    if what == 2:
        return data.decode("utf-8", "replace").encode(
            rng.choice(("utf-8-sig", "utf-16", "utf-32-le", "latin1")), "replace"
        )
    text = (
        json.dumps(tree(json.loads(data), rng))
        if rng.random() < 0.95
        else rng.choice(("", "null", "[]", "{}", "3", '"a"'))
    )
    return text.encode("utf-8", "surrogatepass")


def json_lines(data: bytes, rng: Random) -> bytes:
    """A line a value, one of them changed."""
    lines = data.splitlines()
    at = rng.randrange(len(lines))
    lines[at] = json_text(lines[at], rng)
    return b"\n".join(lines) + rng.choice((b"\n", b""))


def yaml_text(data: bytes, rng: Random) -> bytes:
    """YAML of a changed value, with tags, anchors and other things that a loader may trip over."""
    what = rng.randrange(8)
    if what == 0:
        return raw(data, rng)
    if what == 1:
        lines = data.decode().splitlines()
        at = rng.randrange(len(lines))
        lines[at] = f"{lines[at].split(':')[0]}: {rng.choice(TAGS)}"
        return "\n".join(lines).encode("utf-8", "surrogatepass")
    if what == 2:
        return data + rng.choice(
            (LAUGHS, b"\n&a [*a]\n", b"\n---\na: 1\n", b"\nx: " + b"[" * 3000, b"\n<<: *b\n", b"\n%YAML 9\n")
        )
    value = tree(yaml.safe_load(data), rng)
    return yaml.safe_dump(value, allow_unicode=bool(rng.randrange(2))).encode("utf-8", "surrogatepass")


LAUGHS = (
    "\nlol0: &l0 [lol]\n" + "".join(f"lol{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 12))
).encode()
"""Nine lines that stand for a thousand million values."""


def table(data: bytes, rng: Random) -> bytes:
    """A CSV or list of lines with a field, row or the head line changed."""
    what = rng.randrange(8)
    if what == 0:
        return raw(data, rng)
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
    at = rng.randrange(len(rows))
    if what == 1:
        rows.insert(at, rng.choice(rows))
    elif what == 2:
        rows[at] = rows[at][:-1] if rng.random() < 0.5 else [*rows[at], "more"]
    elif what == 3:
        rows[0] = [*rows[0][1:], rng.choice(rows[0])]
    elif rows[at]:
        column = rng.randrange(len(rows[at]))
        words = (
            *(str(value) for value in VALUES),
            "[1, 2",
            "[1e999]",
            '"',
            "a,b\n",
            "=1+1",
            "١٢",
            "²",
            "inf",
            "[" + "9," * 999 + "]",
        )
        rows[at] = [*rows[at][:column], rng.choice(words), *rows[at][column + 1 :]]
    out = io.StringIO()
    csv.writer(out, lineterminator=rng.choice(("\n", "\r\n", "\r"))).writerows(rows)
    return out.getvalue().encode(rng.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16")), "surrogatepass")


def pickled(data: bytes, rng: Random) -> bytes:
    """A pickle of a changed value in any protocol, or with its operations changed."""
    if rng.random() < 0.4:
        return raw(data, rng)
    if rng.random() < 0.1:
        at, word = (
            rng.randrange(len(data)),
            rng.choice((b"cos\nsystem\n(S'touch WITNESS'\ntR", b"]" * 9999, b"\x85" * 500, b"h\x00", b"0")),
        )
        return data[:at] + word + data[at:]
    return pickle.dumps(tree(pickle.loads(data), rng), rng.randrange(6))  # what the tests themselves have made
