"""Where a pack's bytes are: a map of a local file, or of a sparse copy of a remote one that fills as it is touched."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from mmap import ACCESS_READ, MADV_RANDOM, MADV_WILLNEED, PAGESIZE, mmap
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from fsspec.core import url_to_fs
from numpy.typing import NDArray

from twinsign.errors import InputError
from twinsign.pack.locate import Place, check_url

BLOCK = 1 << 18
"""Bytes of a remote file that are fetched and kept together."""
Span = tuple[int, int]
"""Bytes from the first to before the second."""


class Bytes(Protocol):
    """A mapped file of which any part must be asked for before it is looked at."""

    map: mmap
    whole: bool
    """Whether all of it is there."""

    def need(self, spans: Iterable[Span]) -> None:
        """See that these spans are there."""


class LocalBytes:
    """A local file; the system reads what is touched."""

    whole = True

    def __init__(self, path: Path, wanted: str) -> None:
        if not path.is_file():
            raise InputError("no such file", wanted, file=path)
        if not path.stat().st_size:
            raise InputError("an empty file", wanted, file=path)
        self.path = path
        with path.open("rb") as stream:
            self.map = mmap(stream.fileno(), 0, access=ACCESS_READ)
        # Clips are asked for in random order: reading ahead, by the system's own choice, would read it all.
        self.map.madvise(MADV_RANDOM)

    def need(self, spans: Iterable[Span]) -> None:
        """Ask the system for these spans at once: touched one by one, each page would be waited for.

        InputError where the file has been cut short since it was opened: to touch what is gone would end the process.
        """
        if (size := self.map.size()) < len(self.map):
            found = f"{size} bytes of a file that had {len(self.map)} when it was opened"
            raise InputError(found, "a file that stays as it is while it is read", file=self.path)
        for start, end in spans:
            first = start - start % PAGESIZE
            if end > start:
                self.map.madvise(MADV_WILLNEED, first, end - first)


class RemoteBytes:
    """A remote file: blocks are fetched when first needed, into a temporary file that ends with the process."""

    whole = False

    def __init__(self, url: str, wanted: str) -> None:
        check_url(url)  # it may be one that a glob found
        self.url, self.wanted = url, wanted
        self.files, self.path = self._connect()
        with self._fetching():
            self.size = int(self.files.size(self.path) or 0)
        if not self.size:
            raise InputError("an empty file", wanted, file=url)
        with tempfile.TemporaryFile(prefix="twinsign-") as stream:
            os.ftruncate(stream.fileno(), self.size)
            self.map = mmap(stream.fileno(), self.size)
        self.there: NDArray[np.bool_] = np.zeros(-(-self.size // BLOCK), bool)

    def need(self, spans: Iterable[Span]) -> None:
        """Fetch the blocks of these spans that are not there yet, neighbours together, all at once."""
        asked = [number for start, end in spans if end > start for number in range(start // BLOCK, -(-end // BLOCK))]
        lacking = np.unique([number for number in asked if not self.there[number]]).astype(np.int64)
        if not len(lacking):
            return
        if os.getpid() != self.process:  # connections do not survive a fork
            self.files, self.path = self._connect()
        runs = np.split(lacking, np.flatnonzero(np.diff(lacking) > 1) + 1)
        starts = [int(run[0]) * BLOCK for run in runs]
        ends = [min((int(run[-1]) + 1) * BLOCK, self.size) for run in runs]
        with self._fetching():
            found = self.files.cat_ranges([self.path] * len(runs), starts, ends, on_error="raise")
        for start, end, data in zip(starts, ends, found, strict=True):
            if len(data) != end - start:
                raise InputError(f"{len(data)} bytes at {start}", f"{end - start}", file=self.url)
            self.map[start:end] = data
        self.there[lacking] = True

    def _connect(self) -> Any:
        self.process = os.getpid()
        with self._fetching():
            return url_to_fs(self.url, skip_instance_cache=True)

    @contextmanager
    def _fetching(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise InputError("no such file", self.wanted, file=self.url) from error
        # Every file system raises errors of its own.
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            raise InputError(f"what could not be fetched ({reason})", self.wanted, file=self.url) from error


def open_bytes(place: Place, wanted: str) -> Bytes:
    """The bytes of a local or remote file; InputError where there are none."""
    return LocalBytes(place, wanted) if isinstance(place, Path) else RemoteBytes(place, wanted)
