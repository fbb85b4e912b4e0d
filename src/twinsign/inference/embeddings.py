"""Features of a pack's clips as a table that other tools open: Parquet, a row a clip, written whole or not at all.

twinsign embed --model RUN --data PACK --out F.parquet
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
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
from twinsign.cluster import each
from twinsign.distributed import fastest_device
from twinsign.errors import InputError
from twinsign.files import atomic, parse_json, sha256
from twinsign.nn.classifier import all_features
from twinsign.nn.config import PARTS
from twinsign.nn.features import device_of, joint_embedding
from twinsign.pack.open import Indices, Pack
from twinsign.pack.schema import PROVENANCE_KEY
from twinsign.pack.selection import clip_ids
from twinsign.pose.bounds import most_expanded, parquet_bytes
from twinsign.runs.models import EVALUATION_BATCH, frames_of, head_recipe, load_encoders, viewer_of
from twinsign.runs.run import Run
from twinsign.views.batches import ClipReader
from twinsign.views.clips import View

PARQUET = b"PAR1"
"""How Parquet files begin."""
EMBEDDING = "embedding"
"""Column of the joint unit embedding."""


@dataclass(frozen=True)
class Embeddings:
    """Clips' ids (N), features by column (N D), whether each part is shown (N), the pack's rows, and provenance."""

    ids: list[str]
    features: dict[str, NDArray[np.float32]]
    shows: dict[str, NDArray[np.bool_]]
    rows: pa.Table
    provenance: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """Which encoders and parts are embedded; empty: all that the RUN uses."""

    branches: Sequence[str] = ()
    parts: Sequence[str] = ()

    def within(self, run: Run) -> Choice:
        """The choice with nothing left open; InputError where the RUN lacks a branch or there is no such part."""
        own = head_recipe(run).head.parts if run.kind == "classifier" else PARTS
        chosen = Choice(tuple(self.branches) or run.branches(), tuple(self.parts) or own)
        for name, asked, known in (("branch", chosen.branches, run.branches()), ("part", chosen.parts, PARTS)):
            for one in asked:
                if one not in known or list(asked).count(one) > 1:
                    raise InputError(f"{name} {one!r}", f"each once of {', '.join(known)}", file=run.path)
        return chosen

    def fields(self, width: int) -> list[pa.Field]:
        """The columns that a choice gives, of encoders of that width."""
        vectors = {f"{branch}_{part}": width for branch in self.branches for part in self.parts}
        vectors[EMBEDDING] = width * len(self.branches)
        found = [pa.field(name, pa.list_(pa.float32(), size)) for name, size in vectors.items()]
        return [*found, *(pa.field(f"shows_{part}", pa.bool_()) for part in self.parts)]


def write_embeddings(
    out: str | PathLike[str],
    run: Run,
    pack: Pack,
    rows: Indices,
    choice: Choice | None = None,
    tick: Callable[[int], object] = lambda clips: None,
    cluster: str | None = None,
) -> dict[str, Any]:
    """Embed these rows' test views by a RUN of any kind and write them as Parquet; gives the provenance.

    Columns: the pack's own but the poses; BRANCH_PART (D) each; `embedding`, the unit vector of the branches' summed
    parts; shows_PART, false where a clip shows nothing of the part and its feature is 0. InputError where the pack has
    a column of such a name, or the choice names what the RUN lacks. `tick` is told of each batch's clips.
    """
    _check_replaced(Path(out))
    chosen = (choice or Choice()).within(run)
    table = pack.table.take(rows)
    table = table.set_column(table.column_names.index("id"), "id", pa.array(clip_ids(pack, rows)))
    made = chosen.fields(run.recipe.encoder.width)
    for name in (one.name for one in made if one.name in table.column_names):
        raise InputError(f"a column {name!r}", "another name for it in the pack", file=pack.paths[0])
    note = _provenance(run, pack, rows, chosen)
    note["columns"] = {one.name: str(one.type) for one in [*table.schema, *made]}
    schema = pa.schema([*table.schema, *made], metadata={PROVENANCE_KEY: json.dumps(note)})
    batches = [rows[start : start + EVALUATION_BATCH] for start in range(0, len(rows), EVALUATION_BATCH)]
    done = 0
    with atomic(out) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for columns in each(partial(_embedding, run, pack, chosen), batches, cluster):
            part = table.slice(done, len(columns[0]))
            done += len(part)
            writer.write_table(pa.table([*part.columns, *columns], schema=schema))
            tick(len(part))
    return note


def _check_replaced(out: Path) -> None:
    """InputError where another kind of file stands in the place of embeddings."""
    if out.is_file():
        with out.open("rb") as stream:
            start = stream.read(len(PARQUET))
        if start not in (PARQUET, b""):
            hint = "Choose another --out."
            raise InputError(
                "a file that is no Parquet table", "a new file, or embeddings to replace", file=out, hint=hint
            )


def read_embeddings(path: str | PathLike[str]) -> Embeddings:
    """What `write_embeddings` wrote; InputError where the file is none of its kind."""
    try:
        held, unpacked = Path(path).stat().st_size, parquet_bytes(pq.read_metadata(path))
        if unpacked > most_expanded(held):
            raise ValueError(f"{held:,} bytes that unpack to {unpacked:,}")
        table = pq.read_table(path)
        table.validate(full=True)
        note = parse_json((table.schema.metadata or {})[PROVENANCE_KEY])
        vectors = {one.name: one.type.list_size for one in table.schema if pa.types.is_fixed_size_list(one.type)}
        features = {
            name: table[name].combine_chunks().flatten().to_numpy().reshape(len(table), width)
            for name, width in vectors.items()
        }
        shows = {part: np.asarray(table[f"shows_{part}"]) for part in note["parts"]}
        others = table.drop_columns([*vectors, *(f"shows_{part}" for part in shows)]).replace_schema_metadata()
        return Embeddings(table["id"].to_pylist(), features, shows, others, note)
    except Exception as error:  # Arrow's, JSON's and numpy's, as the damage happens to be
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f"no embeddings ({reason})", "a file of `twinsign embed`", file=path) from error


def _embedding(run: Run, pack: Pack, chosen: Choice) -> Callable[[Indices], list[pa.Array]]:
    """The columns of a batch of rows, by a RUN's encoders on the fastest device there is."""
    kept, viewer = load_encoders(run), viewer_of(run)
    encoders = nn.ModuleDict({name: kept[name] for name in chosen.branches}).to(fastest_device()).eval()

    def embed(rows: Indices) -> list[pa.Array]:
        clips = ClipReader(pack, rows, run.recipe.read).__getitems__(list(range(len(rows))))
        return list(_columns(encoders, viewer(clips.to(device_of(encoders))), chosen).values())

    return embed


