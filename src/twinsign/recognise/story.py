"""The report pages of runs: which tables and pictures a classifier and a pre-training show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from twinsign.nn.encoder import Encoder
from twinsign.pack.open import Pack
from twinsign.recognise.classify import Classifier
from twinsign.recognise.embed import embed, joint_embedding, test_view
from twinsign.recognise.evaluate import head_recipe, in_order
from twinsign.recognise.figures import learning_curves
from twinsign.recognise.health import Monitor
from twinsign.recognise.maps import embedding_map
from twinsign.recognise.metrics import Scored, mistakes
from twinsign.recognise.report import Picture, WrongClip, evaluation_figures, evaluation_tables, write_report
from twinsign.recognise.rows import Labelled
from twinsign.run import REPORT, Run, random_encoders, read_metrics

MOST_MAPPED = 1500
"""Clips on an embedding map."""
WRONG_SHOWN = 6
"""Wrong predictions drawn."""


def classifier_page(
    page: Path, run: Run, classifier: Classifier, pack: Pack, data: Labelled, scored: Scored, report: Mapping[str, Any]
) -> None:
    """Write the page of a classifier on these clips: accuracies, curves, confusions, maps before and after, mistakes."""
    rows = data.rows[:MOST_MAPPED]
    viewer, loader = test_view(head_recipe(run).frames), lambda: in_order(pack, rows, run.recipe)
    before = random_encoders(run.recipe, run.about.get("seed") or 0)
    maps = {
        "random encoder": joint_embedding(embed(before, loader(), viewer)[0]).numpy(),
        "this model": joint_embedding(embed(classifier.encoders, loader(), viewer)[0]).numpy(),
    }
    figures = evaluation_figures(
        scored,
        curves=read_metrics(run.path),
        embeddings=maps,
        embedding_labels=[scored.glosses[label] for label in data.labels[:MOST_MAPPED]],
        wrong=[_wrong(pack, data, one) for one in mistakes(scored, WRONG_SHOWN)],
    )
    split = ", ".join(report["split"] or ["all splits"])
    lead = f"{report['per_instance']['top1']:.1f} % top-1 of {report['clips']} clips ({split})."
    if report["selected_on"]:
        lead += (
            f" Epoch, temperature and threshold were chosen on {', '.join(report['selected_on'])}: not a test result."
        )
    facts = {
        "Run": str(run.path),
        "Protocol": str(report["protocol"]),
        "Recipe": f"{report['recipe'] or 'defaults'} ({report['recipe_hash']})",
        "Start": str(run.about.get("init")),
        "Seed": str(report["seed"]),
        "Data": ", ".join(report["data"]),
        "Split": f"{split} (hash {report['split_hash']})",
        "Clips without a hand": str(len(report["handless_clips"])),
        "Training minutes": str(run.about.get("minutes", "")),
    }
    write_report(
        page,
        title="Sign recognition",
        lead=lead,
        facts=facts,
        tables=evaluation_tables(report, scored),
        figures=figures,
    )


def pretraining_page(run: Run, pack: Pack, monitor: Monitor, start: Mapping[str, Tensor]) -> None:
    """Write the page of a pre-training: curves and the embeddings before and after."""
    curves = read_metrics(run.path)
    figures: list[Picture] = [("Learning curves", "Losses and the health of the embedding.", learning_curves(curves))]
    rows = monitor.query if len(monitor.query) >= 20 else monitor.gallery
    before = nn.ModuleDict({name: Encoder(run.recipe.encoder) for name in run.recipe.objective.branches})
    before.load_state_dict(dict(start))
    maps = {
        "before": monitor.embeddings(before.eval(), rows).numpy(),
        "after": monitor.embeddings(monitor.encoders(), rows).numpy(),
    }
    glosses = [pack.table["gloss"][int(row)].as_py() for row in rows]
    caption = "Clips outside training where the packs have a val split; colours are glosses the training never saw."
    figures.append(("Map of the embeddings", caption, embedding_map(maps, glosses)))
    facts = {name.replace("_", " ").capitalize(): str(value) for name, value in run.about.items()}
    lead = f"Pre-trained without labels on {run.about['clips']} clips."
    write_report(run.path / REPORT, title="Pre-training", lead=lead, facts=facts, tables=[], figures=figures)


def _wrong(pack: Pack, data: Labelled, mistake: Mapping[str, Any]) -> WrongClip:
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
