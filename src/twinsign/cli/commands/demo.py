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

GLOSSES, SIGNERS = 30, 68
"""Of the corpus: 17 of the signers are for testing, 510 clips."""
THOROUGH_DRAWS = 3
LABELS_PER_GLOSS = 3
EXAMPLES = 5
STARTS = {"scratch": "without pre-training", "pretrained": "pre-trained"}
PROTOCOLS = ("linear", "finetune")
FIXED_SECONDS, STEPS = 20.0, 310
"""What the demo takes: seconds that do not depend on the network, and the rest in steps of its pre-training."""


def demo(out: Path = Path("demo"), seed: int = 0, thorough: bool = False, progress: bool = True) -> None:
    """Generate signs, learn from them without labels, recognise with few: the whole job in about two minutes.

    Args:
        out: Folder for the corpus, the runs, report.html and summary.json; the same command resumes.
        seed: Random seed of the corpus, the pre-training and everything after it.
        thorough: Draw the few labels three times instead of once.
        progress: Whether to show progress bars.
    """
    from twinsign.evaluation.significance import compare, report_over_seeds
    from twinsign.train import protocols

    started = time.monotonic()
    draws = THOROUGH_DRAWS if thorough else 1
    recipe = load_recipe("demo")
    recipe = replace(recipe, trainer=replace(recipe.trainer, progress=progress))
    corpus = SyntheticConfig(glosses=GLOSSES, signers=SIGNERS, seed=seed)
    estimate = _estimate_seconds(recipe, draws)
    console.print(f"About {estimate:.0f} seconds on this machine; if interrupted, the same command resumes.")
    file = out / "corpus.pack"
    if not file.is_file():
        write_pack(synthetic_corpus(corpus).samples, file, provenance={"command": "demo", "seed": seed})
    pack = Pack(file)
    train, test = (len(pack.select(split)) for split in ("train", "test"))
    console.print(f"1. {len(pack)} generated clips of {corpus.glosses} signs; {test} test clips, of held-out signers")
    clips = ClipSelection([file], [], LABELS_PER_GLOSS * corpus.glosses / train)
    scored: dict[str, dict[str, list[ClipScores]]] = {}
    console.print(f"2. Trained on {LABELS_PER_GLOSS} labelled clips per sign, {STARTS['scratch']}:")
    scored["scratch"] = _train_and_score(recipe, "scratch", out, clips, range(seed, seed + draws))
    console.print(f"3. Pre-training on {train} clips without labels, then the same {LABELS_PER_GLOSS} labelled clips:")
    protocols.pretrain(recipe, [file], out / "pretrained", config="demo", seed=seed, page=False)
    scored["pretrained"] = _train_and_score(recipe, "pretrained", out, clips, range(seed, seed + draws))
    reports = {start: {name: report_over_seeds(row[name]) for name in row} for start, row in scored.items()}
    paired = {name: compare(scored["pretrained"][name], scored["scratch"][name]) for name in PROTOCOLS}
    _write_examples(pack, out)
    page = _write_page(out, pack, reports, scored["pretrained"]["finetune"][0], draws)
    seconds = round(time.monotonic() - started, 1)
    summary = {**reports, "paired": paired, "seconds": seconds, "labels_per_gloss": LABELS_PER_GLOSS, "seed": seed}
    write_json(out / "summary.json", summary)
    rows = (
        [name, *(with_interval(reports[start][name], "per_instance", "top1") for start in STARTS), _gain(paired[name])]
        for name in PROTOCOLS
    )
    print_table(f"top-1 on {test} test clips, percent [95 %]", ["", *STARTS.values(), "gain, p (paired)"], rows)
    console.print(f"{seconds:.0f} seconds. What to do next:", markup=False)
    for line in (
        f"open {page}",
        f"twinsign predict {out}/*.npz --model {out / 'run'}   # the file names tell the signs",
        f"twinsign serve --model {out / 'run'}   # a page for your own files and camera (twinsign[serve,video])",
        "docs/tutorial.md: from a folder of your own recordings to a recogniser",
    ):
        console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


def _estimate_seconds(recipe: Recipe, draws: int) -> float:
    """Seconds that the demo will take, by a few of its own steps on random poses: less than a second."""
    import torch

    from twinsign.ssl.pretrain import Pretrainer
    from twinsign.train.precision import seconds_of
    from twinsign.views.clips import View

    model = Pretrainer(recipe.encoder, recipe.objective)
    shape = (recipe.pretrain.batch_size, recipe.pretrain.frames, 49)
    view = View(torch.rand(*shape, 2), torch.ones(shape, dtype=torch.bool))
    step = min(seconds_of(lambda: model(view, view).loss.backward(), torch.device("cpu"), 3))
    return FIXED_SECONDS + (0.7 + 0.3 * draws) * STEPS * step


def _gain(paired: dict[str, Any]) -> str:
    """The difference in points, and the p-value of the paired test of top-1."""
    p = paired["mcnemar" if "mcnemar" in paired else "sign_flip"]["p"]
    return f"{paired['difference']['per_instance']['top1']:+.1f}, {'< 0.001' if p < 0.001 else f'{p:.2g}'}"


def _train_and_score(
    recipe: Recipe, start: str, out: Path, clips: ClipSelection, seeds: range
) -> dict[str, list[ClipScores]]:
    """Test scores of each protocol, one per draw of the few labels; the first fine-tuned RUN becomes out/run."""
    from twinsign.evaluation.evaluate import evaluate
    from twinsign.evaluation.significance import report_over_seeds
    from twinsign.train import protocols

    init = "none" if start == "scratch" else str(out / "pretrained")
    scored: dict[str, list[ClipScores]] = {protocol: [] for protocol in PROTOCOLS}
    for protocol in PROTOCOLS:
        for seed in seeds:
            kept = (start, protocol, seed) == ("pretrained", "finetune", seeds[0])
            run = out / "run" if kept else out / "runs" / f"{start}-{protocol}-{seed}"
            train = getattr(protocols, protocol)
            train(recipe, init, clips, run, config="demo", seed=seed, page=False)
            scored[protocol].append(evaluate(run, ClipSelection(clips.data), ["test"]).scored)
        report = report_over_seeds(scored[protocol])
        console.print(f"   {protocol}: {with_interval(report, 'per_instance', 'top1')} % right at the first guess")
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


def _write_page(out: Path, pack: Pack, reports: dict[str, Any], scored: ClipScores, draws: int) -> Path:
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
    many = f"Mean of {draws} draws" if draws > 1 else "One draw"
    caption = f"{many} of {LABELS_PER_GLOSS} labelled clips per sign; one pre-training; held-out signers."
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
