"""Pickles, tables, packs, weights and `.pose` files that stand for a great deal; more of tests/helpers/bombs.py."""

from __future__ import annotations

import contextlib
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import ipc, parquet

from helpers import bombs, fuzz_targets, mutate, mutate_binary, mutate_text, oversized_files

_KEYS = b"".join(
    pickle.LONG1 + b"\x0a" + (bombs.COLLIDES * number).to_bytes(10, "little") + b"N" for number in range(70_000)
)
"""Keys of one hash, each with a value, as a pickle lists them."""


def _pickled(word: bytes, rng: Random) -> bytes:
    return word * (bombs._size(rng) // len(word))


def pickled(data: bytes, rng: Random) -> bytes:
    """A pickle with a part that is wide, deep, repeated, of one hash, or of many small operations."""
    value: Any = pickle.loads(data)  # what the tests themselves have made
    size = bombs._size(rng)
    what = rng.randrange(12)
    shared: list[Any] = [0] * 1000
    for _ in range(rng.choice((1, 3, 6))):
        shared = [shared] * 100
    parts: tuple[Callable[[], Any], ...] = (
        lambda: {bombs.COLLIDES * number: 0 for number in range(500)},
        lambda: [[] for _ in range(size // 3)],
        lambda: [0] * (size // 2),
        lambda: [()] * size,
        lambda: {f"k{number}": number for number in range(size // 20)},
        lambda: shared,
        lambda: [np.zeros(100_000, np.float32)] * 1000,
        lambda: 1 << (4 * size),
        lambda: "a" * size,
        lambda: ["1" * 1000] * 9999,
    )
    if what < len(parts):
        return pickle.dumps(bombs._put(value, parts[what](), rng), rng.choice((2, 4)))
    keys = _KEYS[: size // 13 * 13]
    wholes = (
        b"}(" + keys + b"u",
        b"\x8f(" + keys + b"\x90",
        b"(" + keys + b"\x91",
        b"cbuiltins\nset\n(" + keys + b"l\x85R",
        b"(" + keys + b"l0]",
        _pickled(b"N0", rng) + b"N",
        _pickled(b"]0", rng) + b"N",
        b"(" + _pickled(b"]", rng) + b"l",
        b"(" + _pickled(b"(", rng),
        _pickled(b"(l", rng),
        b"(" + _pickled(b"N", rng) + b"t",
        b"]" + _pickled(b"2", rng),
    )
    return b"\x80\x04" + rng.choice(wholes) + b"."


def _long(column: pa.ChunkedArray, rows: int) -> Any:
    """Rows of the column's first value, which take hardly any bytes when they are written."""
    first = column[0].as_py() if len(column) else None
    return pa.repeat(pa.scalar(first, column.type), rows)


def parquet_file(data: bytes, rng: Random) -> bytes:
    """A table of very many equal rows, or with many columns or row groups."""
    whole = parquet.read_table(pa.BufferReader(data))
    what = rng.randrange(4)
    options: dict[str, Any] = {"compression": rng.choice(("zstd", "snappy"))}
    if what == 0:
        rows = rng.choice(bombs.ROWS) if len(whole.column_names) < 10 else 20_000
        whole = pa.table({name: _long(whole[name], rows) for name in whole.column_names})
    elif what == 1:
        whole = whole.slice(0, 1)
        for number in range(rng.choice((100, 1000))):
            whole = whole.append_column(f"more{number}", pa.nulls(1))
    elif what == 2:
        whole = pa.concat_tables([whole] * rng.choice((2, 30)))
        options["row_group_size"] = 1 if len(whole) < 1000 else 100
    else:
        name, rows = rng.choice(whole.column_names), 1000
        whole = pa.table({one: _long(whole[one], rows) for one in whole.column_names})
        place = whole.column_names.index(name)
        whole = whole.set_column(place, name, pa.repeat(pa.scalar("a" * rng.choice((1000, 300_000))), rows))
    out = pa.BufferOutputStream()
    parquet.write_table(whole, out, **options)
    return bytes(out.getvalue())


def pack(data: bytes, rng: Random) -> bytes:
    """A pack of very many equal clips, of one endless clip, of many batches, or with long notes."""
    reader = ipc.open_file(pa.BufferReader(data))
    whole, footer = reader.read_all(), dict(reader.metadata or {})
    what, batches = rng.randrange(4), 1
    if what == 0:
        whole = whole.take(pa.array(np.zeros(rng.choice((1000, 30_000)), np.int64)))
    elif what == 1:
        many = rng.choice((10**6, 2 * 10**7))
        for place, field in enumerate(whole.schema):
            if pa.types.is_list(field.type) and pa.types.is_primitive(field.type.value_type):
                values = pa.array(np.zeros(many, field.type.value_type.to_pandas_dtype()))
                ends = pa.array([0] + [many] * len(whole), pa.int32())
                whole = whole.set_column(place, field, pa.ListArray.from_arrays(ends, values, type=field.type))
    elif what == 2:
        batches = rng.choice((100, 1500))
    else:
        key = rng.choice(list(footer) or [b"more"])
        plain = footer.get(key, b"").startswith((b"[", b"{"))
        footer[key] = bombs.json_text(footer[key], rng) if plain else b"a" * bombs.ROOM
    out = pa.BufferOutputStream()
    options = ipc.IpcWriteOptions(compression="zstd")
    with ipc.new_file(out, whole.schema, metadata=footer, options=options) as file:
        for _ in range(batches):
            for batch in whole.to_batches(max_chunksize=len(whole) if batches == 1 else 1):
                file.write_batch(batch)
    return bytes(out.getvalue())


def safetensors(data: bytes, rng: Random) -> bytes:
    """Weights with a header of very many tensors, or of absurd shapes."""
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    empty = {"dtype": "F32", "shape": rng.choice(([0], [0, 2**40], [2**40, 0])), "data_offsets": [len(body), len(body)]}
    what = rng.randrange(3)
    if what == 0:
        header |= {f"t{number}": empty for number in range(bombs._size(rng) // 90)}
    elif what == 1:
        header["__metadata__"] = {f"k{number}": "a" * 100 for number in range(bombs._size(rng) // 115)}
    else:
        header[rng.choice(list(header))]["shape"] = rng.choice(([1] * 100_000, [2**31, 2**31], [0] * 1000))
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def pose(_data: bytes, rng: Random) -> bytes:
    """A `.pose` file with many persons, points or frames, or whose header says so."""
    version = rng.choice((0, 0.1, 0.2))
    frames, persons, points = rng.choice(
        ((1, 65_000, 1), (70, 900, 1), (1000, 60, 1), (60_000, 1, 1), (3, 3, 9000), (2, 1, 5000))
    )
    content = bytearray(oversized_files.pose(frames if version else min(frames, 60_000), persons, points, version))
    if rng.random() < 0.5 and version == 0.2:
        at = len(content) - frames * persons * points * 12 - 6
        count = rng.choice(((2**32 - 1, 1), (2**32 - 1, 0), (0, 65_535), (10**6, 1), (10**8, 1)))
        struct.pack_into("<IH", content, at, *count)
    return bytes(content[: bombs.LARGEST])


BOMBS: dict[mutate.Mutator, mutate.Mutator] = {
    mutate_text.json_text: bombs.json_text,
    mutate_text.json_lines: bombs.json_lines,
    mutate_text.yaml_text: bombs.yaml_text,
    mutate_text.table: bombs.table,
    mutate_text.pickled: pickled,
    mutate.npy: bombs.npy,
    fuzz_targets.npz_members: bombs.npz,
    mutate_binary.parquet_file: parquet_file,
    mutate_binary.pack: pack,
    mutate_binary.safetensors: safetensors,
}
"""The bomb for what each mutator changes."""


def bomb_of(name: str, how: mutate.Mutator) -> mutate.Mutator:
    """The bomb, of at most a megabyte, for a file of that name whose mutator is `how`."""
    known = pose if name.endswith(".pose") else bombs.archive if name == "c.pth.tar" else mutate.raw
    made = BOMBS.get(how, known)

    def small(data: bytes, rng: Random) -> bytes:
        for _ in range(5):
            with contextlib.suppress(ValueError, TypeError, pa.ArrowException, zipfile.BadZipFile):
                bomb = made(data, rng)
                if len(bomb) <= bombs.LARGEST:
                    return bomb
        return mutate.raw(data, rng)

    return small
