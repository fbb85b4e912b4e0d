"""Writing so that nothing is ever half-written: a temporary name beside the target, then a rename."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from twinsign.errors import InUseError


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path in the target's folder, renamed to `path` if the block ends well, else removed (ours).

    It is on the disk before it is renamed, so that a machine that loses power has the old file or the new one.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary folder beside `path`, renamed to it if the block ends well, else removed (ours).

    What was there is moved aside first and removed last: a crash in between leaves both, under other names.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary, aside = (target.with_name(f".{target.name}.{os.getpid()}.{word}") for word in ("tmp", "old"))
    temporary.mkdir()
    try:
        yield temporary
        if target.exists():
            os.replace(target, aside)
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if aside.is_dir():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` to `path` whole or not at all (ours)."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write `content` to `path` whole or not at all (ours)."""
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all; NaN is refused with ValueError (ours)."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def parse_json(data: bytes | str) -> Any:
    """A JSON value; ValueError also where it nests too deep, or holds half a character, which no file could hold."""
    try:
        value = json.loads(data)
        if any(start in data if isinstance(data, str) else start.encode() in data for start in ("\\ud", "\\uD")):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("JSON that nests too deep") from error
    return value


def writable(text: str) -> bool:
    """Whether UTF-8 can hold it: names of files and texts of pickles may have half a character (ours)."""
    return text.isascii() or text.encode("utf-8", "ignore").decode() == text


_held: set[TextIO] = set()


@contextmanager
def locked(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Hold a folder for one process; InUseError where another holds it. A dead process's lock is none (ours)."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    with (Path(folder) / ".lock").open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            handle.seek(0)
            holder = handle.read().strip() or "another process"
            raise InUseError(f"a folder in use by {holder}", "a folder of its own", file=folder) from error
        handle.truncate(0)
        handle.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        handle.flush()
        _held.add(handle)
        try:
            yield
        finally:
            _held.discard(handle)


def _let_go() -> None:
    """A lock lasts while any process has its file open: a forked worker must not outlive the one that it serves."""
    for handle in _held:
        handle.close()
    _held.clear()


os.register_at_fork(after_in_child=_let_go)


def hash_file(path: str | os.PathLike[str]) -> str:
    """First 16 hex digits of the SHA-256 of a file's bytes (ours)."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def sha256(*parts: str | bytes) -> str:
    """First 16 hex digits of the SHA-256 of all parts, each preceded by its length (ours)."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:16]
