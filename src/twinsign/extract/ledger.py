"""What was made of which video, kept beside the outputs, so that no call overwrites what another one made."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import Any

from twinsign.errors import InputError
from twinsign.files import write_text

LEDGER = "extract.jsonl"
"""What was made of which video how: one JSON line a finished video."""
Row = dict[str, Any]
NAMES_HINT = "Extract their common folder, so that subfolders are kept, or use another --out for one of them."


def stamp_of(video: Path) -> Row:
    """Size and modification time of a file."""
    status = video.stat()
    return {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def sha256_of(video: Path) -> str:
    """SHA-256 of a file's bytes in hex."""
    with video.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def claim_of(output: str, video: Path) -> Row:
    """The row of an output that is still to be written."""
    return {"output": output, "video": str(video), "path": str(video.resolve())}


def normalized(output: str) -> str:
    """Equal for names that some file systems take for one: whatever their case and Unicode form."""
    return unicodedata.normalize("NFC", output).casefold()


class Ledger:
    """The rows by output, read at the start, appended to as videos are finished."""

    def __init__(self, out: Path, name: str = LEDGER) -> None:
        self.out, self.path = out, out / name
        self.rows: dict[str, Row] = {}
        for line in self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else []:
            with suppress(ValueError, TypeError, KeyError):  # the last line of a process that was killed
                row = json.loads(line)
                self.rows[row["output"]] = row
        self._names = {normalized(output): output for output in self.rows}

    def finished(self, output: str, video: Path, made_with: Row) -> Row | None:
        """The row of an existing output made with these settings from this video's content; else None."""
        row = self.rows.get(output)
        if row is None or row.get("made") != made_with or not (self.out / output).is_file() or not video.is_file():
            return None
        unchanged = stamp_of(video).items() <= row.items() and _path(row) == video.resolve()
        return row if unchanged or row.get("sha256") == sha256_of(video) else None

    def claim(self, output: str, video: Path) -> bool:
        """Note that `video` will be written as `output`; whether an earlier output of the same video is replaced.

        Raises InputError where the output is of another video, or no row says what it was made of.
        """
        name = self._names.get(normalized(output), output)
        row, exists = self.rows.get(name), (self.out / name).is_file()
        if row is None and exists:
            problem = f"{self.out / output}, of which {self.path.name} says nothing, for {video}"
            raise InputError(problem, "an output that does not exist yet", hint=NAMES_HINT)
        same_video = row is not None and (
            _path(row) == video.resolve() or (video.is_file() and row.get("sha256") == sha256_of(video))
        )
        if row is not None and exists and not same_video:
            problem = f"{row.get('video')} and {video} for {self.out / name}"
            raise InputError(problem, "videos of different names", hint=NAMES_HINT)
        if row is None or not exists:
            self.rows[output] = claim_of(output, video)
            self._names[normalized(output)] = output
        return exists and "made" in self.rows[name]

    def add(self, row: Row) -> None:
        """Append a finished video's row."""
        self.rows[row["output"]] = row
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(_line(row))

    def save(self, ended: bool = False) -> None:
        """Rewrite all rows; once the work has `ended`, without claims of outputs that were not written."""
        rows = [row for row in self.rows.values() if not ended or "made" in row or (self.out / row["output"]).is_file()]
        write_text(self.path, "".join(map(_line, rows)))


def _path(row: Row) -> Path:
    return Path(str(row.get("path") or row.get("video"))).resolve()


def _line(row: Row) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"
