"""Packing a corpus with progress, and reporting what was packed and what was not."""

from __future__ import annotations

import csv
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from twinsign.cli.console import console, errors, print_note, print_reasons, progress_bar, save_report, shorten
from twinsign.cli.options import FieldsOf
from twinsign.datasets.columns import ALIASES
from twinsign.datasets.folder import SHOWN
from twinsign.datasets.sample import Corpus
from twinsign.datasets.splits import label_notes, normalise_splits
from twinsign.errors import InputError
from twinsign.files import atomic
from twinsign.pack.clip import RESERVED
from twinsign.pack.report import PackReport
from twinsign.pack.write import NothingPackedError, PackOptions, write_pack

KEPT_BY_PACK = RESERVED - set(ALIASES) - {"frames", "hand_frames", "pose_hash"}
"""Columns of a pack that an annotation's of that name cannot be kept beside, and that say something else."""
LISTED = 10
"""Ids or reasons shown of a longer list; a file and JSON hold all."""
REDRAWN = 0.2
"""Seconds between two updates of the progress bar."""
DEFAULT = PackOptions()


@dataclass(frozen=True)
class PackTarget:
    """Where a corpus is packed, and how.

    Args:
        out: Pack to write; the same command resumes an interrupted import.
        json: JSON file to write what was packed and what was not to.
    """

    out: Path
    json: Path | None = None
    options: FieldsOf[PackOptions] = DEFAULT


def pack_corpus(corpus: Corpus, target: PackTarget, provenance: dict[str, Any]) -> int:
    """Pack every readable clip; print notes on the annotation first and a summary at the end.

    The pack's provenance has the notes, too. The same call resumes an interrupted import. Exit code 0, 2 (nothing
    written) or 3 (some unreadable).
    """
    corpus = normalise_splits(corpus)
    columns = {name for sample in corpus.samples for name in sample.row} & KEPT_BY_PACK
    reserved = [f"column {name!r} is one that a pack keeps itself: not taken" for name in sorted(columns)]
    notes = [*_note_replaced(corpus, target.out, provenance), *label_notes(corpus), *reserved, *corpus.notes]
    for text in notes[:LISTED]:
        print_note(text)
    if len(notes) > LISTED:
        errors.print(f"and {len(notes) - LISTED} more notes; the pack's provenance has them all")
    corpus, record = replace(corpus, notes=notes), {**provenance, "notes": notes}
    total, drawn, resumed = len(corpus.samples), 0.0, None
    # Redrawn here: a thread of the bar's own would be forked with the workers.
    with progress_bar("packing", total, auto_refresh=False) as update:

        def tick(done: int) -> None:
            nonlocal drawn, resumed
            if resumed is None and done:
                errors.print(f"resuming after {done} clips of an interrupted import")
            resumed, now = done, time.monotonic()
            refresh = now - drawn > REDRAWN or done == total
            drawn = now if refresh else drawn
            update(completed=done, refresh=refresh)

        def restarted() -> None:
            errors.print("an interrupted import to this place was of other inputs or options: starting over")

        try:
            report = write_pack(
                corpus, target.out, provenance=record, options=target.options, tick=tick, restarted=restarted
            )
        except NothingPackedError as error:
            report = error.report
    _print_packed(report, target.out)
    _list_unreadable(report, target.out)
    save_report(asdict(report), target.json)
    return report.exit_code


def _print_packed(report: PackReport, out: Path) -> None:
    total = sum(report.clips.values())
    if total:
        splits = ", ".join(f"{split} {count}" for split, count in sorted(report.clips.items()))
        console.print(f"{out}: {total} clips ({splits}), {report.frames} frames, {report.glosses} glosses")
        rates = ", ".join(f"{part} {rate:.1f} %" for part, rate in report.without.items())
        console.print(f"frames without {rates}")
    if report.missing:
        console.print(f"{report.missing} of {report.listed} listed clips have no poses; the pack names them")
    if report.handless:
        handless = shorten(report.handless, LISTED)
        console.print(f"{len(report.handless)} clips show no hand; training leaves them out: {handless}")
    if report.notes:
        clip, notes = next(iter(report.notes.items()))
        console.print(f"{len(report.notes)} clips have notes; {clip}: {notes[0]}")
    if report.unreadable:
        print_reasons(f"{len(report.unreadable)} clips could not be read", [*report.unreadable.values()][:LISTED])
    if not total:
        errors.print("nothing was written")


def _list_unreadable(report: PackReport, out: Path) -> None:
    """Write id and reason of each unreadable clip to OUT.unreadable.csv; without any, remove an older list."""
    file = out.with_name(f"{out.name}.unreadable.csv")
    if not report.unreadable:
        file.unlink(missing_ok=True)
        return
    with atomic(file) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("id", "reason"), *report.unreadable.items()])
    errors.print(f"all of them: {file}")


def _note_replaced(corpus: Corpus, out: Path, provenance: dict[str, Any]) -> list[str]:
    """Note the clips that an existing pack at `out` has and the new one lacks.

    InputError where `out` is no pack, or one made of other poses: what one call wrote, another must not lose.
    """
    shards = list(out.iterdir()) if out.is_dir() else []
    if not out.is_file() and not (shards and all(shard.suffix == ".pack" for shard in shards)):
        return []
    from twinsign.pack.open import Pack  # seldom needed

    try:
        former = Pack(out)
        ids = set(former.column("id"))
    except InputError as error:
        wanted = "a new name, or a pack to replace"
        raise InputError("something that is no whole pack", wanted, file=out, hint="Remove it first.") from error
    lost = sorted(ids - {sample.id for sample in corpus.samples})
    old, new = (_sources(record) for record in (former.provenance[0], provenance))
    if old == new:
        some = ", ".join(lost[:SHOWN])
        text = f"{out} is replaced: it had {len(lost)} clips that are missing from the new one, such as {some}"
        return [text] if lost else []
    if lost:
        hint = "Give each its own --out (--data takes several packs), or remove the old one first."
        sides = f"{_join(old)} and {_join(new)} for {out}: {len(lost)} clips would be lost"
        raise InputError(sides, "one --out for each", hint=hint)
    return [f"{out} is replaced: its {len(ids)} clips were made of {_join(old)}"] if ids else []


def _sources(provenance: dict[str, Any]) -> set[str]:
    """The files or folders that a pack was made of; "" for those not given."""
    names = (provenance.get(name) for name in ("poses", "data"))
    return {str(Path(name).resolve()) if name else "" for name in names}


def _join(sources: set[str]) -> str:
    return ", ".join(filter(None, sources)) or "generated signs"
