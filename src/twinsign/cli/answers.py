"""Answers to files, printed one by one: predict and search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from twinsign.datasets.folder import clip_files
from twinsign.dictionary.lookup import Finding
from twinsign.errors import InputError
from twinsign.extract.clip import Reader
from twinsign.extract.video import is_video
from twinsign.files import files_below
from twinsign.inference.recogniser import Prediction
from twinsign.pose.read import KNOWN, is_clip_folder
from twinsign.pose.recording import Recording
from twinsign.terminal import console, errors, print_json

OK, NOTHING_WRITTEN, SOME_UNREADABLE = 0, 2, 3


def answer_files(
    files: list[str],
    reader: Reader,
    answer: Callable[[Recording], dict[str, Any]],
    more: Callable[[dict[str, Any]], list[str]],
    json: bool,
) -> int:
    """Print the answer to each file, or what is wrong with it, and `more` lines of it; gives the exit code."""
    unreadable, listed = 0, expand_files(files)
    for file in listed:
        notes: tuple[str, ...] = ()
        try:
            recording = reader.read(file)
            notes = recording.notes
            found = answer(recording) | ({"notes": list(notes)} if notes else {})
        except InputError as error:
            unreadable += 1
            found = {"error": str(error)}
        for note in notes:
            errors.print(f"note: {file}: {note}", markup=False)
        if json:
            print_json({"file": file, **found})
        elif "error" in found:
            errors.print(found["error"], markup=False)
        else:
            for line in (f"{file}: {in_words(found)}", *more(found)):
                console.print(line, markup=False)
            if "note" in found:
                errors.print(f"note: {file}: {found['note']}", markup=False)
    return NOTHING_WRITTEN if unreadable == len(listed) else SOME_UNREADABLE if unreadable else OK


def expand_files(files: Sequence[str]) -> list[str]:
    """The files as given, and of each folder that is not itself one clip every pose file and video in it.

    Raises InputError on a folder without any.
    """
    listed: list[str] = []
    for file in files:
        folder = Path(file)
        names = [path.name for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
        if not folder.is_dir() or is_clip_folder(folder, names):
            listed.append(file)
            continue
        videos = (path for path in files_below(folder) if is_video(path) and path.is_file())
        inside = sorted({*clip_files(folder), *(path for path in videos if not path.name.startswith("."))})
        if not inside:
            wanted = f"a folder with videos or pose files ({KNOWN})"
            raise InputError("no pose file and no video", wanted, file=folder)
        listed += map(str, inside)
    return listed


def as_plain(answer: Prediction | Finding) -> dict[str, Any]:
    """An answer as plain values, without a note where there is nothing to note."""
    return {name: value for name, value in asdict(answer).items() if value or name not in ("note", "unlike")}


def in_words(found: dict[str, Any]) -> str:
    """Ranked guesses with their confidences, and "not sure" before them where that is so."""
    ranked = ", ".join(f"{guess['gloss']} {100 * guess['confidence']:.0f} %" for guess in found["guesses"])
    return ("" if found["sure"] else "not sure; perhaps ") + ranked
