"""The command that annotates long recordings: segments, names, files for other programs, wanted signs."""

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
    print_note,
    print_reasons,
    print_table,
    progress_bar,
)
from twinsign.cli.options import MYPY, FieldsOf, Flag, InputFormat, OptionalWords, Positionals
from twinsign.errors import InputError
from twinsign.runs.shipped import RECOGNISER

if MYPY:
    from twinsign.annotation.jobs import AnnotateConfig, Outcome

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
        model: RUN of finetune or linear, or a shipped model; of any kind with --dictionary. Default: asl300.
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
    from twinsign.annotation.segmenter import segmenter_file
    from twinsign.annotation.source import SourceConfig
    from twinsign.annotation.writers import FORMATS

    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise InputError(f"format {unknown[0]!r}", ", ".join(FORMATS))
    if model is None and dictionary is None:
        model = RECOGNISER
    recordings = [name for name in find if Path(name).exists()]
    glosses = tuple(name for name in find if name not in recordings)
    naming = NamingConfig(model, dictionary, top, glosses)
    if recordings:
        reader = format.reader()
        named = {Path(name).stem: reader.read(name) for name in recordings}
        if len({*named, *glosses}) < len(find):
            raise InputError(f"--find {' '.join(find)}", "glosses and recordings of different names")
        naming = with_queries(naming, named)
    if segmenter_file(segmenter, model) is None:
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
        print_reasons(f"{len(outcome.unreadable)} recordings could not be annotated", outcome.unreadable.values())
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
