"""The report pages of runs: which tables and pictures a classifier and a pre-training show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from twinsign.distributed import fastest_device, rank_info
from twinsign.evaluation.coverage import chosen_in_words, source_in_words
from twinsign.evaluation.evaluate import full_report
from twinsign.evaluation.metrics import Scored, mistakes
from twinsign.evaluation.scoring import score
from twinsign.evaluation.selective import unknown_in_words
from twinsign.files import write_json
from twinsign.nn.features import embed, joint_embedding
from twinsign.pack.open import Indices, Pack
from twinsign.pack.selection import EvaluationScope, LabelledRows
from twinsign.report.figures import coverage_curve, learning_curves
from twinsign.report.html import Picture, WrongClip, evaluation_figures, evaluation_tables, write_pictures, write_report
from twinsign.report.tsne import embedding_map
from twinsign.runs.calibration import calibration_of, threshold_in_words
from twinsign.runs.models import evaluation_loader, load_classifier, load_encoders, random_encoders, viewer_of
from twinsign.runs.run import REPORT, VAL, Run, read_metrics

MOST_MAPPED = 1500
"""Clips on an embedding map."""
WRONG_SHOWN = 6
"""Wrong predictions drawn."""


def report_on_val(run: Run, pack: Pack, val: LabelledRows, scored: Scored, page: bool) -> None:
    """Write a classifier's val.json and, if asked, its page."""
    report = full_report(scored, run, pack, val, EvaluationScope(["val"], run.about["where"]))
    write_json(run.path / VAL, report)
    if page:
        classifier_page(run.path / REPORT, run, pack, val, scored, report)


def complete_report(run: Run, pack: Pack, val: LabelledRows | None, page: bool) -> Run:
    """A finished classifier, with the report and the page that a process killed at its end did not write."""
    wanted = [VAL, REPORT] if page else [VAL]
    if val is not None and rank_info().first and not all((run.path / name).is_file() for name in wanted):
        classifier = load_classifier(run).to(fastest_device())
        report_on_val(run, pack, val, score(run, classifier, pack, val), page)
    return run


def classifier_page(
    page: Path,
    run: Run,
    pack: Pack,
    data: LabelledRows,
    scored: Scored,
    report: Mapping[str, Any],
    pictures: Path | None = None,
) -> None:
    """Write a classifier's page on these clips: accuracies, curves, confusions, maps before and after, mistakes.

    The pictures are also written into the folder `pictures`, if any.
    """
    split, fitted = ", ".join(report["split"] or ["all splits"]), calibration_of(run)
    lead = f"{report['per_instance']['top1']:.1f} % top-1 of {report['clips']} clips ({split})."
    lead += " Clips of signs that it does not know are counted apart." if "unknown" in report else ""
    lead += "".join(f" {one[0].upper()}{one[1:]}." for one in chosen_in_words(report))
    facts = {
        "Run": str(run.path),
        "Protocol": str(report["protocol"]),
        "Recipe": f"{report['recipe'] or 'defaults'} ({report['recipe_hash']})",
        "Start": str(run.about.get("init")),
        "Seed": str(report["seed"]),
        "Data": ", ".join(report["data"]),
        "Split": f"{split} (hash {report['split_hash']})",
        "Poses": source_in_words(report["source"]),
        "Signers": _signers(report["signers"]),
        "Confidence's calibration error": _calibration_error(report),
        **({"Sure answers": threshold_in_words(fitted)} if fitted else {}),
        **_trust(report),
        **({"Signs that it does not know": unknown_in_words(report["unknown"])} if "unknown" in report else {}),
        "Clips without a hand": str(len(report["handless_clips"])),
        "Training minutes": str(run.about.get("minutes", "")),
    }
    tables, figures = evaluation_tables(report, scored), classifier_figures(run, pack, data, scored, report)
    write_report(page, title="Sign recognition", lead=lead, facts=facts, tables=tables, figures=figures)
    if pictures is not None:
        write_pictures(pictures, page.stem, figures)


