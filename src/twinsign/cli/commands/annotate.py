"""The commands for long recordings: annotate them, fit what finds signs in them, measure how well it does."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from twinsign.cli.answers import expand_files
from twinsign.cli.console import (
    NOTHING_WRITTEN,
    OK,
    SOME_UNREADABLE,
    console,
    errors,
    parse_numbers,
    parse_splits,
    print_note,
    print_table,
    progress_bar,
    save_report,
)
from twinsign.cli.options import MYPY, FieldsOf, Flag, InputFormat, OptionalWords, Positionals, Words
from twinsign.errors import InputError

if MYPY:
    from twinsign.annotation.jobs import AnnotateConfig, Outcome

USUAL_FPS = 25.0
"""Frames a second in which errors of boundaries are given, where nothing is said."""
LISTED = 5
"""Places of each wanted sign that are printed; the file has all."""


def annotate(
    files: Positionals,
    find: OptionalWords,
    formats: OptionalWords,
    no_page: Flag,
    format: FieldsOf[InputFormat],
    out: Path,
    model: Path | None = None,
    dictionary: Path | None = None,
    segmenter: Path | None = None,
    media: Path | None = None,
    top: int = 5,
    workers: int = 1,
    threads: int = 1,
) -> int:
    """Find and name the signs in long recordings, as files for ELAN, subtitles and tables; the same command resumes.

    Args:
        find: Glosses, or pose files or videos of one sign, whose places to list, best first, in OUT/found.csv.
        formats: Files to write beside the JSON lines: eaf, vtt, srt, csv. Default: all.
        no_page: Write no page that plays the recording.
        out: Folder for the files: NAME.eaf and so on.
        model: RUN of finetune or linear; of any kind with --dictionary.
        dictionary: Dictionary whose enrolled signs name the segments, instead of the model's own.
        segmenter: File that `twinsign segmenter` wrote. Default: the RUN's own; without one the live segmenter's rules.
        media: Folder with the videos of the pose files. Default: beside each pose file.
        top: Number of glosses to list for each segment.
        workers: Number of processes, for several files.
    """
    from twinsign.annotation.jobs import LEDGER, plan_jobs, run_jobs
    from twinsign.inference.recogniser import use_threads

    use_threads(threads)
    jobs = plan_jobs(expand_files(files))
    config, wanted = _config(find, formats, no_page, format, model, dictionary, segmenter, media, top)
    started = time.monotonic()
    with progress_bar("annotating", len(jobs)) as update:
        outcome = run_jobs(jobs, out, config, workers, lambda done, note: update(advance=done, note=note))
    _print_outcome(outcome, out, time.monotonic() - started)
    rows = [*outcome.done, *outcome.before]
    if wanted and rows:
        _print_found(rows, out, wanted)
    if rows:
        console.print(f"{out / LEDGER} says what each was made of")
    return OK if not outcome.unreadable else SOME_UNREADABLE if rows else NOTHING_WRITTEN


def _config(
    find: list[str],
    formats: list[str],
    no_page: bool,
    format: InputFormat,
    model: Path | None,
    dictionary: Path | None,
    segmenter: Path | None,
    media: Path | None,
    top: int,
) -> tuple[AnnotateConfig, list[str]]:
    """The library's config, and the names of what is to be found."""
    from twinsign.annotation.jobs import AnnotateConfig
    from twinsign.annotation.naming import NamingConfig, with_queries
    from twinsign.annotation.segmenter import SEGMENTER
    from twinsign.annotation.source import SourceConfig
    from twinsign.annotation.writers import FORMATS

    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise InputError(f"format {unknown[0]!r}", ", ".join(FORMATS))
    if model is None and dictionary is None:
        raise InputError("neither a RUN nor a dictionary", "--model RUN, or --dictionary D")
    recordings = [name for name in find if Path(name).exists()]
    glosses = tuple(name for name in find if name not in recordings)
    naming = NamingConfig(model, dictionary, top, glosses)
    if recordings:
        reader = format.reader()
        naming = with_queries(naming, {Path(name).stem: reader.read(name) for name in recordings})
    if segmenter is None and not (model and (model / SEGMENTER).is_file()):
        print_note(
            "the RUN has no segmenter: signs are cut by the live segmenter's rules (twinsign segmenter fits one)"
        )
    source = SourceConfig(format.estimator, format.size, format.fps, format.unit)
    chosen = tuple(name for name in FORMATS if name in formats or not formats)
    return AnnotateConfig(naming, source, segmenter, chosen, not no_page, media), [*glosses, *naming.queries]


def _print_outcome(outcome: Outcome, out: Path, seconds: float) -> None:
    rows = [*outcome.done, *outcome.before]
    if rows:
        count, sure = (sum(row[name] for row in rows) for name in ("segments", "sure"))
        minutes = sum(row["seconds"] for row in rows) / 60
        before = f", {len(outcome.before)} of them there before" if outcome.before else ""
        console.print(f"{out}: {len(rows)} recordings{before}, {minutes:.1f} min, {count} segments, {sure} sure")
    if outcome.done:
        speed = sum(row["seconds"] for row in outcome.done) / max(seconds, 1e-9)
        console.print(f"{seconds:.0f} s, {speed:.0f} times as fast as the recordings play")
    for row in rows:
        for note in row["notes"]:
            print_note(f"{row['video']}: {note}")
        if row["media"] is None:
            print_note(f"{row['video']}: no video of its name found to link (--media FOLDER)")
    if outcome.unreadable:
        errors.print(f"{len(outcome.unreadable)} recordings could not be annotated:")
        for reason in outcome.unreadable.values():
            errors.print(f"  {reason}")
    if not rows:
        errors.print("nothing was written")


def _print_found(rows: list[dict[str, Any]], out: Path, wanted: list[str]) -> None:
    """Write where the wanted signs are, and print the best places."""
    from twinsign.annotation.found import FOUND, collect, write_found
    from twinsign.annotation.jobs import ROWS

    found = collect([(row["output"].removesuffix(ROWS), out / row["output"]) for row in rows], wanted)
    write_found(found, out / FOUND)
    best = [row for name in wanted for row in [each for each in found if each["wanted"] == name][:LISTED]]
    table = ([row["wanted"], f"{row['score']:.2f}", row["recording"], *_times(row), row["gloss"]] for row in best)
    head = ["sign", "score", "recording", "from s", "to s", "first guess"]
    print_table(f"the best places; {out / FOUND} has all", head, table, left=("sign", "recording", "first guess"))


def _times(row: dict[str, Any]) -> list[str]:
    return [f"{row[name]:.1f}" for name in ("begin", "end")]


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
    target = out or load_run(model or "").path / SEGMENTER
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
    """Report how well `annotate` finds and names signs: in clips joined into recordings, or beside people's annotations.

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
    rates = parse_numbers(fps, "fps") or [USUAL_FPS]
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
