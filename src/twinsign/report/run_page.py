"""The report pages of runs: which tables and pictures a classifier and a pre-training show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from twinsign.distributed import fastest_device, rank_info
from twinsign.evaluation.caveats import describe_source, selection_warnings
from twinsign.evaluation.evaluate import full_report
from twinsign.evaluation.metrics import TOPS, ClipScores, confusion_counts, per_class_table, surest_mistakes
from twinsign.evaluation.scoring import score
from twinsign.evaluation.selective import describe_unknown
from twinsign.files import write_json
from twinsign.nn.features import embed, joint_embedding
from twinsign.pack.open import Indices, Pack
from twinsign.pack.selection import EvaluationScope, LabelledRows
from twinsign.report import figures
from twinsign.report.html import Cell, Picture, Table, write_pictures, write_report
from twinsign.report.skeletons import skeleton_strip
from twinsign.report.tsne import embedding_map
from twinsign.runs.calibration import calibration_of, threshold_in_words
from twinsign.runs.models import evaluation_loader, load_classifier, load_encoders, random_encoders, viewer_of
from twinsign.runs.run import REPORT, VAL, Run, read_metrics

MOST_MAPPED = 1500
"""Clips on an embedding map."""
WRONG_SHOWN = 6
"""Wrong predictions drawn."""


def write_val_report(run: Run, pack: Pack, val: LabelledRows, scored: ClipScores, page: bool) -> None:
    """Write a classifier's val.json and, if `page`, its page."""
    report = full_report(scored, run, pack, val, EvaluationScope(["val"], run.about["where"]))
    write_json(run.path / VAL, report)
    if page:
        write_classifier_page(run.path / REPORT, run, pack, val, scored, report)


def complete_report(run: Run, pack: Pack, val: LabelledRows | None, page: bool) -> Run:
    """Write what is missing of a finished classifier's val.json and page, as after a kill; returns the run."""
    wanted = [VAL, REPORT] if page else [VAL]
    if val is not None and rank_info().first and not all((run.path / name).is_file() for name in wanted):
        classifier = load_classifier(run).to(fastest_device())
        write_val_report(run, pack, val, score(run, classifier, pack, val), page)
    return run


def write_classifier_page(
    page: Path,
    run: Run,
    pack: Pack,
    data: LabelledRows,
    scored: ClipScores,
    report: Mapping[str, Any],
    pictures: Path | None = None,
) -> None:
    """Write a classifier's page on these clips: accuracies, curves, confusions, maps before and after, mistakes.

    The pictures are also written into the folder `pictures`, if given.
    """
    split = ", ".join(report["split"] or ["all splits"])
    lead = f"{report['per_instance']['top1']:.1f} % top-1 of {report['clips']} clips ({split})."
    lead += " Clips of signs that it does not know are counted apart." if "unknown" in report else ""
    lead += "".join(f" {sentence[0].upper()}{sentence[1:]}." for sentence in selection_warnings(report))
    tables, drawn = evaluation_tables(report, scored), classifier_figures(run, pack, data, scored, report)
    facts = _classifier_facts(run, report, split)
    write_report(page, title="Sign recognition", lead=lead, facts=facts, tables=tables, figures=drawn)
    if pictures is not None:
        write_pictures(pictures, page.stem, drawn)


