"""Writing so that nothing is ever half-written: a temporary name beside the target, then a rename."""

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
_OWN = re.compile(r"\..+\.\d+(\.\d+)?\.tmp")
"""Temporary names with a process's number: of a second writer of the same target, and of earlier versions."""
_held: set[int] = set()


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path in the target's folder, renamed to `path` if the block ends well, else removed.

    It is on the disk before it is renamed, so that a machine that loses power has the old file or the new one. What a
    killed process left of the same target goes first.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _temporary(target, lambda one: os.close(os.open(one, os.O_CREAT | os.O_EXCL, 0o666))) as temporary:
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
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.old")
    _clear(aside)
    with _temporary(target, lambda one: one.mkdir()) as temporary:
        yield temporary
        if target.exists():
            os.replace(target, aside)
        os.replace(temporary, target)
        _remove(aside)


@contextmanager
def _temporary(target: Path, make: Callable[[Path], None]) -> Iterator[Path]:
    """Make a file or folder beside the target that no other process uses, and remove it where the block fails."""
    own = target.with_name(f".{target.name}.{os.getpid()}.{next(_numbers)}.tmp")
    with ExitStack() as claims:
        for temporary in (target.with_name(f".{target.name}.tmp"), own):
            _clear(temporary)
            try:
                make(temporary)
            except FileExistsError:  # of a process that lives
                continue
            if claims.enter_context(_claimed(temporary)):
                break
        try:
            yield temporary
        except BaseException:
            _remove(temporary)
            raise


@contextmanager
def _claimed(path: Path) -> Iterator[bool]:
    """Show other processes that this one lives, by a lock on a file or folder; False where another one holds it."""
    handle = -1
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        _held.add(handle)
    try:
        yield _locks(handle) and _is(path, handle)
    finally:
        _close(handle)


def _locks(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (OSError, ValueError):  # held by another process; or the file could not be opened
        return False
    return True


def _is(path: Path, handle: int) -> bool:
    with suppress(OSError):
        return os.path.samestat(path.lstat(), os.fstat(handle))
    return False


def _clear(left: Path) -> None:
    """Remove what a killed process left under this name; what it had moved aside gets its name back if that is free."""
    if not os.path.lexists(left):
        return
    target = left.with_name(left.name.removeprefix(".").removesuffix(".old"))
    with _claimed(left) as dead:
        if dead and left.suffix == ".old" and not target.exists():
            os.replace(left, target)
        elif dead or left.is_symlink():
            _remove(left)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def walk(root: str | os.PathLike[str]) -> Iterator[tuple[Path, list[str], list[str]]]:
    """os.walk through links to folders, too, but none to a folder that it lies in."""
    for folder, inside, names in os.walk(root, followlinks=True):
        here = Path(folder)
        links = {name for name in inside if (here / name).is_symlink()}
        above = {up for way in (here, *here.parents) for up in (way.resolve(), *way.resolve().parents) if links}
        inside[:] = [name for name in inside if name not in links or (here / name).resolve() not in above]
        yield here, inside, names


def files_below(root: str | os.PathLike[str]) -> list[Path]:
    """Every file below a folder, sorted, those in linked folders too."""
    return sorted(here / name for here, _, names in walk(root) for name in names)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` to `path` whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write `content` to `path` whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all; NaN is refused with ValueError."""
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
    """Whether UTF-8 can hold it: names of files and texts of pickles may have half a character."""
    return text.isascii() or text.encode("utf-8", "ignore").decode() == text


@contextmanager
def locked(folder: str | os.PathLike[str], *, tidy: bool = False) -> Iterator[None]:
    """Hold a folder for one process, and clear it of what killed processes left; a dead process's lock is none.

    `tidy`: also of `.NAME.tmp`, in folders that hold nothing else. InUseError where another process holds it,
    InputError where the folder is a file or its lock is none.
    """
    if Path(folder).is_file():
        raise InputError("a file", "a folder, or a new name", file=folder)
    Path(folder).mkdir(parents=True, exist_ok=True)
    file = Path(folder) / ".lock"
    try:
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise
        raise InputError("a link, a folder or a device", "a plain file, or none", file=file) from error
    _held.add(handle)
    try:
        _hold(handle, file)
        for left in Path(folder).glob(".*.tmp"):
            if tidy or _OWN.fullmatch(left.name):
                _clear(left)
        yield
    finally:
        _close(handle)


def _hold(handle: int, file: Path) -> None:
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        raise InputError("a device", "a plain file, or none", file=file)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        holder = os.read(handle, 200).decode("utf-8", "replace").strip() or "another process"
        raise InUseError(f"a folder in use by {holder}", "a folder of its own", file=file.parent) from error
    os.ftruncate(handle, 0)
    os.write(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode())


def _close(handle: int) -> None:
    """Close it, unless this is a forked process, where it is closed."""
    if handle in _held:
        _held.discard(handle)
        os.close(handle)


def _let_go() -> None:
    """A lock lasts while any process has its file open: a forked worker must not outlive the one that it serves."""
    for handle in _held:
        os.close(handle)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)


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
