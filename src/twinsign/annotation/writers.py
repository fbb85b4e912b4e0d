"""The segments of a recording as files that other programs open: ELAN, WebVTT, SubRip, CSV, JSON lines."""

from __future__ import annotations

import csv
import io
import json
import mimetypes
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Literal

from pympi.Elan import Eaf, to_string

from twinsign.annotation.annotate import Annotated
from twinsign.files import write_text
from twinsign.terminal import escape_controls

Format = Literal["eaf", "vtt", "srt", "csv"]
FORMATS: tuple[Format, ...] = ("eaf", "vtt", "srt", "csv")
SEGMENTS, GLOSS, FURTHER, CONFIDENCE = "Segments", "Gloss", "Further guesses", "Confidence"
"""The tiers of an `.eaf`: the first has the times, the others refer to it."""
NOT_SURE = "not sure"


@dataclass(frozen=True)
class Document:
    """A recording's name, its segments in their order, its video if there is one, and who signs."""

    name: str
    segments: Sequence[Annotated]
    media: Path | None = None
    participant: str = ""


def write_document(document: Document, folder: Path, form: Format) -> Path:
    """Write the segments as NAME.FORMAT in a folder, whole or not at all; gives the file."""
    path = folder / f"{document.name}.{form}"
    writers: dict[Format, Callable[[Document, Path], str]] = {
        "eaf": _eaf,
        "vtt": lambda document, _: vtt_text(document),
        "srt": lambda document, _: _srt(document),
        "csv": lambda document, _: _csv(document),
    }
    write_text(path, writers[form](document, path))
    return path


def write_rows(document: Document, path: Path) -> None:
    """Write JSON lines, a segment each: all that is known of it."""
    write_text(path, "".join(json.dumps(segment.row(), ensure_ascii=False) + "\n" for segment in document.segments))


def milliseconds(seconds: float) -> int:
    """Whole milliseconds."""
    return round(1000 * seconds)


def caption(segment: Annotated) -> str:
    """The first guess, or the first two with a question mark where it is not sure."""
    words = [guess.gloss for guess in segment.name.guesses]
    return words[0] if segment.name.sure else " / ".join(words[:2]) + "?"


def _eaf(document: Document, path: Path) -> str:
    """An ELAN file: segments with times, and tiers that refer to them."""
    eaf = Eaf(author="twinsign")
    eaf.remove_tier("default")
    eaf.remove_linguistic_type("default-lt")
    eaf.add_linguistic_type("segment")
    eaf.add_linguistic_type("of a segment", constraints="Symbolic_Association", timealignable=False)
    who = document.participant or None
    eaf.add_tier(SEGMENTS, "segment", part=who)
    for tier in (GLOSS, FURTHER, CONFIDENCE):
        eaf.add_tier(tier, "of a segment", parent=SEGMENTS, part=who)
    if document.media is not None:
        mime = mimetypes.guess_type(document.media.name)[0] or "video/*"
        relative = Path(os.path.relpath(document.media, path.parent)).as_posix()
        relative = relative if relative.startswith("../") else f"./{relative}"
        eaf.add_linked_file(document.media.resolve().as_uri(), relpath=relative, mimetype=mime)
    for segment in document.segments:
        begin, end = milliseconds(segment.begin), milliseconds(segment.end)
        first, *others = segment.name.guesses
        eaf.add_annotation(SEGMENTS, begin, end, "sign" if segment.name.sure else NOT_SURE)
        values = {
            GLOSS: first.gloss,
            FURTHER: ", ".join(f"{guess.gloss} {guess.confidence:.2f}" for guess in others),
            CONFIDENCE: f"{first.confidence:.3f}",
        }
        annotation = f"a{eaf.maxaid}"
        for tier, value in values.items():
            number = eaf.generate_annotation_id()
            eaf.annotations[number] = tier
            eaf.tiers[tier][1][number] = (annotation, escape_controls(value), None, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return '<?xml version="1.0" encoding="UTF-8"?>\n' + str(to_string(eaf)) + "\n"


def _clock(seconds: float, point: str) -> str:
    whole, part = divmod(milliseconds(seconds), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{part:03}"


def vtt_text(document: Document) -> str:
    """WebVTT, a cue for each segment."""
    cues = ["WEBVTT\n"]
    for number, segment in enumerate(document.segments, 1):
        text = escape(escape_controls(caption(segment)), quote=False).replace("\n", " ")
        cues.append(f"{number}\n{_clock(segment.begin, '.')} --> {_clock(segment.end, '.')}\n{text}\n")
    return "\n".join(cues)


def _srt(document: Document) -> str:
    cues = []
    for number, segment in enumerate(document.segments, 1):
        text = escape_controls(caption(segment)).replace("\n", " ").replace("-->", "->")
        cues.append(f"{number}\n{_clock(segment.begin, ',')} --> {_clock(segment.end, ',')}\n{text}\n")
    return "\n".join(cues)


def _csv(document: Document) -> str:
    """A row for each segment, with columns for every guess."""
    most = max((len(segment.name.guesses) for segment in document.segments), default=1)
    guesses = [f"{name}_{number}" for number in range(2, most + 1) for name in ("gloss", "confidence")]
    fits = list(dict.fromkeys(name for segment in document.segments for name in segment.name.fits))
    head = ["recording", "begin", "end", "first_frame", "stop_frame", "gloss", "confidence", "sure", *guesses]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*head, "note", *(f"fit:{name}" for name in fits)])
    for segment in document.segments:
        row: list[object] = [document.name, f"{segment.begin:.3f}", f"{segment.end:.3f}"]
        row += [segment.first_frame, segment.stop_frame]
        first, *others = segment.name.guesses
        row += [first.gloss, f"{first.confidence:.4f}", str(segment.name.sure).lower()]
        cells = [cell for guess in others for cell in (guess.gloss, f"{guess.confidence:.4f}")]
        row += cells + [""] * (len(guesses) - len(cells))
        writer.writerow([*row, segment.name.note, *(f"{segment.name.fits[name]:.4f}" for name in fits)])
    return stream.getvalue()