def _classifier_facts(run: Run, report: Mapping[str, Any], split: str) -> dict[str, str]:
    fitted, signers = calibration_of(run), "not known"
    if report["signers"] is not None:
        shared, independent = report["signers"]["shared"], report["signers"]["independent"]
        learnt_from = {True: "none of them", False: f"{shared} of them", None: "none that is named"}[independent]
        signers = f"{report['signers']['evaluated']}; {learnt_from} in the training clips"
    error, calibrated = f"{report['ece']:.2f} %", report["ece_calibrated"]
    if calibrated is not None:
        error += f"; {calibrated:.2f} % at the run's temperature"
    coverage, overlap = report["coverage"], report["overlap"]
    listed = "not known how many are listed" if coverage["listed"] is None else f"of {coverage['listed']} listed"
    classes = f"{coverage['classes']} of the model's {coverage['model_classes']} classes"
    facts = {
        "Run": str(run.path),
        "Protocol": str(report["protocol"]),
        "Recipe": f"{report['recipe'] or 'defaults'} ({report['recipe_hash']})",
        "Start": str(run.about.get("init")),
        "Seed": str(report["seed"]),
        "Data": ", ".join(report["data"]),
        "Split": f"{split} (hash {report['split_hash']})",
        "Poses": describe_source(report["source"]),
        "Signers": signers,
        "Calibration error": f"{error}; correct confidences would show "
        f"{report['ece_by_chance']['mean']:.2f} % by chance",
        "Sure answers": threshold_in_words(fitted) if fitted else None,
        "Coverage": f"{coverage['clips']} clips, {listed}; {classes}",
        "Clips also in training": "unknown" if overlap is None else str(len(overlap)),
        "Signs that it does not know": describe_unknown(report["unknown"]) if "unknown" in report else None,
        "Clips without a hand": str(len(report["handless_clips"])),
        "Training minutes": str(run.about.get("minutes", "")),
    }
    return {name: value for name, value in facts.items() if value is not None}


def evaluation_tables(report: Mapping[str, Any], scored: ClipScores) -> list[Table]:
    """The accuracies of an `accuracy_report` with their 95 % intervals, and the per-class table."""
    accuracies: list[list[Cell]] = [
        [f"Top-{top} {name}", report[kind][f"top{top}"], *report["interval95"][f"{kind}.top{top}"]]
        for kind, name in (("per_instance", "per instance"), ("per_class", "per class"))
        for top in TOPS
    ]
    caption = (
        f"{report['clips']:,} clips of {report['classes']:,} classes, chosen among {report['label_count']:,}. "
        "Per class: mean over the classes present. Ties count against the model. "
        f"Expected calibration error: {report['ece']:.2f} %."
    )
    classes: list[list[Cell]] = [
        [row["gloss"], row["clips"], row["top1"], row["top5"], row["wrong_guess"], row["wrong_clips"] or None]
        for row in per_class_table(scored)
    ]
    return [
        Table("Accuracy", ["Measure", "%", "95 % from", "to"], accuracies, caption),
        Table("Classes", ["Gloss", "Clips", "Top-1 %", "Top-5 %", "Most often taken for", "Times"], classes),
    ]


def classifier_figures(
    run: Run, pack: Pack, data: LabelledRows, scored: ClipScores, report: Mapping[str, Any]
) -> list[Picture]:
    """The pictures of a classifier on these clips; `report`: their full report, or `selective_report` alone."""
    caption = (
        f"Accuracy among the surest clips. Area under the risk-coverage curve (less is better): {report['aurc']:.2f} %."
    )
    pictures = [("Answering when sure", caption, figures.coverage_curve(report["selective"], report["answered"]))]
    if curves := _curves(run):
        pictures.append(("Learning curves", "What was logged in training.", figures.learning_curves(curves)))
    pictures += evaluation_figures(scored)
    maps = _before_and_after(run, pack, data.rows[:MOST_MAPPED], ("untrained encoder", "this model"))
    glosses = [scored.glosses[label] for label in data.labels[:MOST_MAPPED]]
    caption = "Nearness on a t-SNE map means similar embeddings; distances between far groups mean little."
    pictures.append(("Map of the embeddings", caption, embedding_map(maps, glosses)))
    for mistake in surest_mistakes(scored, WRONG_SHOWN):
        confidence = f"confidence {100 * mistake['confidence']:.0f} %"
        caption = f"Clip {mistake['id']}, {confidence}. Orange: right hand; blue: left; grey: trunk."
        recording = pack.recording(int(data.rows[mistake["row"]]))
        shown = np.flatnonzero(recording.seen.any(axis=1))
        frames = slice(shown[0], shown[-1] + 1) if len(shown) else slice(None)
        strip = skeleton_strip(recording.xy[frames], recording.seen[frames], recording.size)
        pictures.append((f"Wrong: {mistake['truth']} taken for {mistake['guess']}", caption, strip))
    return pictures