@torch.no_grad()
def _columns(encoders: nn.ModuleDict, views: Sequence[View], chosen: Choice) -> dict[str, pa.Array]:
    found = all_features(encoders, views)
    parts = tuple(chosen.parts)
    vectors = {f"{name}_{part}": one.f[part] for name, one in found.items() for part in parts}
    vectors[EMBEDDING] = joint_embedding({name: one.whole(parts) for name, one in found.items()})
    shown = {part: torch.stack([one.has[part] for one in found.values()]).any(dim=0) for part in parts}
    columns = {name: _vectors(value) for name, value in vectors.items()}
    return columns | {f"shows_{part}": pa.array(value.cpu().numpy()) for part, value in shown.items()}


def _vectors(value: Tensor) -> pa.Array:
    flat = pa.array(value.float().cpu().numpy().ravel())
    return pa.FixedSizeListArray.from_arrays(flat, value.shape[1])


def _provenance(run: Run, pack: Pack, rows: Indices, chosen: Choice) -> dict[str, Any]:
    ids = cast(list[str], pack.table["id"].take(rows).to_pylist())
    poses = sha256(*(f"{one}\t{pose}" for one, pose in sorted(zip(ids, pack.pose_hashes(rows), strict=True))))
    return {
        "twinsign": __version__,
        "command": "embed",
        "run": str(run.path),
        "run_hash": run.vectors_digest(),
        "kind": run.kind,
        "recipe": run.about.get("config"),
        "recipe_hash": sha256(repr(run.recipe.as_dict())),
        "data": [str(path) for path in pack.paths],
        "pose_hash": poses,
        "split_hash": pack.split_hash(rows),
        "clips": len(rows),
        "view": {"crop": run.recipe.windows.share, "windows": run.recipe.windows.count, "frames": frames_of(run)},
        "branches": list(chosen.branches),
        "parts": list(chosen.parts),
    }
