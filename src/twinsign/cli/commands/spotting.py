"""The commands that fit what finds signs in long recordings, and measure how well signs are found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twinsign.cli.console import (
    console,
    parse_numbers,
    parse_splits,
    print_note,
    print_table,
    progress_bar,
    save_report,
)
from twinsign.cli.options import OptionalWords, Words
from twinsign.errors import InputError
from twinsign.pose.trim import FPS


def segmenter(
    data: Words,
    where: OptionalWords,
    model: Path | None = None,
    out: Path | None = None,
    split: str = "train",
    steps: int = 400,
    seed: int = 0,
) -> None:
    """Fit what finds signs in long recordings, on a pack's isolated clips joined at random; minutes on one core.

    Args:
        model: RUN to write it into, whose `annotate` then uses it.
        out: File to write it to instead.
        steps: Number of steps.
    """
    from twinsign.annotation.fit import FitConfig, fit_segmenter, load_signs
    from twinsign.annotation.segmenter import SEGMENTER, save_segmenter
    from twinsign.pack.open import Pack
    from twinsign.runs.run import load_run

    if (model is None) == (out is None):
        raise InputError("both --model and --out" if model else "neither --model nor --out", "one of them")
    run = None if model is None else load_run(model)
    if run and run.shipped:
        raise InputError(f"the shipped model {run.reference}", "--out FILE, or a RUN of yours")
    target = out or (run.path if run else Path()) / SEGMENTER
    pack = Pack(data)
    rows = pack.select(parse_splits(split), where)
    with progress_bar("reading", len(rows)) as update:
        signs = load_signs(pack, rows, lambda clips: update(advance=clips))
    with progress_bar("fitting", steps) as update:
        config = FitConfig(steps=steps, seed=seed)
        network = fit_segmenter(signs, config, lambda loss: update(advance=1, note=f"loss {loss:.3f}"))
    save_segmenter(network, target)
    console.print(f"{target}: fitted on {sum(map(len, signs.values()))} clips of {len(signs)} signers")


def spotting(
    data: OptionalWords,
    where: OptionalWords,
    fps: OptionalWords,
    truth: OptionalWords,
    tier: OptionalWords,
    model: Path | None = None,
    dictionary: Path | None = None,
    segmenter: Path | None = None,
    found: Path | None = None,
    split: str = "test",
    seed: int = 0,
    json: Path | None = None,
) -> None:
    """Report how well `annotate` finds and names signs, in joined clips or beside people's annotations.

    Args:
        data: Packs whose clips are joined; with --model.
        fps: Frame rates of the recordings, one drawn for each. Default: 15 25 30 50.
        truth: ELAN files of people's annotations, instead of --data; with --tier and --found.
        tier: Tiers of those files whose values are glosses; * stands for anything.
        model: RUN of finetune or linear.
        dictionary: Dictionary whose enrolled signs name the segments, instead of the model's own.
        segmenter: File that `twinsign segmenter` wrote. Default: the RUN's own; without one the live segmenter's rules.
        found: Folder that `annotate` wrote for the recordings of those names.
    """
    if bool(data) == bool(truth) or (data and model is None) or (truth and not (tier and found)):
        raise InputError("other options", "--data and --model, or --truth, --tier and --found")
    if found is not None:
        reports = {"annotated recordings": {"annotate": _compare(truth, tier, found, fps)}}
    else:
        reports = _measure(model or Path(), data, where, fps, dictionary, segmenter, split, seed)
    for condition, by_method in reports.items():
        _print_spotting(condition, by_method)
    if data:
        print_note("clips joined by machine: coarticulation, how a sign changes beside others, is not in this data")
    save_report({"split": split, "data": data, "truth": truth, "seed": seed, "reports": reports}, json)


def _compare(truth: list[str], tier: list[str], found: Path, fps: list[str]) -> dict[str, Any]:
    """The report on annotated recordings."""
    from twinsign.annotation.benchmark import compare
    from twinsign.annotation.found import read_rows
    from twinsign.annotation.jobs import ROWS
    from twinsign.annotation.spans import Span
    from twinsign.datasets.elan import read_elan
    from twinsign.datasets.tables import annotation_files

    marks = {file.stem: read_elan(file, tier) for file in annotation_files(truth, "*.eaf")}
    for problem in [problem for tiers in marks.values() for problem in tiers.problems]:
        print_note(problem)
    spans = {
        name: [Span(mark.begin / 1000, mark.end / 1000, mark.value) for mark in tiers.marks]
        for name, tiers in marks.items()
    }
    rates = parse_numbers(fps, "fps") or [FPS]
    return compare(spans, {name: read_rows(found / f"{name}{ROWS}") for name in spans}, rates[0])


def _measure(
    model: Path,
    data: list[str],
    where: list[str],
    fps: list[str],
    dictionary: Path | None,
    segmenter: Path | None,
    split: str,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """The reports on joined clips, by condition and method."""
    from twinsign.annotation.baselines import BASELINES
    from twinsign.annotation.benchmark import CONDITIONS, measure
    from twinsign.annotation.fit import load_signs
    from twinsign.annotation.naming import Namer, NamingConfig
    from twinsign.annotation.segmenter import segmenter_of
    from twinsign.pack.open import Pack

    pack = Pack(data)
    rows = pack.select(parse_splits(split), where)
    namer = Namer(NamingConfig(model, dictionary))
    network = segmenter_of(segmenter, model)
    with progress_bar("joining", len(rows)) as update:
        signs = load_signs(pack, rows, lambda clips: update(advance=clips))
    rates = parse_numbers(fps, "fps")
    with progress_bar("measuring", (1 + len(BASELINES)) * (len(CONDITIONS) + 1)) as update:
        return measure(signs, namer, network, seed, rates, lambda name: update(advance=1, note=name))


def _print_spotting(condition: str, by_method: dict[str, Any]) -> None:
    head = ["", "F1@0.25", "F1@0.5", "F1@0.75", "found/true", "off"]
    rows = []
    for method, report in by_method.items():
        scores = [f"{report['by_overlap'][name]['f1']:.1f}" for name in ("0.25", "0.5", "0.75")]
        off = report["boundary_error_frames"]
        edges = "–" if off["begin"] is None else f"{off['begin']:.1f}, {off['end']:.1f}"
        rows.append([method, *scores, f"{report['found_segments']}/{report['true_segments']}", edges])
    print_table(f"{condition}; F1 in percent, begin and end off in frames", head, rows)
    report = by_method["annotate"]
    right = "–" if report["sure_right"] is None else f"{report['sure_right']:.1f} %"
    sure = f"{report['sure_segments']} sure, {right} of them right; first guess right in {report['named_right']:.1f} %"
    console.print(f"  named by annotate: {sure} of the matched segments;")
    errors_and_map = (
        f"gloss error rate {report['gloss_error_rate']:.1f} %, mAP {report['mean_average_precision']:.1f} %"
    )
    console.print(f"  {errors_and_map}")
