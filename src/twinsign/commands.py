"""What each command does with its options, and what it says of it."""

from __future__ import annotations

import json as json_format
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from twinsign import protocols
from twinsign.corpora.folder import folder_samples
from twinsign.corpora.generated import SyntheticConfig, synthetic_samples
from twinsign.corpora.landmarks import landmark_samples
from twinsign.errors import InputError
from twinsign.files import atomic, write_json
from twinsign.pack.write import NothingPacked, PackReport, write_pack
from twinsign.pose.read import read
from twinsign.recipe import Recipe
from twinsign.recognise.metrics import Scored
from twinsign.recognise.predict import Recogniser
from twinsign.run import REPORT

OK, NOTHING_WRITTEN, SOME_UNREADABLE = 0, 2, 3
LISTED = 10
"""Ids or reasons shown of a longer list; JSON holds all."""
console = Console()
errors = Console(stderr=True)


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


def pack_synthetic(out: Path, corpus: SyntheticConfig = SyntheticConfig(), json: Path | None = None) -> int:
    """Pack generated signs: what the demo learns from.

    Args:
        out: The pack to write.
        corpus: Size and nuisance of the corpus.
        json: Where to write what was packed.
    """
    return _pack(synthetic_samples(corpus), out, json, {"command": "pack synthetic", "corpus": asdict(corpus)})


def pretrain(
    recipe: Recipe, data: list[str], out: Path, where: list[str], keep_out: list[str], config: str, seed: int = 0
) -> int:
    """Learn from poses without labels: every clip outside val and test.

    Args:
        out: The RUN folder; the same command on an unfinished one goes on.
        seed: Of weights, order and augmentation.
    """
    run = protocols.pretrain(recipe, data, out, config=config, seed=seed, where=where, keep_out=keep_out)
    console.print(f"pre-trained on {run.about['clips']} clips in {run.about['minutes']} minutes: {run.path / REPORT}")
    return OK


def finetune(
    recipe: Recipe,
    init: str,
    data: list[str],
    out: Path,
    where: list[str],
    config: str,
    label_fraction: float = 1.0,
    seed: int = 0,
    split: str = "test",
    json: Path | None = None,
) -> int:
    """Train a classifier, encoders and all, from a pre-trained RUN or from scratch.

    Args:
        init: RUN of pretrain, or `none`: from scratch.
        out: The RUN folder; the same command on an unfinished one goes on.
        label_fraction: Share of each gloss's train clips that keep their label.
        seed: Of the share, weights, order and augmentation.
        split: The split that reports into --json.
        json: Where to write the report on that split.
    """
    clips = protocols.Clips(data, where, label_fraction)
    run = protocols.finetune(recipe, init, clips, out, config=config, seed=seed)
    return _after_training(run, clips, split, json)


def linear(
    recipe: Recipe,
    init: str,
    data: list[str],
    out: Path,
    where: list[str],
    config: str,
    label_fraction: float = 1.0,
    seed: int = 0,
    split: str = "test",
    json: Path | None = None,
) -> int:
    """Train a linear layer on frozen encoders of a pre-trained RUN, or of none: the random control.

    Args:
        init: RUN of pretrain, or `none`: a random encoder.
        out: The RUN folder.
        label_fraction: Share of each gloss's train clips that keep their label.
        seed: Of the share, weights, order and augmentation.
        split: The split that reports into --json.
        json: Where to write the report on that split.
    """
    clips = protocols.Clips(data, where, label_fraction)
    run = protocols.linear(recipe, init, clips, out, config=config, seed=seed)
    return _after_training(run, clips, split, json)


def evaluate(
    model: Path,
    data: list[str],
    where: list[str],
    split: str = "test",
    json: Path | None = None,
    scores: Path | None = None,
    report: Path | None = None,
) -> int:
    """Report a classifier's accuracy on a split it was not selected on.

    Args:
        model: RUN of finetune or linear.
        split: One split, several joined by commas, or `all`.
        json: Where to write the report as JSON.
        scores: Where to write every clip's scores (NPZ: ids, glosses, labels, scores).
        report: Where to write the page; report.html in the RUN unless told.
    """
    page = report or Path(model) / REPORT
    found, scored = protocols.evaluate(model, protocols.Clips(data, where), _splits(split), page=page)
    show(found)
    console.print(f"page: {page}")
    if scores:
        _write_scores(scores, scored, found)
    if json:
        write_json(json, found)
    return OK


