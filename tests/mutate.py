"""Valid files made invalid: bytes, lengths, header fields, types, shapes, members and values changed, by a Random."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

import yaml

Mutator = Callable[[bytes, Random], bytes]
NUMBERS = (0, 1, 2, 127, 128, 255, 256, 65535, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**64 - 1)
"""Lengths, counts and offsets that readers get wrong."""
SHAPES = (
    "()",
    "(0,)",
    "(-1,)",
    "(1, -3, 133, 3)",
    f"({2**31},)",
    f"({2**62}, 4)",
    "(3, 133)",
    "(True,)",
    "(1.5,)",
    "'a'",
)
DTYPES = (
    "'|O'",
    "'<f2'",
    "'>f8'",
    "'<U9'",
    "'<c8'",
    "'|b1'",
    "'<M8[s]'",
    "'|V8'",
    "'<i8'",
    "'<f16'",
    "'(1000,1000)f8'",
)
DTYPES += ("[('a', '<f4')]", "[('a', '|O')]", "'<U999999999'", "None", "__import__('os').system('touch WITNESS')")
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
MEMBERS = (
    "xy.npy",
    "../../evil.npy",
    "/evil.npy",
    "keypoints.npy",
    "xy",
    "a/",
    "a\\b.npy",
    "é.npy",
    "scores.npy",
    "id.npy",
)


def anything(data: bytes, rng: Random) -> bytes:
    """No file at all: random bytes, perhaps behind the beginning of one."""
    return data[: rng.choice((0, 4, 8, 16, 64))] + rng.randbytes(rng.choice((0, 1, 7, 100, 3000)))


def raw(data: bytes, rng: Random) -> bytes:
    """Bytes changed, cut off, moved, doubled, or numbers of 1 to 8 bytes put in."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        if not changed:
            break
        at = rng.choice((rng.randrange(len(changed)), rng.randrange(min(len(changed), 200)), max(0, len(changed) - 40)))
        what = rng.randrange(6)
        if what == 0:
            changed[at] = rng.randrange(256)
        elif what == 1:
            width = rng.choice((1, 2, 4, 8))
            number = (rng.choice(NUMBERS) & (256**width - 1)).to_bytes(width, rng.choice(("little", "big")))
            changed[at : at + width] = number
        elif what == 2:
            del changed[at:]
        elif what == 3:
            del changed[at : at + rng.choice((1, 2, 8, 100))]
        elif what == 4:
            changed[at:at] = changed[rng.randrange(len(changed)) :][: rng.choice((1, 4, 16, 300))]
        else:
            changed[at] ^= 1 << rng.randrange(8)
    return bytes(changed)


def npy(data: bytes, rng: Random) -> bytes:
    """An `.npy` with another type, shape, order or length in its header."""
    if data[:6] != b"\x93NUMPY" or rng.random() < 0.3:
        return raw(data, rng)
    start = 10 if data[6] == 1 else 12
    end = start + int.from_bytes(data[8:start], "little")
    header = data[start:end].decode("latin1").strip()
    descr, order, shape = (header.split(f"'{key}':")[1] for key in ("descr", "fortran_order", "shape"))
    fields = {
        "descr": descr.split(", 'fortran")[0].strip(),
        "fortran_order": order.split(",")[0].strip(),
        "shape": shape.strip()[:-2].strip().rstrip(","),
    }
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(("descr", "shape", "shape", "fortran_order"))
        fields[name] = rng.choice({"descr": DTYPES, "shape": SHAPES, "fortran_order": ("True", "False", "2")}[name])
    new = ("{" + ", ".join(f"'{name}': {value}" for name, value in fields.items()) + "}\n").encode()
    length = len(new) if rng.random() < 0.8 else rng.choice(NUMBERS) & 0xFFFF
    version = rng.choice((b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"))
    width = "<H" if version[0] == 1 else "<I"
    return data[:6] + version + struct.pack(width, length) + new + data[end:]


def archive(inner: Mutator) -> Mutator:
    """A ZIP with a member changed by `inner`, renamed, left out, doubled, or its sizes and places lied about."""

    def mutate(data: bytes, rng: Random) -> bytes:
        if rng.random() < 0.25:
            return raw(data, rng)
        with zipfile.ZipFile(io.BytesIO(data)) as old:
            members = [(one.filename, old.read(one)) for one in old.infolist()]
        at = rng.randrange(len(members))
        name, content = members[at]
        what = rng.randrange(7)
        if what <= 2:
            members[at] = (name, inner(content, rng))
        elif what == 3:
            members[at] = (rng.choice(MEMBERS), content)
        elif what == 4:
            del members[at]
        elif what == 5:
            members.insert(at, (rng.choice((name, rng.choice(MEMBERS))), inner(content, rng)))
        elif what == 6:
            members[at] = (name, rng.choice(members)[1])
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as new:
            for one, value in members:
                with _quiet():
                    new.writestr(one, value)
        packed = out.getvalue()
        return packed if rng.random() < 0.8 else _lying(packed, rng)

    return mutate


def _lying(data: bytes, rng: Random) -> bytes:
    """Another size, place, method or flag in one of a ZIP's headers."""
    changed = bytearray(data)
    heads = [at for word in (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06") for at in _all(data, word)]
    at = rng.choice(heads) + rng.choice((6, 8, 10, 14, 16, 18, 20, 22, 24, 26, 28, 42))
    number = (rng.choice(NUMBERS) & 0xFFFFFFFF).to_bytes(4, "little")
    width = rng.choice((2, 4))
    changed[at : at + width] = number[:width]
    return bytes(changed)


def _all(data: bytes, word: bytes) -> list[int]:
    places, at = [], data.find(word)
    while at >= 0:
        places.append(at)
        at = data.find(word, at + 1)
    return places


@contextlib.contextmanager
def _quiet() -> Any:
    import warnings  # a doubled name is what is wanted

    with warnings.catch_warnings(action="ignore"):
        yield


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
