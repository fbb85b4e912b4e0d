"""Files of less than a megabyte that stand for much time or memory; mutators like those of tests/helpers/mutate.py."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from random import Random
from typing import Any

import numpy as np
import yaml

from helpers import mutate_text, oversized_files

LARGEST = 10**6
"""Bytes of a bomb."""
ROOM = 900_000
"""Bytes of what is put into a valid file."""
COLLIDES = 2**61 - 1
"""Whole multiples of it have one hash in CPython."""
ROWS = (10**6, 10**7, 5 * 10**7)
SHAPES = ("(200000000,)", "(20, 133, 100000)", "(1000000, 49, 2)", "(1000000, 133, 3)", f"({2**40},)", "(0, 100000000)")


def _size(rng: Random) -> int:
    """Bytes that a part takes: mostly as many as there may be."""
    return rng.choice((ROOM, ROOM, ROOM // 10, ROOM // 100))


def _filled(word: str, rng: Random) -> str:
    return word * (_size(rng) // len(word))


def _put(value: Any, new: Any, rng: Random) -> Any:
    """The tree with a random part of it replaced."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.15:
        return new
    changed = value.copy()
    key = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
    changed[key] = _put(value[key], new, rng)
    return changed


def _multiplied(value: Any, rng: Random) -> Any:
    """The tree with one of its parts repeated beside itself until the file is full."""
    parts = list[Any]()
    todo = [value]
    while todo:
        one = todo.pop()
        parts += [one] if isinstance(one, list) and one else []
        todo += one if isinstance(one, list) else one.values() if isinstance(one, dict) else []
    if not parts:
        return [value] * (_size(rng) // (len(json.dumps(value)) + 1))
    chosen = rng.choice(parts)
    each = len(json.dumps(chosen[0])) + 2
    chosen.extend([chosen[0]] * (_size(rng) // each))
    return value


def json_text(data: bytes, rng: Random) -> bytes:
    """JSON with a part that is deep, wide, long, repeated, or has many keys or one key many times."""
    value = json.loads(data)
    if rng.random() < 0.35:
        return json.dumps(_multiplied(value, rng)).encode()
    word = rng.choice(("[],", "{},", "0,", '"",', "null,", '{"a":0},', "[[0,0]],", "1e5,", "[" * 900 + "]" * 900 + ","))
    parts = (
        "[" + _filled(word, rng)[:-1] + "]",
        '"' + _filled("a", rng) + '"',
        '"' + _filled("\\u0000", rng) + '"',
        _filled("9", rng),
        "0." + _filled("1", rng),
        "{" + ",".join(f'"k{number}":{number}' for number in range(_size(rng) // 16)) + "}",
        "{" + _filled('"id":[],', rng)[:-1] + "}",
        _filled('{"a":', rng),
        _filled("[", rng),
        _filled(" ", rng) + "1",
    )
    marked = json.dumps(_put(value, "MARK", rng))
    return marked.replace('"MARK"', rng.choice(parts)).encode()


def json_lines(data: bytes, rng: Random) -> bytes:
    """Many lines, or one that is a bomb."""
    lines = data.splitlines()
    if rng.random() < 0.5:
        return (rng.choice((lines[0], b"{}", b"", b"[]")) + b"\n") * (_size(rng) // (len(lines[0]) + 1))
    return b"\n".join([*lines[:-1], json_text(lines[-1], rng)])


def yaml_text(data: bytes, rng: Random) -> bytes:
    """YAML with aliases of aliases, or a part that is deep, wide, long or has keys of one hash."""
    parts = (
        mutate_text.LAUGHS.decode().replace("\nlol", "\n  lol"),
        "\n  a: &a {" + ", ".join(f"k{n}: {n}" for n in range(2000)) + "}\n  b: [" + _filled("{<<: *a},", rng) + "]",
        "\n  a: &a [" + _filled("0,", rng)[: ROOM // 2] + "]\n  b: [" + "*a," * 9999 + "]",
        "[" + _filled("0, ", rng) + "]",
        "{" + ", ".join(f"{COLLIDES * number}: 0" for number in range(_size(rng) // 30)) + "}",
        "{" + ", ".join(f"k{number}: 0" for number in range(_size(rng) // 11)) + "}",
        '"' + _filled("a", rng) + '"',
        _filled("9", rng),
        _filled("1:", rng) + "0",
        _filled("[", rng),
        "\n" + "".join(" " * depth + "a:\n" for depth in range(1, 1000)),
        "|\n" + _filled("   a\n", rng),
        '"' + _filled("\\x41", rng) + '"',
        "!!binary " + _filled("aGVs", rng),
        _filled("\n#", rng),
    )
    marked = yaml.safe_dump(_put(yaml.safe_load(data), "MARK", rng))
    return marked.replace("MARK", rng.choice(parts)).encode()


def table(data: bytes, rng: Random) -> bytes:
    """A CSV of many rows, columns or fields, or of long ones."""
    lines = data.decode("utf-8-sig").splitlines()
    row = lines[-1]
    parts = (
        "\n".join([lines[0], *([row] * (_size(rng) // (len(row) + 1)))]),
        "\n".join([lines[0], *(f"{number}{row}" for number in range(_size(rng) // (len(row) + 7)))]),
        "\n".join([lines[0] + _filled(",", rng), row]),
        "\n".join([lines[0], row + _filled(",", rng)]),
        lines[0] + "," + ",".join(f"c{number}" for number in range(_size(rng) // 8)) + "\n" + row,
        "\n".join([lines[0] + _filled(",", rng)[: ROOM // 2], row + _filled(",", rng)[: ROOM // 2]]),
        lines[0] + "\n" + _filled(rng.choice("\n ,;\t"), rng),
        lines[0] + '\n"' + _filled(rng.choice(("a", '""', "\n")), rng) + '"' + row,
        lines[0] + "\n" + row.replace(row.split(",")[0], _filled(rng.choice("a9é["), rng)[: ROOM // 4]),
        lines[0] + "\n" + _filled('"', rng),
        _filled("a,", rng) + "\n" + row,
    )
    return rng.choice(parts).encode()


def _npy(shape: str, kind: str, content: bytes) -> bytes:
    head = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + content


def npy(data: bytes, rng: Random) -> bytes:
    """An array whose header says much more than there is, or which is wide and empty."""
    kind, shape = rng.choice(("'<f4'", "'<f8'", "'|u1'", "'<U999999'", "'<f2'")), rng.choice(SHAPES)
    what = rng.randrange(5)
    if what == 0:
        return _npy("(" + "1," * 9000 + ")", kind, bytes(99))
    if what == 1:
        return _npy(shape, "[" + ",".join(f"('f{n}', '<f4')" for n in range(700)) + "]", b"")
    if what == 2:
        frames = ROOM // (4 * 266)
        return _npy(f"({frames}, 133, 2)", "'<f4'", np.random.default_rng(0).bytes(frames * 1064))
    if what == 3:
        return _npy(f"(0, {2**40})", kind, b"")
    return _npy(shape, kind, data[80 : 80 + rng.choice((0, 100, ROOM))])


def npz(data: bytes, rng: Random) -> bytes:
    """Arrays that are compressed zeros, as many as have room, or whose headers lie."""
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        members = {one: old.read(one) for one in old.namelist()}
    what = rng.randrange(6)
    if what == 0:
        return oversized_files.archive(rng.choice((100, 1000, 4000)))
    if what == 1:  # one member's data listed under many names
        members |= {f"a{number}.npy": b"" for number in range(_size(rng) // 110)}
    name = rng.choice(list(members))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for one, content in members.items():
            if what == 2 and one == name:
                new.writestr(one, npy(content, rng))
            elif what >= 3 and (one == name or what == 5):
                _zeros(new, one, content, rng)
            else:
                new.writestr(one, content)
    return out.getvalue()


def _zeros(archive: zipfile.ZipFile, name: str, content: bytes, rng: Random) -> None:
    """The member's array with as many rows of zeros as make 10 to 500 MB."""
    array = np.load(io.BytesIO(content))
    each = max(1, array[:1].nbytes) if array.ndim else 4
    rows = rng.choice((10**7, 10**8, 5 * 10**8)) // each
    head = _npy(str((rows, *array.shape[1:])), repr(array.dtype.str), b"")
    with archive.open(name, "w") as stream:
        stream.write(head)
        block = bytes(each * max(1, 2**20 // each))
        for _ in range(rows * each // len(block)):
            stream.write(block)
        stream.write(bytes(rows * each % len(block)))


def archive(data: bytes, rng: Random) -> bytes:
    """A ZIP with a member of zeros, or many members."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        chosen = rng.choice(old.namelist())
        for one in old.namelist():
            new.writestr(one, bytes(rng.choice((10**7, 3 * 10**8))) if one == chosen else old.read(one))
        for number in range(rng.choice((0, 0, 5000))):
            new.writestr(f"{chosen}{number}", b"")
    return out.getvalue()
