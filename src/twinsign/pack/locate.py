"""From what `--data` names (a pack, a glob, a folder of shards, a URL of any of these) to files and their bytes."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from mmap import ACCESS_READ, MADV_RANDOM, MADV_WILLNEED, PAGESIZE, mmap
from os import PathLike, fspath
from pathlib import Path

import numpy as np
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from twinsign.errors import InputError
from twinsign.pack.schema import WANTED

Location = Path | str
"""A local file, or the URL of a remote one."""
Span = tuple[int, int]
"""Bytes from the first to before the second."""
PACK_SUFFIX = ".pack"
PLAIN = re.compile("abfs|adl|az|file|ftp|gcs|gs|hdfs|hf|https?|local|memory|oci|oss|s3a?|sftp|ssh|webdav|webhdfs")
"""Protocols of one location each. Others wrap URLs, keep copies or (`reference`) follow a file's instructions."""
PROTOCOLS_VARIABLE = "TWINSIGN_PROTOCOLS"
"""Environment variable: further protocols, comma-separated, including those that a chain of URLs may begin with."""
BLOCK = 1 << 18
"""Bytes of a remote file that are fetched and kept together."""
_NUMBERED = re.compile(r"(.*?)(\d+)-of-(\d+)\.pack")
_MAGIC = re.compile(r"[*?\[]")


def is_url(name: str | PathLike[str]) -> bool:
    """Whether fsspec is to open it: s3://…, memory://…, simplecache::s3://…"""
    return isinstance(name, str) and ("://" in name or "::" in name)


def check_url(url: str) -> None:
    """InputError where a URL has a protocol that is neither plain nor allowed by name, or chains such."""
    *chained, last = (part.split("://")[0] for part in url.split("::"))
    allowed = {name.strip() for name in os.environ.get(PROTOCOLS_VARIABLE, "").split(",")}
    refused = [name for name in chained if name not in allowed]
    if not PLAIN.fullmatch(last) and last not in allowed:
        refused.append(last)
    if refused:
        hint = (
            f"Only for URLs that you trust: twinsign --protocols {','.join(refused)} COMMAND, or {PROTOCOLS_VARIABLE}."
        )
        raise InputError(f"protocol {refused[0]!r}", "a plain one, or one allowed by name", file=url, hint=hint)


def locate(name: str | PathLike[str]) -> list[Location]:
    """The files that one name refers to, in order; InputError where there are none, or shards are missing."""
    if is_url(name):
        return _locate_remote(str(name))
    path = Path(name)
    if path.is_dir():
        return _complete_shards(list(path.glob(f"*{PACK_SUFFIX}")), path)
    if path.exists() or not _MAGIC.search(fspath(path)):
        return [path]
    root = Path(path.anchor) if path.is_absolute() else Path()
    return _complete_shards([file for file in root.glob(fspath(path.relative_to(root))) if file.is_file()], path)


def _locate_remote(url: str) -> list[Location]:
    check_url(url)
    try:
        files, path = url_to_fs(url)
        if isinstance(files, LocalFileSystem):
            return locate(Path(path))
        is_glob = bool(_MAGIC.search(path))
        if "::" in url or not (is_glob or files.isdir(path)):  # a chain of file systems is one file
            return [url]
        inside = files.glob(path if is_glob else f"{path.rstrip('/')}/*{PACK_SUFFIX}")
        return _complete_shards([files.unstrip_protocol(file) for file in inside], url)
    except InputError:
        raise
    except (OSError, ImportError, ValueError) as error:
        raise InputError(f"a URL that cannot be opened ({error})", "a URL that fsspec opens", file=url) from error


def _complete_shards(files: Sequence[Location], asked: Location) -> list[Location]:
    """Sorted; where names say `00003-of-00012`, all twelve must be there."""
    if not files:
        raise InputError("no packs", f"files that end in {PACK_SUFFIX}", file=asked)
    sets: dict[tuple[str, str], set[int]] = {}
    for match in filter(None, (_NUMBERED.fullmatch(str(file)) for file in files)):
        sets.setdefault((match[1], match[3]), set()).add(int(match[2]))
    for (_, count), numbers in sets.items():
        missing = sorted(set(range(int(count))) - numbers) if int(count) < 10**6 else []
        if missing:
            raise InputError(f"{len(numbers)} of {int(count)} shards", f"number {missing[0]}, too", file=asked)
    return sorted(files, key=str)


class LocalBytes:
    """A map of a local file; the system reads what is touched."""

    whole = True
    """Whether all of the map has content."""

    def __init__(self, path: Path) -> None:
        if not path.is_file() or not path.stat().st_size:
            raise InputError("an empty file" if path.is_file() else "no such file", WANTED, file=path)
        self.path = path
        with path.open("rb") as stream:
            self.map = mmap(stream.fileno(), 0, access=ACCESS_READ)
        # Clips are read in random order: reading ahead, by the system's own choice, would read it all.
        self.map.madvise(MADV_RANDOM)

    def need(self, spans: Iterable[Span]) -> None:
        """Ask the system for these spans at once: touched one by one, each page would be waited for.

        InputError where the file has been cut short since it was opened: to touch what is gone would end the process.
        """
        if (size := self.map.size()) < len(self.map):
            found = f"{size} bytes of a file that had {len(self.map)} when it was opened"
            raise InputError(found, "a file that does not change while it is read", file=self.path)
        for start, end in spans:
            first = start - start % PAGESIZE
            if end > start:
                self.map.madvise(MADV_WILLNEED, first, end - first)


class RemoteBytes:
    """A map of a sparse copy of a remote file, whose blocks are fetched when first needed; it ends with the process."""

    whole = False

    def __init__(self, url: str) -> None:
        check_url(url)  # a glob may have listed it
        self.url = url
        self._connect()
        with self._fetching():
            self.size = int(self.files.size(self.path) or 0)
        if not self.size:
            raise InputError("an empty file", WANTED, file=url)
        with tempfile.TemporaryFile(prefix="twinsign-") as stream:
            os.ftruncate(stream.fileno(), self.size)
            self.map = mmap(stream.fileno(), self.size)
        self.fetched = np.zeros(-(-self.size // BLOCK), bool)

    def need(self, spans: Iterable[Span]) -> None:
        """Fetch the blocks of these spans that are still missing, neighbours together, all at once."""
        blocks = [np.arange(start // BLOCK, -(-end // BLOCK)) for start, end in spans if end > start]
        missing = np.unique(np.concatenate([*blocks, np.arange(0)]))
        missing = missing[~self.fetched[missing]]
        if not len(missing):
            return
        if os.getpid() != self.process:  # connections do not survive a fork
            self._connect()
        runs = np.split(missing, np.flatnonzero(np.diff(missing) > 1) + 1)
        starts = [int(run[0]) * BLOCK for run in runs]
        ends = [min((int(run[-1]) + 1) * BLOCK, self.size) for run in runs]
        with self._fetching():
            contents = self.files.cat_ranges([self.path] * len(runs), starts, ends, on_error="raise")
        for start, end, content in zip(starts, ends, contents, strict=True):
            if len(content) != end - start:
                raise InputError(f"{len(content)} bytes at {start}", f"{end - start}", file=self.url)
            self.map[start:end] = content
        self.fetched[missing] = True

    def _connect(self) -> None:
        self.process = os.getpid()
        with self._fetching():
            self.files, self.path = url_to_fs(self.url, skip_instance_cache=True)

    @contextmanager
    def _fetching(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise InputError("no such file", WANTED, file=self.url) from error
        # Every file system raises errors of its own.
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            raise InputError(f"a file that could not be fetched ({reason})", WANTED, file=self.url) from error
