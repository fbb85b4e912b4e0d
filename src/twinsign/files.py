"""Files that are written whole or not at all, folders locked for one process, JSON, and hashes."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import itertools
import json
import os
import re
import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from twinsign.errors import InputError, InUseError

_numbers = itertools.count()
_NUMBERED = re.compile(r"\..+\.\d+(\.\d+)?\.tmp")
"""Temporary names with a process's number: of a second writer of the same target, and of earlier versions."""
_handles: set[int] = set()
"""The open files whose locks this process holds."""


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path in the target's folder, renamed to `path` if the block ends well, else removed.

    It is on the disk before it is renamed, so that a machine that loses power has the old file or the new one. What a
    killed process left of the same target is removed first.
    """
    target = Path(path)
    with _temporary(target, lambda path: path.touch(exist_ok=False)) as temporary:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, target)


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary folder beside `path`, renamed to it if the block ends well, else removed.

    What was there is moved aside first and removed last: after a crash in between, the next call puts it back.
    """
    target = Path(path)
    aside = target.with_name(f".{target.name}.old")
    _clear(aside)
    with _temporary(target, Path.mkdir) as temporary:
        yield temporary
        if target.exists():
            os.replace(target, aside)
        os.replace(temporary, target)
        _remove(aside)


@contextmanager
def _temporary(target: Path, create: Callable[[Path], None]) -> Iterator[Path]:
    """Create a file or folder beside the target that no other process uses, and remove it if the block fails."""
    target.parent.mkdir(parents=True, exist_ok=True)
    own = target.with_name(f".{target.name}.{os.getpid()}.{next(_numbers)}.tmp")
    with ExitStack() as claims:
        for temporary in (target.with_name(f".{target.name}.tmp"), own):
            _clear(temporary)
            try:
                create(temporary)
            except FileExistsError:  # another process is writing it
                continue
            if claims.enter_context(_claimed(temporary)):
                break
        try:
            yield temporary
        except BaseException:
            _remove(temporary)
            raise


@contextmanager
def _open_handle(path: Path, flags: int) -> Iterator[int]:
    """Open a file or folder, but follow no link and wait for no pipe; a lock on it ends with the block."""
    handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    _handles.add(handle)
    try:
        yield handle
    finally:
        if handle in _handles:  # a forked process has closed it
            _handles.discard(handle)
            os.close(handle)


@contextmanager
def _claimed(path: Path) -> Iterator[bool]:
    """Lock a file or folder, to show other processes that it is in use; False if another process has locked it."""
    claimed = False
    with ExitStack() as stack:
        with suppress(OSError):
            handle = stack.enter_context(_open_handle(path, os.O_RDONLY))
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            claimed = os.path.samestat(path.lstat(), os.fstat(handle))
        yield claimed


def _clear(path: Path) -> None:
    """Remove what a killed process left under this name; what it had moved aside gets its name back if that is free."""
    if not os.path.lexists(path):
        return
    target = path.with_name(path.name.removeprefix(".").removesuffix(".old"))
    with _claimed(path) as abandoned:
        if abandoned and path.suffix == ".old" and not target.exists():
            os.replace(path, target)
        elif abandoned or path.is_symlink():
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def walk(root: str | os.PathLike[str]) -> Iterator[tuple[Path, list[str], list[str]]]:
    """os.walk that also follows links to folders, except to a folder that the link lies in."""
    for name, folders, files in os.walk(root, followlinks=True):
        parent = Path(name)
        links = {folder for folder in folders if (parent / folder).is_symlink()}
        above = {up for way in (parent, *parent.parents) for up in (way.resolve(), *way.resolve().parents) if links}
        folders[:] = [folder for folder in folders if folder not in links or (parent / folder).resolve() not in above]
        yield parent, folders, files


def files_below(root: str | os.PathLike[str]) -> list[Path]:
    """Every file below a folder, sorted, including those in linked folders."""
    return sorted(parent / name for parent, _, names in walk(root) for name in names)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` to `path` whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write `content` to `path` whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all; NaN is refused with ValueError."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def parse_json(data: bytes | str) -> Any:
    """A JSON value; ValueError also if it nests too deep, or holds half a surrogate pair, which no file could hold."""
    try:
        value = json.loads(data)
        if any(start in data if isinstance(data, str) else start.encode() in data for start in ("\\ud", "\\uD")):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("JSON that nests too deep") from error
    return value


def writable(text: str) -> bool:
    """Whether UTF-8 can encode it: file names and text in pickles may contain half a surrogate pair."""
    return text.isascii() or text.encode("utf-8", "ignore").decode() == text


@contextmanager
def locked(folder: str | os.PathLike[str], *, tidy: bool = False) -> Iterator[None]:
    """Lock a folder for one process, and clear it of what killed processes left; a dead process's lock does not count.

    `tidy`: also of `.NAME.tmp`, in folders that hold nothing else. Raises InUseError if another process has locked it,
    InputError if the folder is a file or its lock is not one.
    """
    if Path(folder).is_file():
        raise InputError("a file", "a folder, or a new name", file=folder)
    Path(folder).mkdir(parents=True, exist_ok=True)
    file = Path(folder) / ".lock"
    with ExitStack() as stack:
        try:
            handle = stack.enter_context(_open_handle(file, os.O_RDWR | os.O_CREAT))
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                raise
            raise InputError("a link, a folder or a device", "a plain file, or none", file=file) from error
        _lock(handle, file)
        for path in Path(folder).glob(".*.tmp"):
            if tidy or _NUMBERED.fullmatch(path.name):
                _clear(path)
        yield


def _lock(handle: int, file: Path) -> None:
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        raise InputError("a device", "a plain file, or none", file=file)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        owner = os.read(handle, 200).decode("utf-8", "replace").strip() or "another process"
        raise InUseError(f"a folder in use by {owner}", "a folder of its own", file=file.parent) from error
    os.ftruncate(handle, 0)
    os.write(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode())


def _close_handles() -> None:
    """Release locks in a forked process: they last while any process has the file open, and workers may live longer."""
    for handle in _handles:
        os.close(handle)
    _handles.clear()


os.register_at_fork(after_in_child=_close_handles)


def hash_file(path: str | os.PathLike[str]) -> str:
    """First 16 hex digits of the SHA-256 of a file's bytes."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def sha256(*parts: str | bytes) -> str:
    """First 16 hex digits of the SHA-256 of all parts, each preceded by its length."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:16]
