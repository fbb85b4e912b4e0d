"""The main job end to end on generated signs: learn without labels, then recognise with few, and compare.

twinsign demo
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from twinsign.cli.console import console, print_table, with_interval
from twinsign.cli.options import MYPY
from twinsign.files import write_json
from twinsign.pack.open import Pack
from twinsign.pack.selection import ClipSelection, labelled_rows
from twinsign.pack.write import write_pack
from twinsign.pose.read import write_npz
from twinsign.runs.recipe import Recipe, load_recipe
from twinsign.synthetic.corpus import SyntheticConfig, synthetic_corpus

if MYPY:
    from twinsign.evaluation.metrics import ClipScores

SEEDS = 3
LABELS_PER_GLOSS = 3
EXAMPLES = 5
STARTS = {"scratch": "without pre-training", "pretrained": "pre-trained"}
PROTOCOLS = ("finetune", "linear")


def demo(out: Path = Path("demo"), seed: int = 0, progress: bool = True) -> None:
    """Generate signs, learn from them without labels, recognise with few: the whole job in minutes.

    Args:
        out: Folder for the corpus, the runs, report.html and summary.json; the same command resumes.
        seed: Random seed of the corpus, the pre-training and everything after it.
        progress: Whether to show progress bars.
    """
    from twinsign.evaluation.significance import report_over_seeds
    from twinsign.train import protocols

    started = time.monotonic()
    recipe = load_recipe("demo")
    recipe = replace(recipe, trainer=replace(recipe.trainer, progress=progress))
    corpus = SyntheticConfig(seed=seed)
    file = out / "corpus.pack"
    if not file.is_file():
        console.print("1: generating signs: signers of val and test are held out")
        write_pack(synthetic_corpus(corpus).samples, file, provenance={"command": "demo", "seed": seed})
    pack = Pack(file)
    train = len(pack.select(["train"]))
    console.print(f"2: pre-training on {train} clips without labels")
    protocols.pretrain(recipe, [file], out / "pretrained", config="demo", seed=seed, page=False)
    clips = ClipSelection([file], [], LABELS_PER_GLOSS * corpus.glosses / train)
    scored = {
        start: {protocol: _train_and_score(recipe, protocol, start, out, clips, seed) for protocol in PROTOCOLS}
        for start in STARTS
    }
    reports = {
        start: {protocol: report_over_seeds(draws) for protocol, draws in row.items()} for start, row in scored.items()
    }
    _write_examples(pack, out)
    page = _write_page(out, pack, reports, scored["pretrained"]["finetune"][0])
    seconds = round(time.monotonic() - started, 1)
    write_json(
        out / "summary.json", {**reports, "seconds": seconds, "labels_per_gloss": LABELS_PER_GLOSS, "seed": seed}
    )
    clip_count = reports["scratch"]["finetune"]["clips"]
    rows = (
        [name, *(with_interval(reports[start][name], "per_instance", "top1") for start in STARTS)] for name in PROTOCOLS
    )
    title = f"top-1 on {clip_count} test clips, percent [95 %], {SEEDS} seeds"
    print_table(title, ["", *STARTS.values()], rows)
    console.print(f"{seconds:.0f} seconds. Look at {page}; the recogniser is in {out / 'run'}.")


def _train_and_score(
    recipe: Recipe, protocol: str, start: str, out: Path, clips: ClipSelection, first: int
) -> list[ClipScores]:
    """Test scores of `SEEDS` draws of the few labels; the first pre-trained and fine-tuned RUN becomes out/run."""
    from twinsign.evaluation.evaluate import evaluate
    from twinsign.train import protocols

    init = "none" if start == "scratch" else str(out / "pretrained")
    scored = []
    for seed in range(first, first + SEEDS):
        console.print(f"3: {protocol}, {STARTS[start]}, {LABELS_PER_GLOSS} labelled clips per gloss, seed {seed}")
        kept = (start, protocol, seed) == ("pretrained", "finetune", first)
        run = out / "run" if kept else out / "runs" / f"{start}-{protocol}-{seed}"
        train = getattr(protocols, protocol)
        train(recipe, init, clips, run, config="demo", seed=seed, page=False)
        scored.append(evaluate(run, ClipSelection(clips.data), ["test"]).scored)
    return scored


def _write_examples(pack: Pack, out: Path) -> None:
    """Write a few test clips as files, each of another sign, for `twinsign predict`; the names tell the signs."""
    rows = pack.select(["test"])
    rows = rows[pack.usable[rows]]
    first = dict(zip(pack.table["gloss"].take(rows[::-1]).to_pylist(), rows[::-1].tolist(), strict=True))
    glosses = sorted(first)
    for number in range(min(EXAMPLES, len(glosses))):
        recording = pack.recording(first[glosses[number * len(glosses) // min(EXAMPLES, len(glosses))]])
        write_npz(recording, out / f"{recording.id}.npz")


def _write_page(out: Path, pack: Pack, reports: dict[str, Any], scored: ClipScores) -> Path:
    """Write report.html: accuracies with and without pre-training, and the figures of both RUNs."""
    from twinsign.evaluation.selective import selective_report
    from twinsign.report.figures import accuracy_bars
    from twinsign.report.html import Table, write_report
    from twinsign.report.run_page import classifier_figures, pretraining_figures
    from twinsign.runs.calibration import calibration_of
    from twinsign.runs.run import REPORT, load_run

    bars, rows = {}, []
    for name in PROTOCOLS:
        for start, words in STARTS.items():
            report = reports[start][name]
            low, high = report["interval95"]["per_instance.top1"]
            value = report["per_instance"]["top1"]
            bars[f"{name}, {words}"] = (value, low, high)
            seeds = ", ".join(f"{accuracy:.1f}" for accuracy in report["per_instance_top1_by_seed"])
            rows.append([f"{name}, {words}", value, low, high, report["per_class"]["top1"], seeds])
    header = ["Model", "Top-1 %", "95 % from", "to", "Per class %", "By seed"]
    caption = f"Mean of {SEEDS} draws of {LABELS_PER_GLOSS} labelled clips a gloss; one pre-training; signers unseen."
    clips = reports["scratch"]["finetune"]["clips"]
    scratch, pretrained = (reports[start]["finetune"]["per_instance"]["top1"] for start in STARTS)
    lead = f"Pre-training without labels changes fine-tuned top-1 by {pretrained - scratch:+.1f} points"
    figures = [("With and without pre-training", caption, accuracy_bars(bars))]
    run = load_run(out / "run")
    figures += pretraining_figures(load_run(out / "pretrained"), pack)
    data, card = labelled_rows(pack, pack.select(["test"]), run.labels), selective_report(scored, calibration_of(run))
    figures += classifier_figures(run, pack, data, scored, card)
    facts = {"Corpus": f"generated; test {clips} clips", "Recipe": "demo", "Recogniser": str(out / "run")}
    tables = [Table("With and without pre-training", header, rows, caption)]
    page = out / REPORT
    lead = f"{lead} on {clips} test clips."
    write_report(page, title="twinsign demo", lead=lead, facts=facts, tables=tables, figures=figures)
    return page
