"""The commands that pack a corpus, and what they say of it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from twinsign.corpora.folder import folder_samples
from twinsign.corpora.generated import synthetic_samples
from twinsign.corpora.landmarks import landmark_samples
from twinsign.corpora.synthetic import SyntheticConfig
from twinsign.files import write_json
from twinsign.pack.write import NothingPackedError, PackReport, write_pack

console = Console()
errors = Console(stderr=True)

LISTED = 10
"""Ids or reasons shown of a longer list; JSON holds all."""
CORPUS = SyntheticConfig()
"""The generated corpus unless told otherwise."""


def pack_landmarks(data: Path, out: Path, json: Path | None = None) -> int:
    """Pack a landmark set: NAME.npz with NAME.csv beside it.

    Args:
        data: NAME.npz.
        out: The pack to write.
        json: Where to write what was packed and what was not.
    """
    return _pack(landmark_samples(data), out, json, {"command": "pack landmarks", "data": str(data)})


def pack_folder(
    poses: Path,
    out: Path,
    annotations: Path | None = None,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    json: Path | None = None,
) -> int:
    """Pack one's own pose files: a folder for each gloss, or a CSV of file, gloss, split, signer.

    Args:
        poses: Folder of pose files: GLOSS/clip or SPLIT/GLOSS/clip, or whatever the CSV names.
        out: The pack to write.
        annotations: CSV with a column `file`, and gloss, split, signer, or more.
        size: Image width and height in pixels, for formats that do not state it.
        fps: Frames a second, for formats that do not state it.
        json: Where to write what was packed and what was not.
    """
    note = {"command": "pack folder", "poses": str(poses), "annotations": str(annotations)}
    return _pack(folder_samples(poses, annotations, size=size, fps=fps), out, json, note)


def pack_synthetic(out: Path, corpus: SyntheticConfig = CORPUS, json: Path | None = None) -> int:
    """Pack generated signs: what the demo learns from.

    Args:
        out: The pack to write.
        corpus: Size and nuisance of the corpus.
        json: Where to write what was packed.
    """
    return _pack(synthetic_samples(corpus), out, json, {"command": "pack synthetic", "corpus": asdict(corpus)})


def _pack(corpus: tuple[int, Any], out: Path, json: Path | None, provenance: dict[str, Any]) -> int:
    count, samples = corpus
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors) as progress:
        bar = progress.add_task("packing", total=count)
        try:
            report = write_pack(samples, out, provenance=provenance, tick=lambda: progress.advance(bar))
        except NothingPackedError as error:
            report = error.report
    _show_packed(report, out)
    if json:
        write_json(json, asdict(report))
    return report.exit_code


def _show_packed(report: PackReport, out: Path) -> None:
    total = sum(report.clips.values())
    if total:
        splits = ", ".join(f"{split} {count}" for split, count in sorted(report.clips.items()))
        console.print(
            f"{out}: {total} clips ({splits}), {report.frames} frames, {report.glosses} glosses", markup=False
        )
        rates = ", ".join(f"{part} {rate:.1f} %" for part, rate in report.missing.items())
        console.print(f"frames without {rates}")
    if report.handless:
        console.print(f"{len(report.handless)} clips show no hand; training leaves them out: {_some(report.handless)}")
    if report.unreadable:
        errors.print(f"{len(report.unreadable)} clips could not be read:")
        for reason in list(report.unreadable.values())[:LISTED]:
            errors.print(f"  {reason}", markup=False)
    if not total:
        errors.print("nothing was written")


def _some(names: list[str]) -> str:
    return ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
