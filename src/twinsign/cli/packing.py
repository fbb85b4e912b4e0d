"""Packing a corpus with progress, and saying what was packed and what was not."""

from __future__ import annotations

import csv
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from twinsign.datasets.columns import ALIASES
from twinsign.datasets.folder import SHOWN
from twinsign.datasets.sample import Corpus
from twinsign.datasets.splits import lacking, plain_splits
from twinsign.errors import InputError
from twinsign.files import atomic, write_json
from twinsign.pack.clip import RESERVED
from twinsign.pack.report import PackReport
from twinsign.pack.write import NothingPackedError, PackOptions, write_pack
from twinsign.terminal import console, errors

KEPT_BY_PACK = RESERVED - set(ALIASES) - {"frames", "hand_frames", "pose_hash"}
"""Columns of a pack that an annotation's of that name cannot be kept beside, and that say something else."""

LISTED = 10
"""Ids or reasons shown of a longer list; a file and JSON hold all."""
REDRAWN = 0.2
"""Seconds between two looks of the bar."""
DEFAULT = PackOptions()


def import_corpus(
    corpus: Corpus, out: Path, json: Path | None, provenance: dict[str, Any], options: PackOptions = DEFAULT
) -> int:
    """Pack every readable clip and show what came of it; exit code 0, 2 (nothing written) or 3 (some unreadable).

    The same call on an interrupted import goes on with it.
    """
    with _Bar(len(corpus.samples)) as bar:
        try:
            report = write_pack(
                corpus, out, provenance=provenance, options=options, tick=bar.tick, restarted=bar.say_restarted
            )
        except NothingPackedError as error:
            report = error.report
    _show_packed(report, out)
    listed = _list_unreadable(report, out)
    if listed:
        errors.print(f"all of them: {listed}", markup=False)
    if json:
        write_json(json, asdict(report))
    return report.exit_code


class _Bar(Progress):
    """A bar that goes on where an import went on; redrawn here, since a thread of its own would be forked with us."""

    def __init__(self, total: int) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        super().__init__(*columns, console=errors, auto_refresh=False)
        self.total = total
        self.task: TaskID | None = None
        self.drawn = 0.0

    def tick(self, done: int) -> None:
        """Show so many samples done."""
        if self.task is None:
            self.task = self.add_task("packing", total=self.total, completed=done)
            if done:
                self.console.print(f"going on after {done} clips of an interrupted import")
        self.update(self.task, completed=done)
        if time.monotonic() - self.drawn > REDRAWN or done == self.total:
            self.drawn = time.monotonic()
            self.refresh()

    def say_restarted(self) -> None:
        """Tell why an interrupted import does not go on."""
        self.console.print("an interrupted import to this place was of other inputs or options: starting over")


def _show_packed(report: PackReport, out: Path) -> None:
    total = sum(report.clips.values())
    if total:
        splits = ", ".join(f"{split} {count}" for split, count in sorted(report.clips.items()))
        console.print(
            f"{out}: {total} clips ({splits}), {report.frames} frames, {report.glosses} glosses", markup=False
        )
        rates = ", ".join(f"{part} {rate:.1f} %" for part, rate in report.without.items())
        console.print(f"frames without {rates}")
    if report.missing:
        console.print(f"{report.missing} of {report.listed} listed clips have no poses; the pack names them")
    if report.handless:
        console.print(f"{len(report.handless)} clips show no hand; training leaves them out: {_some(report.handless)}")
    if report.notes:
        first = next(iter(report.notes))
        console.print(f"{len(report.notes)} clips have notes; {first}: {report.notes[first][0]}", markup=False)
    if report.unreadable:
        errors.print(f"{len(report.unreadable)} clips could not be read:")
        for reason in list(report.unreadable.values())[:LISTED]:
            errors.print(f"  {reason}", markup=False)
    if not total:
        errors.print("nothing was written")


def _list_unreadable(report: PackReport, out: Path) -> Path | None:
    """Id and reason of each unreadable clip as OUT.unreadable.csv; an older list goes."""
    file = out.with_name(f"{out.name}.unreadable.csv")
    if not report.unreadable:
        file.unlink(missing_ok=True)
        return None
    with atomic(file) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("id", "reason"), *report.unreadable.items()])
    return file


def _some(names: list[str]) -> str:
    return ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")


def pack_corpus(
    corpus: Corpus, out: Path, json: Path | None, note: dict[str, Any], options: PackOptions = DEFAULT
) -> int:
    """Say what was found of the annotation, then pack; a pack's provenance has the notes too."""
    corpus = plain_splits(corpus)
    replaced = _replaced(corpus, out, note)
    names = {name for sample in corpus.samples for name in sample.row} & KEPT_BY_PACK
    own = [f"column {name!r} is one that a pack keeps itself: not taken" for name in sorted(names)]
    corpus = replace(corpus, notes=[*replaced, *lacking(corpus), *own, *corpus.notes])
    for text in corpus.notes[:LISTED]:
        errors.print(f"note: {text}", markup=False)
    if len(corpus.notes) > LISTED:
        errors.print(f"and {len(corpus.notes) - LISTED} more notes; the pack's provenance has them all")
    return import_corpus(corpus, out, json, {**note, "notes": list(corpus.notes)}, options)


def _replaced(corpus: Corpus, out: Path, note: dict[str, Any]) -> list[str]:
    """A note on clips that a pack of this name has and the new one lacks.

    InputError where `out` is no pack, or one made of other poses: what one call wrote, another must not lose.
    """
    shards = list(out.iterdir()) if out.is_dir() else []
    if not out.is_file() and not (shards and all(shard.suffix == ".pack" for shard in shards)):
        return []
    from twinsign.pack.open import Pack  # loaded where there is a pack to look at alone

    try:
        there = Pack(out)
        ids = set(there.column("id"))
    except InputError as error:
        wanted = "a new name, or a pack to replace"
        raise InputError("something that is no whole pack", wanted, file=out, hint="Remove it first.") from error
    lost = sorted(ids - {sample.id for sample in corpus.samples})
    old, new = ({_place(one.get(name)) for name in ("poses", "data")} for one in (there.provenance[0], note))
    if old != new and lost:
        sides = " and ".join(", ".join(filter(None, one)) or "generated signs" for one in (old, new))
        hint = "Give each its own --out (--data takes several packs), or remove the old one first."
        raise InputError(f"{sides} for {out}: {len(lost)} clips would be lost", "one --out for each", hint=hint)
    some = ", ".join(lost[:SHOWN])
    if old != new and ids:
        source = ", ".join(filter(None, old)) or "generated signs"
        return [f"{out} is replaced: its {len(ids)} clips were made of {source}"]
    return [f"{out} is replaced: it had {len(lost)} clips that are not there any more, such as {some}"] if lost else []


def _place(given: Any) -> str:
    return str(Path(given).resolve()) if given else ""
