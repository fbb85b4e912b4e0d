"""Tables, packs and weights with other types, columns, counts and headers than their readers expect."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import ipc, parquet

from helpers import mutate, mutate_text

TYPES = (pa.string(), pa.large_string(), pa.binary(), pa.float64(), pa.float16(), pa.int8(), pa.int64(), pa.uint64())
TYPES += (
    pa.bool_(),
    pa.null(),
    pa.date32(),
    pa.decimal128(20, 3),
    pa.list_(pa.float32()),
    pa.dictionary(pa.int8(), pa.string()),
)


def parquet_file(data: bytes, rng: Random) -> bytes:
    """A parquet file whose table has been changed, or whose bytes."""
    if rng.random() < 0.35:
        return mutate.raw(data, rng)
    changed = table(parquet.read_table(pa.BufferReader(data)), rng)
    out = pa.BufferOutputStream()
    try:
        parquet.write_table(
            changed, out, row_group_size=rng.choice((None, 1, 7)), compression=rng.choice(("NONE", "snappy"))
        )
    except (pa.ArrowException, ValueError, OverflowError):  # a type that parquet does not have
        return mutate.raw(data, rng)
    return bytes(out.getvalue())


def pack(data: bytes, rng: Random) -> bytes:
    """A pack whose table, schema's notes or footer has been changed, or whose bytes."""
    if rng.random() < 0.4:
        return mutate.raw(data, rng)
    reader = ipc.open_file(pa.BufferReader(data))
    whole, footer = reader.read_all(), dict(reader.metadata or {})
    if rng.random() < 0.7:
        whole = table(whole, rng)
    if rng.random() < 0.3:
        notes = dict(whole.schema.metadata or {})
        key = rng.choice([*notes, b"more"])
        notes[key] = _note(notes.get(key, b"{}"), rng)
        whole = whole.replace_schema_metadata(notes)
    if rng.random() < 0.3:
        key = rng.choice([*footer, b"more"])
        footer[key] = _note(footer.get(key, b"[]"), rng)
    out = pa.BufferOutputStream()
    options = ipc.IpcWriteOptions(compression=rng.choice((None, None, "lz4", "zstd")))
    with ipc.new_file(out, whole.schema, metadata=footer if rng.random() < 0.9 else None, options=options) as file:
        for batch in whole.to_batches(max_chunksize=rng.choice((None, 1, 2))):
            file.write_batch(batch)
    return bytes(out.getvalue())


def _note(value: bytes, rng: Random) -> bytes:
    try:
        return mutate_text.json_text(value, rng)
    except ValueError:
        return rng.randbytes(8)


def table(whole: pa.Table, rng: Random) -> pa.Table:
    """A table with a column of another type, name, or content, columns or rows left out or doubled."""
    names = whole.column_names
    at = rng.randrange(len(names))
    what = rng.randrange(9)
    if what == 0:
        return whole.drop_columns([names[at]])
    if what == 1:
        return whole.rename_columns([*names[:at], rng.choice((names[0], "é", "", "more")), *names[at + 1 :]])
    if what == 2:
        return whole.append_column(rng.choice(names), whole.column(rng.choice(names)))
    if what == 3:
        return whole.slice(rng.randrange(len(whole) + 1), rng.choice((0, 1, 3)))
    if what == 4:
        return pa.concat_tables([whole, whole])
    if what == 5:
        return whole.take(pa.array([rng.randrange(len(whole)) for _ in range(len(whole))]))
    return whole.set_column(at, names[at], _column(whole.column(at), rng))


def _column(column: pa.ChunkedArray, rng: Random) -> Any:
    """The same column with other values of its type, or of another type."""
    values = column.to_pylist()
    if rng.random() < 0.4:
        kind = rng.choice(TYPES)
        try:
            return pa.array(values, kind)
        except (pa.ArrowException, ValueError, TypeError, OverflowError):
            return pa.nulls(len(values), kind)
    place = rng.randrange(len(values))
    for value in rng.sample(
        (None, -1, 0, 2**31 - 1, -(2**31), 1e38, float("nan"), "", "x" * 300, "../x", [], [[]], [[0] * 7]), 13
    ):
        changed = [*values[:place], value, *values[place + 1 :]]
        try:
            return pa.array(changed, column.type)
        except (pa.ArrowException, ValueError, TypeError, OverflowError):
            continue
    return column


def safetensors(data: bytes, rng: Random) -> bytes:
    """Weights whose header, its length, or whose bytes have been changed."""
    if rng.random() < 0.25:
        return mutate.raw(data, rng)
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    name = rng.choice(list(header))
    what = rng.randrange(7)
    if what == 0:
        header[name]["data_offsets"] = [rng.choice((0, 1, -1, len(body), 2**40, 2**63)) for _ in range(2)]
    elif what == 1:
        header[name]["shape"] = rng.choice(
            ([], [0], [2**40, 2**40], [-1], [1.5], "x", header[rng.choice(list(header))]["shape"])
        )
    elif what == 2:
        header[name]["dtype"] = rng.choice(("F64", "BOOL", "BF16", "F8_E4M3", "U8", "F4", "", 3, None))
    elif what == 3:
        header[rng.choice(("../x", "", "é", "encoders.joint.x"))] = header.pop(name)
    elif what == 4:
        header = mutate_text.tree(header, rng)
    elif what == 5:
        header["__metadata__"] = rng.choice(mutate_text.VALUES)
    text = json.dumps(header).encode()
    body = body if rng.random() < 0.8 else body[: rng.randrange(len(body))]
    if what == 6:
        body = np.random.default_rng(rng.randrange(9)).bytes(len(body))
    return (len(text) if rng.random() < 0.9 else rng.choice(mutate.NUMBERS)).to_bytes(8, "little") + text + body
