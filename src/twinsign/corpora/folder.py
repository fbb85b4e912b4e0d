"""One's own pose files: a folder for each gloss, or a CSV that names file, gloss, split and signer."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import partial
from os import PathLike
from pathlib import Path

from twinsign.corpora.sample import Corpus, Sample
from twinsign.errors import InputError
from twinsign.pose.read import read
from twinsign.pose.recording import Unit

SUFFIXES = (".pose", ".json", ".npz", ".npy", ".pkl", ".parquet")
"""Endings of files that hold one clip; a folder of OpenPose JSON is one clip too."""
OPENPOSE_FRAME = "_keypoints.json"


def folder_corpus(
    poses: str | PathLike[str],
    annotations: str | PathLike[str] | None = None,
    *,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    unit: Unit | None = None,
) -> Corpus:
    """Every clip of a folder; `size` in pixels and `fps` for formats that state neither, `unit` over theirs (ours).

    Without annotations the folder's name is the gloss: poses/GLOSS/clip.pose, or poses/SPLIT/GLOSS/clip.pose.
    """
    root = Path(poses)
    if not root.is_dir():
        raise InputError("no such folder", "a folder of pose files", file=root)
    listed = list(_from_table(root, Path(annotations)) if annotations else _from_folders(root))
    if not listed:
        raise InputError("no pose file", f"files ending in {', '.join(SUFFIXES)}", file=root)
    samples = [
        Sample(name, partial(read, file, size=size, fps=fps, clip_id=name, unit=unit), row, file)
        for name, file, row in listed
    ]
    return Corpus(samples, files=[Path(annotations)] if annotations else [])


def _from_folders(root: Path) -> Iterator[tuple[str, Path, dict[str, str]]]:
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if len(inside.parts) in (2, 3) and _is_clip(path):
            split = inside.parts[0] if len(inside.parts) == 3 else ""
            name = inside.with_suffix("") if path.is_file() else inside
            yield name.as_posix(), path, {"gloss": inside.parts[-2], "split": split}


def _is_clip(path: Path) -> bool:
    if path.is_dir():
        return any(path.glob(f"*{OPENPOSE_FRAME}"))
    return path.suffix.lower() in SUFFIXES and not path.name.endswith(OPENPOSE_FRAME)


def _from_table(root: Path, table: Path) -> Iterator[tuple[str, Path, dict[str, str]]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            rows, columns = list(reader), reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(str(error), "a CSV with columns file and gloss", file=table) from error
    if "file" not in columns:
        raise InputError(
            f"columns {', '.join(columns) or '(none)'}", "a column `file`, and gloss, split, signer", file=table
        )
    for row in rows:
        if None in row or not row["file"]:
            raise InputError(f"row {dict(row)}", f"{len(columns)} fields, with a file", file=table)
        file = (root / row["file"]).resolve()
        if not file.is_relative_to(root.resolve()):
            raise InputError(f"file {row['file']!r} outside the folder", f"files below {root}", file=table)
        name = row.get("id") or Path(row["file"]).with_suffix("").as_posix()
        yield name, file, {key: value or "" for key, value in row.items() if key not in ("id", "file")}