def _signers(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "not known"
    independent = {True: "none of them", False: f"{found['shared']} of them", None: "none that is named"}
    return f"{found['evaluated']}; {independent[found['independent']]} in the training clips"


def _calibration_error(report: Mapping[str, Any]) -> str:
    after = report["ece_calibrated"]
    chance = f"; right confidences would show {report['ece_by_chance']['mean']:.2f} % on so many clips"
    return f"{report['ece']:.2f} %" + ("" if after is None else f"; {after:.2f} % at the run's temperature") + chance


def _trust(report: Mapping[str, Any]) -> dict[str, str]:
    """How much of the split is there, and how many of its clips the model has learnt from."""
    found, shared = report["coverage"], report["overlap"]
    listed = "not known how many are listed" if found["listed"] is None else f"of {found['listed']} listed"
    classes = f"{found['classes']} of the model's {found['model_classes']} classes"
    return {
        "Coverage": f"{found['clips']} clips, {listed}; {classes}",
        "Clips learnt from": "unknown" if shared is None else str(len(shared)),
    }


def classifier_figures(
    run: Run, pack: Pack, data: LabelledRows, scored: Scored, card: Mapping[str, Any]
) -> list[Picture]:
    """The pictures of a classifier on these clips, whose report, or `selective_report` alone, is `card`."""
    maps = _before_and_after(run, pack, data.rows[:MOST_MAPPED], ("untrained encoder", "this model"))
    sure = coverage_curve(card["selective"], card["answered"])
    caption = (
        f"Accuracy among the surest clips. Area under the risk-coverage curve (less is better): {card['aurc']:.2f} %."
    )
    pictures = evaluation_figures(
        scored,
        curves=_curves(run),
        embeddings=maps,
        embedding_labels=[scored.glosses[label] for label in data.labels[:MOST_MAPPED]],
        wrong=[_wrong(pack, data, one) for one in mistakes(scored, WRONG_SHOWN)],
    )
    return [("Answering when sure", caption, sure), *pictures]


def pretraining_page(run: Run, pack: Pack) -> None:
    """Write the page of a pre-training: curves and the embeddings before and after."""
    facts = {name.replace("_", " ").capitalize(): str(value) for name, value in run.about.items()}
    lead = f"Pre-trained without labels on {run.about['clips']} clips."
    figures = pretraining_figures(run, pack)
    write_report(run.path / REPORT, title="Pre-training", lead=lead, facts=facts, tables=[], figures=figures)


def pretraining_figures(run: Run, pack: Pack) -> list[Picture]:
    """Learning curves, and the maps of val (of train, where there is no val) before and after pre-training."""
    caption = "Losses and the health of the embedding."
    figures: list[Picture] = [("Pre-training", caption, learning_curves(_curves(run)))]
    held = np.asarray([split == "val" for split in pack.column("split")])
    rows = np.flatnonzero((held if held.any() else ~held) & pack.usable)[:MOST_MAPPED]
    maps = _before_and_after(run, pack, rows, ("before pre-training", "after"))
    glosses = [pack.table["gloss"][int(row)].as_py() for row in rows]
    seen = "val, which it never saw" if held.any() else "its own training"
    caption = f"Clips of {seen}; the colours are glosses, which pre-training does not know."
    figures.append(("Map of the embeddings", caption, embedding_map(maps, glosses)))
    return figures


def _curves(run: Run) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "minutes"} for row in read_metrics(run.path)]


def _before_and_after(run: Run, pack: Pack, rows: Indices, names: tuple[str, str]) -> dict[str, NDArray[np.float32]]:
    """Embeddings (N D) of these rows by untrained encoders of the run's branches and by its own, under these names."""
    after = load_encoders(run)
    untrained = random_encoders(run.recipe, run.about.get("seed") or 0)
    before = nn.ModuleDict({name: untrained[name] for name in after})
    viewer = viewer_of(run)
    return {
        name: joint_embedding(embed(encoders, evaluation_loader(pack, rows, run.recipe), viewer)[0]).numpy()
        for name, encoders in zip(names, (before, after), strict=True)
    }


def _wrong(pack: Pack, data: LabelledRows, mistake: Mapping[str, Any]) -> WrongClip:
    recording = pack.recording(int(data.rows[mistake["row"]]))
    active = np.flatnonzero(recording.seen.any(axis=1))
    inside = slice(int(active[0]), int(active[-1]) + 1) if len(active) else slice(None)
    return WrongClip(
        mistake["id"],
        mistake["truth"],
        mistake["guess"],
        mistake["confidence"],
        recording.xy[inside],
        recording.seen[inside],
        recording.size,
    )
