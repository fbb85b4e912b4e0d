"""The commands of a dictionary of signs: enrol them from a few recordings, look others up."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from twinsign.cli.answers import NOTHING_WRITTEN, OK, SOME_UNREADABLE, answer_files, as_plain, expand_files
from twinsign.cli.console import parse_splits
from twinsign.dictionary.calibration import FEWEST
from twinsign.dictionary.entries import Added, Sign
from twinsign.dictionary.lookup import Lookup, Ranking
from twinsign.errors import InputError
from twinsign.extract.clip import Reader
from twinsign.extract.estimator import HOLISTIC, EstimatorConfig
from twinsign.inference.embeddings import require_hands
from twinsign.inference.shift import check_shift
from twinsign.pack.open import Pack
from twinsign.pose.recording import Recording, Unit
from twinsign.runs.calibration import NEVER
from twinsign.terminal import console, errors

LISTED = 5
"""Names shown of a longer list."""


def enrol(
    files: list[str],
    data: list[str],
    where: list[str],
    delete: list[str],
    strict: bool,
    model: Path | None = None,
    dictionary: Path | None = None,
    gloss: str = "",
    signer: str = "",
    split: str = "train",
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    unit: Unit | None = None,
    estimator: EstimatorConfig = HOLISTIC,
) -> int:
    """Add signs to a dictionary from a few recordings each, without training; or delete them.

    Args:
        model: RUN of any kind; the one that the dictionary was made by unless told.
        dictionary: The dictionary's folder; `dictionary` in the RUN unless told.
        gloss: What the files sign.
        signer: Who signs in them: confidences are then fitted across signers.
        split: Of --data: one split, several joined by commas, or `all`.
        size: Image width and height in pixels, for formats that do not state it.
        fps: Frames a second, for formats that do not state it.
        unit: What the coordinates are, pixels or image fractions, where that is not what the format says.
        estimator: Which pose estimator sees the videos: the one that saw what the model learnt from.
    """
    asked = sum(map(bool, (files, data, delete)))
    if asked != 1:
        found = "several of FILES, --data and --delete" if asked else "neither FILES, --data nor --delete"
        raise InputError(found, "one of FILES with --gloss, --data, --delete")
    if bool(files) != bool(gloss):
        raise InputError("files without --gloss" if files else "--gloss without files", "both, or neither")
    lookup = Lookup.load(model, dictionary)
    if delete:
        gone = lookup.delete(delete)
        console.print(f"deleted {len(gone)} recordings: {_some(gone)}", markup=False)
        return OK
    if data:
        _say(lookup, _enrol_pack(lookup, Pack(data), parse_splits(split), where, strict))
        return OK
    reader = Reader(estimator, size=size, fps=fps, unit=unit)
    files = expand_files(files)
    signs = [Sign(one, gloss, signer) for one in map(partial(_read, lookup, reader, strict), files) if one]
    if not signs:
        return NOTHING_WRITTEN
    _say(lookup, lookup.enrol(signs))
    return SOME_UNREADABLE if len(signs) < len(files) else OK


def search(
    files: list[str],
    json: bool,
    strict: bool,
    model: Path | None = None,
    dictionary: Path | None = None,
    top: int = 5,
    by: Ranking = "prototype",
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    unit: Unit | None = None,
    estimator: EstimatorConfig = HOLISTIC,
) -> int:
    """Look signs in pose files or videos up in a dictionary: the nearest glosses and recordings, or "not sure".

    Args:
        model: RUN of any kind; the one that the dictionary was made by unless told.
        dictionary: The dictionary's folder; `dictionary` in the RUN unless told.
        top: How many glosses, and how many recordings, to list.
        by: Glosses by the nearest of their recordings, or (prototype) by the mean of them.
        size: Image width and height in pixels, for formats that do not state it.
        fps: Frames a second, for formats that do not state it.
        unit: What the coordinates are, pixels or image fractions, where that is not what the format says.
        estimator: Which pose estimator sees the videos: the one that saw what the model learnt from.
    """
    lookup, reader = Lookup.load(model, dictionary), Reader(estimator, size=size, fps=fps, unit=unit)
    if not len(lookup.dictionary):
        raise InputError("no sign", "an enrolled dictionary", file=lookup.dictionary.path, hint="Try twinsign enrol.")

    def answer(recording: Recording) -> dict[str, Any]:
        if strict:
            lookup.embedder.noticer.require(recording)
        return as_plain(lookup.search(recording, top, by))

    return answer_files(files, reader, answer, _nearest, json)


def _nearest(found: dict[str, Any]) -> list[str]:
    near = ", ".join(f"{one['id']} {one['similarity']:.2f}" for one in found["nearest"])
    return [f"  nearest recordings: {near}"]


def _enrol_pack(lookup: Lookup, pack: Pack, splits: list[str] | None, where: list[str], strict: bool) -> Added:
    run, rows = lookup.embedder.run, pack.select(splits, where)
    check_shift(run, pack, rows, run.recipe.read, strict)
    without = sum(not gloss for gloss in pack.table["gloss"].take(rows).to_pylist())
    handless = int((~pack.usable[rows]).sum())
    if without or handless:
        errors.print(f"left out: {without} clips without a gloss, {handless} without a hand")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, disable=not run.recipe.trainer.progress) as progress:
        bar = progress.add_task("enrolling", total=len(rows))
        return lookup.enrol_pack(pack, rows, lambda clips: progress.advance(bar, clips))


def _read(lookup: Lookup, reader: Reader, strict: bool, file: str) -> Recording | None:
    """A file's recording; None, and said why, where it is none that can be enrolled."""
    try:
        recording = reader.read(file)
        require_hands([recording])
        if strict:
            lookup.embedder.noticer.require(recording)
        note = lookup.embedder.noticer.look([recording])[0].note
    except InputError as error:
        errors.print(str(error), markup=False)
        return None
    for said in recording.notes:
        errors.print(f"note: {file}: {said}", markup=False)
    if note:
        errors.print(f"note: {file}: {note}", markup=False)
    return recording


def _say(lookup: Lookup, added: Added) -> None:
    dictionary = lookup.dictionary
    if added.known:
        listed = _some([f"{name} (as {there})" for name, there in added.known])
        errors.print(f"there already, {len(added.known)}: {listed}", markup=False)
    said = f"enrolled {len(added.ids)} recordings{': ' if added.ids else ''}{_some(added.ids)}"
    console.print(
        f"{said}; {dictionary.path} has {len(dictionary)} of {len(dictionary.entries.glosses)} signs", markup=False
    )
    calibration = dictionary.entries.calibration or {}
    if all(one.threshold >= NEVER for one in calibration.values()):
        wanted = f"{FEWEST} recordings of signs that have another one, of two signs or more, and names enough of them"
        errors.print(f"note: no answer counts as sure before the dictionary has {wanted}", markup=False)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