def evaluation_figures(scored: ClipScores) -> list[Picture]:
    """The pictures of scores alone: confusions, hardest classes, accuracy by number of clips."""
    table, classes = per_class_table(scored), len(scored.glosses)
    confusions = "Rows are the truth, columns the guess; a row is in percent of that class's clips."
    if classes > figures.MOST_CLASSES:
        shown = len(figures.confused_classes(confusion_counts(scored)))
        confusions += f" Shown: {shown} of {classes:,} classes, those of the most frequent confusions."
    hardest = "Ordered by the upper end of Wilson's 95 % interval, lowest first."
    dots = "Dots are classes, larger the more share a spot; the line is the mean over classes of equally many clips."
    return [
        ("Confusions", confusions, figures.confusion_matrix(scored)),
        ("Hardest classes", hardest, figures.hardest_classes(table)),
        ("Accuracy by number of clips", dots, figures.accuracy_by_clips(table)),
    ]


def write_pretraining_page(run: Run, pack: Pack) -> None:
    """Write the page of a pre-training: curves and the embeddings before and after."""
    about = run.about
    facts = {
        "Run": str(run.path),
        "Recipe": str(about.get("config") or "of its own"),
        "Start": str(about["init"]) if "init" in about else None,
        "Seed": str(about.get("seed")),
        "Data": ", ".join(about.get("data", [])),
        "Rows": ", ".join(about.get("where", [])) or None,
        "Clips": f"{about['clips']:,} (hash {about.get('rows_hash')})",
        "Training minutes": str(about.get("minutes", "")),
    }
    facts_there = {name: value for name, value in facts.items() if value is not None}
    lead = f"Pre-trained without labels on {about['clips']:,} clips."
    drawn = pretraining_figures(run, pack)
    write_report(run.path / REPORT, title="Pre-training", lead=lead, facts=facts_there, tables=[], figures=drawn)


def pretraining_figures(run: Run, pack: Pack) -> list[Picture]:
    """Learning curves, and maps of val (without a val split: of train) before and after pre-training."""
    val = pack.splits == "val"
    rows = np.flatnonzero((val if val.any() else ~val) & pack.usable)[:MOST_MAPPED]
    maps = _before_and_after(run, pack, rows, ("before pre-training", "after"))
    clips = "val, which it never saw" if val.any() else "its own training"
    caption = f"Clips of {clips}; the colours are glosses, which pre-training does not know."
    map_figure = embedding_map(maps, pack.table["gloss"].take(rows).to_pylist())
    return [
        ("Pre-training", "Losses and the health of the embedding.", figures.learning_curves(_curves(run))),
        ("Map of the embeddings", caption, map_figure),
    ]


def _curves(run: Run) -> list[dict[str, Any]]:
    rows = read_metrics(run.path)
    return [
        {name: value for name, value in row.items() if name not in ("minutes", "resumed_from_step")} for row in rows
    ]


def _before_and_after(run: Run, pack: Pack, rows: Indices, names: tuple[str, str]) -> dict[str, NDArray[np.float32]]:
    """Embeddings (N D) of these rows by untrained encoders and by the run's own, under these two names."""
    after = load_encoders(run)
    untrained = random_encoders(run.recipe, run.about.get("seed") or 0)
    before = nn.ModuleDict({name: untrained[name] for name in after})
    viewer = viewer_of(run)
    return {
        name: joint_embedding(embed(encoders, evaluation_loader(pack, rows, run.recipe), viewer)[0]).numpy()
        for name, encoders in zip(names, (before, after), strict=True)
    }
