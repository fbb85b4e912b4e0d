"""The main job end to end on generated signs: learn without labels, then recognise with few, and compare.

twinsign demo
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.table import Table

from twinsign.cli.console import console, with_interval
from twinsign.evaluation.evaluate import evaluate
from twinsign.evaluation.metrics import Scored
from twinsign.evaluation.selective import selective_report
from twinsign.evaluation.significance import report_over_seeds
from twinsign.files import write_json
from twinsign.pack.open import Pack
from twinsign.pack.selection import ClipSelection, labelled_rows
from twinsign.pack.write import write_pack
from twinsign.pose.read import write_npz
from twinsign.report.figures import accuracy_bars
from twinsign.report.html import Table as ReportTable
from twinsign.report.html import write_report
from twinsign.report.run_page import classifier_figures, pretraining_figures
from twinsign.runs.calibration import calibration_of
from twinsign.runs.models import NO_PRETRAINING
from twinsign.runs.recipe import Recipe, load_recipe
from twinsign.runs.run import REPORT, load_run
from twinsign.synthetic.corpus import SyntheticConfig, synthetic_corpus
from twinsign.train import protocols

SEEDS = 3
LABELS_PER_GLOSS = 3
EXAMPLES = 5
STARTS = {"scratch": "without pre-training", "pretrained": "pre-trained"}
PROTOCOLS = ("finetune", "linear")


def demo(out: Path = Path("demo"), seed: int = 0, progress: bool = True) -> int:
    """Generate signs, learn from them without labels, recognise with few: the whole job in minutes.

    Args:
        out: Folder for the corpus, the runs, report.html and summary.json; the same command on it goes on.
        seed: Of the corpus, the pre-training and everything after it.
        progress: Whether bars are shown.
    """
    started = time.monotonic()
    recipe = load_recipe("demo")
    recipe = replace(recipe, trainer=replace(recipe.trainer, progress=progress))
    corpus = SyntheticConfig(seed=seed)
    pack = out / "corpus.pack"
    if not pack.is_file():
        console.print("1: generating signs: signers of val and test are seen nowhere else")
        write_pack(synthetic_corpus(corpus).samples, pack, provenance={"command": "demo", "seed": seed})
    opened = Pack(pack)
    train = len(opened.select(["train"]))
    console.print(f"2: pre-training on {train} clips without labels")
    pretrained = out / "pretrained"
    protocols.pretrain(recipe, [pack], pretrained, config="demo", seed=seed, page=False)
    fraction = LABELS_PER_GLOSS * corpus.glosses / train
    found = {
        start: {name: _seeds(recipe, name, start, out, ClipSelection([pack], [], fraction), seed) for name in PROTOCOLS}
        for start in STARTS
    }
    reports = {start: {name: report_over_seeds(runs) for name, runs in row.items()} for start, row in found.items()}
    _write_examples(opened, out)
    _write_page(out, reports, found["pretrained"]["finetune"][0])
    seconds = round(time.monotonic() - started, 1)
    write_json(
        out / "summary.json", {**reports, "seconds": seconds, "labels_per_gloss": LABELS_PER_GLOSS, "seed": seed}
    )
    _show(reports)
    console.print(f"{seconds:.0f} seconds. Look at {out / REPORT}; the recogniser is in {out / 'run'}.")
    return 0


def _seeds(recipe: Recipe, protocol: str, start: str, out: Path, clips: ClipSelection, first: int) -> list[Scored]:
    """Train on `SEEDS` draws of the few labels and score the test split; the first pre-trained one becomes out/run."""
    init = NO_PRETRAINING if start == "scratch" else str(out / "pretrained")
    scored = []
    for seed in range(first, first + SEEDS):
        console.print(f"3: {protocol}, {STARTS[start]}, {LABELS_PER_GLOSS} labelled clips a gloss, seed {seed}")
        kept = (start, protocol, seed) == ("pretrained", "finetune", first)
        run = out / "run" if kept else out / "runs" / f"{start}-{protocol}-{seed}"
        train = getattr(protocols, protocol)
        train(recipe, init, clips, run, config="demo", seed=seed, page=False)
        scored.append(evaluate(run, ClipSelection(clips.data), ["test"]).scored)
    return scored


def _write_examples(pack: Pack, out: Path) -> None:
    """A few test clips as files, each of another sign, for `twinsign predict`; the names tell the signs."""
    rows = pack.select(["test"])
    rows = rows[pack.usable[rows]]
    first = dict(zip(pack.table["gloss"].take(rows[::-1]).to_pylist(), rows[::-1].tolist(), strict=True))
    glosses = sorted(first)
    for number in range(min(EXAMPLES, len(glosses))):
        recording = pack.recording(first[glosses[number * len(glosses) // min(EXAMPLES, len(glosses))]])
        write_npz(recording, out / f"{recording.id}.npz")


def _write_page(out: Path, reports: dict[str, Any], scored: Scored) -> None:
    bars, rows = {}, []
    for name in PROTOCOLS:
        for start, words in STARTS.items():
            report = reports[start][name]
            low, high = report["interval95"]["per_instance.top1"]
            value = report["per_instance"]["top1"]
            bars[f"{name}, {words}"] = (value, low, high)
            seeds = ", ".join(f"{one:.1f}" for one in report["per_instance_top1_by_seed"])
            rows.append([f"{name}, {words}", value, low, high, report["per_class"]["top1"], seeds])
    header = ["Model", "Top-1 %", "95 % from", "to", "Per class %", "By seed"]
    caption = f"Mean of {SEEDS} draws of {LABELS_PER_GLOSS} labelled clips a gloss; one pre-training; signers unseen."
    clips = reports["scratch"]["finetune"]["clips"]
    gain = reports["pretrained"]["finetune"]["per_instance"]["top1"]
    gain -= reports["scratch"]["finetune"]["per_instance"]["top1"]
    lead = f"Pre-training without labels changes fine-tuned top-1 by {gain:+.1f} points on {clips} test clips."
    figures = [("With and without pre-training", caption, accuracy_bars(bars))]
    pack, run = Pack(out / "corpus.pack"), load_run(out / "run")
    figures += pretraining_figures(load_run(out / "pretrained"), pack)
    data, card = labelled_rows(pack, pack.select(["test"]), run.labels), selective_report(scored, calibration_of(run))
    figures += classifier_figures(run, pack, data, scored, card)
    facts = {"Corpus": f"generated; test {clips} clips", "Recipe": "demo", "Recogniser": str(out / "run")}
    tables = [ReportTable("With and without pre-training", header, rows, caption)]
    write_report(out / REPORT, title="twinsign demo", lead=lead, facts=facts, tables=tables, figures=figures)


def _show(reports: dict[str, Any]) -> None:
    table = Table(title=f"top-1 on {reports['scratch']['finetune']['clips']} test clips, percent [95 %], {SEEDS} seeds")
    for name in ("", *STARTS.values()):
        table.add_column(name, justify="right" if name else "left")
    for name in PROTOCOLS:
        table.add_row(name, *(with_interval(reports[start][name], "per_instance", "top1") for start in STARTS))
    console.print(table)
