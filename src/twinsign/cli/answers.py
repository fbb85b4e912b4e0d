"""Answers to pose files and videos, printed file by file, for predict and search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from twinsign.cli.console import NOTHING_WRITTEN, OK, SOME_UNREADABLE, console, errors, print_note
from twinsign.cli.options import MYPY
from twinsign.errors import InputError
from twinsign.files import files_below
from twinsign.pose.recording import Recording
from twinsign.terminal import print_json

if MYPY:
    from twinsign.extract.clip import Reader


def answer_files(
    files: list[str],
    reader: Reader,
    answer: Callable[[Recording], dict[str, Any]],
    details: Callable[[dict[str, Any]], list[str]],
    json: bool,
) -> int:
    """Print the answer to each file and `details` of it, or what is wrong with the file; gives the exit code."""
    unreadable, listed = 0, expand_files(files)
    for file in listed:
        notes: tuple[str, ...] = ()
        try:
            recording = reader.read(file)
            notes = recording.notes
            result = answer(recording) | ({"notes": list(notes)} if notes else {})
        except InputError as error:
            unreadable += 1
            result = {"error": str(error)}
        for note in notes:
            print_note(f"{file}: {note}")
        if json:
            print_json({"file": file, **result})
        elif "error" in result:
            errors.print(result["error"])
        else:
            for line in (f"{file}: {in_words(result)}", *details(result)):
                console.print(line, soft_wrap=not console.is_terminal)  # in a pipe, a line is an answer
            if "note" in result:
                print_note(f"{file}: {result['note']}")
    return NOTHING_WRITTEN if unreadable == len(listed) else SOME_UNREADABLE if unreadable else OK


def expand_files(files: Sequence[str]) -> list[str]:
    """The files, with every pose file and video in a folder for the folder, unless it is itself one clip.

    Raises InputError for a folder without any.
    """
    from twinsign.datasets.folder import clip_files
    from twinsign.extract.video import is_video
    from twinsign.pose.read import FORMATS, is_clip_folder

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
            wanted = f"a folder with videos or pose files ({FORMATS})"
            raise InputError("no pose file and no video", wanted, file=folder)
        listed += map(str, inside)
    return listed


def as_plain(answer: Any) -> dict[str, Any]:
    """A Prediction or Finding as plain values, without an empty note."""
    plain = asdict(answer) | {"guesses": [guess.as_dict() for guess in answer.guesses]}
    return {name: value for name, value in plain.items() if value or name not in ("note", "unlike")}


def in_words(answer: dict[str, Any]) -> str:
    """The ranked guesses with their confidences, after "not sure" where the model abstains."""
    ranked = ", ".join(f"{words_for(guess)} {100 * guess['confidence']:.0f} %" for guess in answer["guesses"])
    return ("" if answer["sure"] else "not sure; perhaps ") + ranked


def words_for(guess: dict[str, Any]) -> str:
    """A guess's gloss, and the others that stand for the same sign."""
    also = f" (or {', '.join(guess['also'])})" if guess.get("also") else ""
    return f"{guess['gloss']}{also}"