def knn(
    recipe: Recipe,
    model: str,
    data: list[str],
    where: list[str],
    split: str = "val,test",
    gallery: str = "train",
    k: int = 5,
    label_fraction: float = 1.0,
    seed: int = 0,
    json: Path | None = None,
    scores: Path | None = None,
) -> int:
    """k-NN accuracy of a RUN's encoders: no training, the gallery's clips vote.

    Args:
        model: RUN of any kind, or `none`: a random encoder of --config.
        split: The clips that are asked: splits joined by commas.
        gallery: The split whose clips vote.
        k: How many vote.
        label_fraction: Share of each gloss's gallery clips that vote.
        seed: Of the share and of a random encoder.
        json: Where to write the report as JSON.
        scores: Where to write every clip's scores.
    """
    clips = protocols.Clips(data, where, label_fraction)
    splits = _splits(split) or []
    found, scored = protocols.knn(model, recipe, clips, splits, gallery=gallery, k=k, seed=seed)
    show(found)
    if scores:
        _write_scores(scores, scored, found)
    if json:
        write_json(json, found)
    return OK


def predict(
    files: list[str],
    model: Path,
    top: int = 5,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    json: bool = False,
) -> int:
    """Name the signs in pose files, or say "not sure".

    Args:
        model: RUN of finetune or linear.
        top: How many glosses to list.
        size: Image width and height in pixels, for formats that do not state it.
        fps: Frames a second, for formats that do not state it.
        json: One JSON line a file instead of a table.
    """
    recogniser, unreadable = Recogniser.load(model), 0
    for file in files:
        try:
            found = asdict(recogniser.predict(read(file, size=size, fps=fps), top))
        except InputError as error:
            unreadable += 1
            found = {"error": str(error)}
        if json:
            print(json_format.dumps({"file": file, **found}, ensure_ascii=False))
        elif "error" in found:
            errors.print(found["error"], markup=False)
        else:
            ranked = ", ".join(f"{guess['gloss']} {100 * guess['confidence']:.0f} %" for guess in found["guesses"])
            console.print(f"{file}: {'' if found['sure'] else 'not sure; perhaps '}{ranked}", markup=False)
    return NOTHING_WRITTEN if unreadable == len(files) else SOME_UNREADABLE if unreadable else OK


def show(report: dict[str, Any]) -> None:
    """Print a report's accuracies with their intervals."""
    split = ", ".join(report["split"] or ["all"])
    table = Table(title=f"{split}: {report['clips']} clips of {report['classes']} classes, in percent [95 %]")
    tops = list(report["per_instance"])
    for name in ("", *tops):
        table.add_column(name, justify="right" if name else "left")
    for kind in ("per_instance", "per_class"):
        cells = [f"{report[kind][top]:.1f} {report['interval95'][f'{kind}.{top}']}" for top in tops]
        table.add_row(kind.replace("_", " "), *cells)
    console.print(table)
    if report["selected_on"]:
        errors.print(f"note: the model was selected on {', '.join(report['selected_on'])}: this is no test result")


def _splits(split: str) -> list[str] | None:
    return None if split == "all" else [one.strip() for one in split.split(",") if one.strip()]


def _after_training(run: Any, clips: protocols.Clips, split: str, json: Path | None) -> int:
    console.print(f"trained on {run.about['clips']} clips of {run.about['classes']} glosses: {run.path}")
    if json:
        found, _ = protocols.evaluate(run.path, protocols.Clips(clips.data, clips.where), _splits(split))
        show(found)
        write_json(json, found)
    return OK


def _write_scores(path: Path, scored: Scored, report: dict[str, Any]) -> None:
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            ids=np.asarray(scored.ids),
            glosses=np.asarray(scored.glosses),
            labels=scored.labels,
            scores=scored.scores,
            split_hash=np.asarray(report["split_hash"]),
        )


def _pack(corpus: tuple[int, Any], out: Path, json: Path | None, provenance: dict[str, Any]) -> int:
    count, samples = corpus
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors) as progress:
        bar = progress.add_task("packing", total=count)
        try:
            report = write_pack(samples, out, provenance=provenance, tick=lambda: progress.advance(bar))
        except NothingPacked as error:
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
