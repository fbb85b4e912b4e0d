"""The commands of a dictionary of signs: enrol them from a few recordings, search for others."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from twinsign.cli.answers import answer_files, as_plain, expand_files
from twinsign.cli.console import (
    NOTHING_WRITTEN,
    OK,
    SOME_UNREADABLE,
    console,
    errors,
    parse_splits,
    print_note,
    progress_bar,
    shorten,
)
from twinsign.cli.options import MYPY, FieldsOf, Flag, InputFormat, OptionalPositionals, OptionalWords, Positionals
from twinsign.errors import InputError
from twinsign.lazy import quick_imports
from twinsign.pose.recording import Recording

if MYPY:
    from twinsign.dictionary.entries import EnrolResult
    from twinsign.dictionary.lookup import Dictionary
    from twinsign.extract.clip import Reader
    from twinsign.pack.open import Pack

LISTED = 5
"""Names shown of a longer list."""


def enrol(
    files: OptionalPositionals,
    data: OptionalWords,
    where: OptionalWords,
    delete: OptionalWords,
    strict: Flag,
    format: FieldsOf[InputFormat],
    model: Path | None = None,
    dictionary: Path | None = None,
    gloss: str = "",
    signer: str = "",
    split: str = "train",
) -> int:
    """Add signs to a dictionary from a few recordings each, without training; or delete them.

    Args:
        data: Packs, as of every command; or files of signs (.json) that a page of `twinsign web` exported.
        delete: Ids, and glosses with all of their recordings, to delete from the dictionary.
        model: RUN of any kind, or a shipped model. Default: what the dictionary was made with, else `asl2000`.
        dictionary: The dictionary's folder. Default: `dictionary` in the RUN, or here without --model.
        gloss: Gloss of the sign in the files.
        signer: Who signs in the files: confidences are then fitted across signers.
        split: Splits of --data, joined by commas, or `all`.
    """
    with quick_imports():
        from twinsign.dictionary.entries import Sign
        from twinsign.dictionary.lookup import Dictionary
        from twinsign.dictionary.signs_file import are_signs_files, read_signs
        from twinsign.pack.open import Pack

    sources = sum(map(bool, (files, data, delete)))
    if sources != 1:
        named = "several of FILES, --data and --delete" if sources else "neither FILES, --data nor --delete"
        raise InputError(named, "one of FILES with --gloss, --data, --delete")
    if bool(files) != bool(gloss):
        raise InputError("files without --gloss" if files else "--gloss without files", "both, or neither")
    lookup = Dictionary.load(model, dictionary)
    if delete:
        deleted = lookup.delete(delete)
        console.print(f"deleted {len(deleted)} recordings: {shorten(deleted, LISTED)}")
        return OK
    if are_signs_files(data):
        exported = [sign for file in data for sign in read_signs(file)]
        for sign in exported if strict else ():
            lookup.embedder.noticer.require(sign.recording)
        _print_added(lookup, lookup.enrol(exported))
        return OK
    if data:
        _print_added(lookup, _enrol_pack(lookup, Pack(data), parse_splits(split), where, strict))
        return OK
    reader, files = format.reader(), expand_files(files)
    recordings = [_read(lookup, reader, strict, file) for file in files]
    signs = [Sign(recording, gloss, signer) for recording in recordings if recording]
    if not signs:
        return NOTHING_WRITTEN
    _print_added(lookup, lookup.enrol(signs))
    return SOME_UNREADABLE if len(signs) < len(files) else OK


def search(
    files: Positionals,
    json: Flag,
    strict: Flag,
    format: FieldsOf[InputFormat],
    model: Path | None = None,
    dictionary: Path | None = None,
    top: int = 5,
    by: Literal["nearest", "prototype"] = "prototype",
) -> int:
    """Look up the signs in pose files or videos in a dictionary: nearest glosses and recordings, or "not sure".

    Args:
        json: Print one line of JSON per file instead of words.
        model: RUN of any kind, or a shipped model. Default: what the dictionary was made with, else `asl2000`.
        dictionary: The dictionary's folder. Default: `dictionary` in the RUN, or here without --model.
        top: Number of glosses, and of recordings, to list.
        by: Rank glosses by the nearest of their recordings, or by their mean (prototype).
    """
    with quick_imports():
        from twinsign.dictionary.lookup import Dictionary

    lookup = Dictionary.load(model, dictionary)
    if not len(lookup.dictionary):
        raise InputError("no sign", "an enrolled dictionary", file=lookup.dictionary.path, hint="Try twinsign enrol.")

    def answer(recording: Recording) -> dict[str, Any]:
        if strict:
            lookup.embedder.noticer.require(recording)
        return as_plain(lookup.search(recording, top, by))

    def nearest(result: dict[str, Any]) -> list[str]:
        listed = ", ".join(f"{entry['id']} {entry['similarity']:.2f}" for entry in result["nearest"])
        return [f"  nearest recordings: {listed}"]

    return answer_files(files, format.reader(), answer, nearest, json)


def _enrol_pack(
    lookup: Dictionary, pack: Pack, splits: list[str] | None, where: list[str], strict: bool
) -> EnrolResult:
    """Enrol the clips of a pack, noting those that cannot be."""
    from twinsign.inference.shift import check_shift

    run, rows = lookup.embedder.run, pack.select(splits, where)
    check_shift(run, pack, rows, run.recipe.read, strict)
    without = sum(not gloss for gloss in pack.table["gloss"].take(rows).to_pylist())
    handless = int((~pack.usable[rows]).sum())
    if without or handless:
        errors.print(f"left out: {without} clips without a gloss, {handless} without a hand")
    with progress_bar("enrolling", len(rows), run.recipe.trainer.progress) as update:
        return lookup.enrol_pack(pack, rows, lambda clips: update(advance=clips))


def _read(lookup: Dictionary, reader: Reader, strict: bool, file: str) -> Recording | None:
    """A file's recording; None, after printing why, where it cannot be enrolled."""
    from twinsign.inference.embedder import require_hands

    try:
        recording = reader.read(file)
        require_hands([recording])
        if strict:
            lookup.embedder.noticer.require(recording)
        note = lookup.embedder.noticer.compare([recording])[0].note
    except InputError as error:
        errors.print(str(error))
        return None
    for text in (*recording.notes, *([note] if note else [])):
        print_note(f"{file}: {text}")
    return recording


def _print_added(lookup: Dictionary, added: EnrolResult) -> None:
    """Print which recordings were enrolled, which were there already, and whether answers can be sure yet."""
    from twinsign.dictionary.calibration import FEWEST
    from twinsign.runs.calibration import NEVER

    dictionary = lookup.dictionary
    if added.known:
        names = [f"{name} (as {enrolled})" for name, enrolled in added.known]
        errors.print(f"already enrolled, {len(added.known)}: {shorten(names, LISTED)}")
    text = f"enrolled {len(added.ids)} recordings{': ' if added.ids else ''}{shorten(added.ids, LISTED)}"
    signs = len(dictionary.entries.glosses)
    console.print(f"{text}; {dictionary.path} has {len(dictionary)} recordings of {signs} signs")
    calibrations = (dictionary.entries.calibration or {}).values()
    if all(calibration.threshold >= NEVER for calibration in calibrations):
        wanted = f"{FEWEST} recordings of signs that have another one, of two signs or more, and names enough of them"
        print_note(f"no answer counts as sure before the dictionary has {wanted}")
