"""Some of a pack's clips as a pack of their own: the poses' bytes as they are, a record batch at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import ipc

from twinsign.errors import InputError
from twinsign.files import atomic
from twinsign.pack.locate import is_url
from twinsign.pack.open import Pack
from twinsign.pack.schema import MISSING_KEY, PROVENANCE_KEY, ROWS_KEY


def rewrite(
    pack: Pack, kept: NDArray[np.bool_], out: Path, note: Mapping[str, Any], splits: Sequence[str] | None = None
) -> None:
    """Write the kept clips (N), with `note` added to the provenance and, where given, other splits (N).

    Other splits lose the list of clips that the annotation has without poses: it is of the old ones.
    Raises InputError where there are several files, `out` is the pack itself, or no clip is kept.
    """
    source = _one_file(pack, out)
    if not kept.any():
        raise InputError("no clip worth keeping", "at least one", file=source)
    reader = ipc.open_file(pa.memory_map(str(source)))
    about = {PROVENANCE_KEY: json.dumps({**pack.provenance[0], **note}).encode()}
    about |= {} if splits is None else {MISSING_KEY: b"[]"}
    schema = reader.schema.with_metadata({**reader.schema.metadata, **about})
    ends = np.cumsum([reader.get_batch(number).num_rows for number in range(reader.num_record_batches)])
    parts = np.split(np.arange(len(kept)), ends[:-1])
    rows = [int(kept[mine].sum()) for mine in parts if kept[mine].any()]
    place = schema.get_field_index("split")
    with atomic(out) as temporary, ipc.new_file(temporary, schema, metadata={ROWS_KEY: json.dumps(rows)}) as file:
        for number, mine in enumerate(parts):
            if not kept[mine].any():
                continue
            batch = reader.get_batch(number)
            if splits is not None:
                batch = batch.set_column(place, schema.field(place), pa.array([splits[one] for one in mine]))
            batch = batch if kept[mine].all() else batch.filter(pa.array(kept[mine]))
            file.write_batch(batch.replace_schema_metadata(schema.metadata))


def _one_file(pack: Pack, out: Path) -> Path:
    if len(pack.paths) != 1:
        hint = "Do each by itself; --keep_out keeps packs apart in training."
        raise InputError(f"{len(pack.paths)} files", "one pack in one file", hint=hint)
    source = Path(pack.paths[0])
    if is_url(str(pack.paths[0])):
        raise InputError("a pack behind a URL", "a local file", file=pack.paths[0])
    if out.exists() and out.samefile(source):
        raise InputError("the pack itself", "another file to write", file=out)
    if out.exists() and not _made_of(out, source):
        raise InputError(f"something not made of {source}", "a new name", file=out, hint="Remove it first.")
    return source


def _made_of(out: Path, source: Path) -> bool:
    """Whether a file is a pack that was rewritten from this one, and may be so again."""
    try:
        notes = Pack(out).provenance[0]
    except InputError:
        return False
    made = [one.get("of") for one in notes.values() if isinstance(one, dict)]
    return any(Path(str(one)).resolve() == source.resolve() for one in made if one)
