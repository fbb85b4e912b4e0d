"""Recordings and packs as vectors by a RUN's frozen encoders, and their table that other tools open: Parquet.

twinsign embed --model RUN --data PACK --out F.parquet
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from twinsign import __version__
from twinsign.distributed import fastest_device
from twinsign.errors import InputError
from twinsign.files import atomic, parse_json, sha256
from twinsign.inference.embedder import FeatureChoice
from twinsign.nn.beside import first_networks
from twinsign.nn.classifier import all_features
from twinsign.nn.features import device_of, joint_embedding
from twinsign.pack.open import Indices, Pack
from twinsign.pack.schema import PROVENANCE_KEY
from twinsign.pack.selection import clip_ids
from twinsign.pose.bounds import max_unpacked_bytes, parquet_bytes
from twinsign.ray_cluster import map_tasks
from twinsign.runs.models import (
    EVALUATION_BATCH,
    encoder_width,
    frames_of,
    load_encoders,
    load_whitening,
    viewer_of,
)
from twinsign.runs.run import Run
from twinsign.views.batches import ClipReader

EMBEDDING = "embedding"
"""Column of the joint unit embedding."""
ROW_GROUP = 128
"""Clips written at once."""


@dataclass(frozen=True)
class Embeddings:
    """Clips' ids (N), features by column (N D), whether each part is shown (N), the pack's rows, and provenance."""

    ids: list[str]
    features: dict[str, NDArray[np.float32]]
    shows: dict[str, NDArray[np.bool_]]
    rows: pa.Table
    provenance: dict[str, Any] = field(default_factory=dict)


def write_embeddings(
    out: str | PathLike[str],
    run: Run,
    pack: Pack,
    rows: Indices,
    choice: FeatureChoice | None = None,
    tick: Callable[[int], object] = lambda clips: None,
    cluster: str | None = None,
) -> dict[str, Any]:
    """Embed these rows by a RUN of any kind, write them as Parquet atomically, and return the provenance.

    Columns: the pack's own without the poses; each BRANCH_PART (D); `embedding`, the unit vector of the branches'
    summed parts; shows_PART, false where a clip shows nothing of the part and its feature is 0. Raises InputError where
    the pack has a column of such a name, the choice names what the RUN lacks, or another kind of file stands at `out`.
    `tick` is called with the clips of each batch.
    """
    _check_replaced(Path(out))
    chosen = (choice or FeatureChoice()).within(run)
    table = pack.table.take(rows)
    table = table.set_column(table.column_names.index("id"), "id", pa.array(clip_ids(pack, rows)))
    fields = _fields(chosen, encoder_width(run))
    for name in (column.name for column in fields if column.name in table.column_names):
        raise InputError(f"a column {name!r}", "another name for it in the pack", file=pack.paths[0])
    note = _provenance(run, pack, rows, chosen)
    note["columns"] = {column.name: str(column.type) for column in [*table.schema, *fields]}
    schema = pa.schema([*table.schema, *fields], metadata={PROVENANCE_KEY: json.dumps(note)})
    batches = [rows[start : start + ROW_GROUP] for start in range(0, len(rows), ROW_GROUP)]
    written = 0
    with atomic(out) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for columns in map_tasks(partial(_load_embedding, run, pack, chosen), batches, cluster):
            part = table.slice(written, len(columns[0]))
            written += len(part)
            writer.write_table(pa.table([*part.columns, *columns], schema=schema))
            tick(len(part))
    return note


def _fields(chosen: FeatureChoice, width: int) -> list[pa.Field]:
    """The columns of these features from encoders of width `width`."""
    widths = {f"{branch}_{part}": width for branch in chosen.branches for part in chosen.parts}
    widths[EMBEDDING] = width * len(chosen.branches)
    vectors = [pa.field(name, pa.list_(pa.float32(), size)) for name, size in widths.items()]
    return [*vectors, *(pa.field(f"shows_{part}", pa.bool_()) for part in chosen.parts)]


def _check_replaced(out: Path) -> None:
    if out.is_file():
        with out.open("rb") as stream:
            begin = stream.read(4)
        if begin not in (b"PAR1", b""):
            wanted = "a new file, or embeddings to replace"
            raise InputError("a file that is no Parquet table", wanted, file=out, hint="Choose another --out.")


def read_embeddings(path: str | PathLike[str]) -> Embeddings:
    """Read what `write_embeddings` wrote; InputError for other or damaged files."""
    try:
        held, unpacked = Path(path).stat().st_size, parquet_bytes(pq.read_metadata(path))
        if unpacked > max_unpacked_bytes(held):
            raise ValueError(f"{held:,} bytes that unpack to {unpacked:,}")
        table = pq.read_table(path)
        table.validate(full=True)
        note = parse_json((table.schema.metadata or {})[PROVENANCE_KEY])
        vectors = [column for column in table.schema if pa.types.is_fixed_size_list(column.type)]
        features = {
            vector.name: np.asarray(table[vector.name].combine_chunks().flatten()).reshape(-1, vector.type.list_size)
            for vector in vectors
        }
        shows = {part: np.asarray(table[f"shows_{part}"]) for part in note["parts"]}
        rows = table.drop_columns([*features, *(f"shows_{part}" for part in shows)]).replace_schema_metadata()
        return Embeddings(table["id"].to_pylist(), features, shows, rows, note)
    except Exception as error:  # Arrow's, JSON's and numpy's, as the damage happens to be
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f"no embeddings ({reason})", "a file of `twinsign embed`", file=path) from error


def _load_embedding(run: Run, pack: Pack, chosen: FeatureChoice) -> Callable[[Indices], list[pa.Array]]:
    """A function from a batch of rows to their columns, by a RUN's encoders on the fastest device."""
    loaded, viewer = first_networks(load_encoders(run)), viewer_of(run)
    encoders = nn.ModuleDict({name: loaded[name] for name in chosen.branches}).to(fastest_device()).eval()
    parts = tuple(chosen.parts)
    whitening = (load_whitening(run) if chosen.whole(run) else nn.Identity()).to(fastest_device())

    @torch.no_grad()
    def embed_few(rows: Indices) -> list[Tensor]:
        clips = ClipReader(pack, rows, run.recipe.read).__getitems__(list(range(len(rows))))
        branches = all_features(encoders, viewer(clips.to(device_of(encoders))))
        vectors = [branch.f[part] for branch in branches.values() for part in parts]
        vectors.append(whitening(joint_embedding({name: one.whole(parts) for name, one in branches.items()})))
        shows = [torch.stack([branch.has[part] for branch in branches.values()]).any(dim=0) for part in parts]
        return [*(value.float().cpu() for value in vectors), *(shown.cpu() for shown in shows)]

    def embed_rows(rows: Indices) -> list[pa.Array]:
        few = [embed_few(rows[first : first + EVALUATION_BATCH]) for first in range(0, len(rows), EVALUATION_BATCH)]
        arrays = [torch.cat(pieces).numpy() for pieces in zip(*few, strict=True)]
        return [
            pa.FixedSizeListArray.from_arrays(array.ravel(), array.shape[1]) if array.ndim > 1 else pa.array(array)
            for array in arrays
        ]

    return embed_rows


def _provenance(run: Run, pack: Pack, rows: Indices, chosen: FeatureChoice) -> dict[str, Any]:
    ids = cast(list[str], pack.table["id"].take(rows).to_pylist())
    poses = sorted(zip(ids, pack.pose_hashes(rows), strict=True))
    return {
        "twinsign": __version__,
        "command": "embed",
        "run": str(run.path),
        "run_hash": run.vectors_digest(),
        "kind": run.kind,
        "recipe": run.about.get("config"),
        "recipe_hash": sha256(repr(run.recipe.as_dict())),
        "data": [str(path) for path in pack.paths],
        "pose_hash": sha256(*(f"{id}\t{pose}" for id, pose in poses)),
        "split_hash": pack.split_hash(rows),
        "clips": len(rows),
        "view": {"crop": run.recipe.windows.share, "windows": run.recipe.windows.count, "frames": frames_of(run)},
        "branches": list(chosen.branches),
        "parts": list(chosen.parts),
    }
