"""From what `--data` names to files: a pack, a glob of packs, a folder of shards, or any of these behind a URL."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from twinsign.errors import InputError

Place = Path | str
"""A local file, or the URL of a remote one."""
ENDING = ".pack"
PLAIN = re.compile("abfs|adl|az|file|ftp|gcs|gs|hdfs|hf|https?|local|memory|oci|oss|s3a?|sftp|ssh|webdav|webhdfs")
"""Protocols of one place each. Others wrap places, keep copies or, as `reference` does, obey a file's instructions."""
ALLOWED = "TWINSIGN_PROTOCOLS"
"""Environment variable with further protocols, joined by commas, and those that chains may begin with."""
_NUMBERED = re.compile(r"(.*?)(\d+)-of-(\d+)\.pack")
_MAGIC = re.compile(r"[*?\[]")


def is_url(name: str | PathLike[str]) -> bool:
    """Whether fsspec is to open it: s3://…, memory://…, simplecache::s3://…"""
    return isinstance(name, str) and ("://" in name or "::" in name)


def check_url(url: str) -> None:
    """InputError where a URL has a protocol that neither is plain nor was allowed by name, or chains such."""
    *chained, last = (part.split("://")[0] for part in url.split("::"))
    named = {one.strip() for one in os.environ.get(ALLOWED, "").split(",")}
    refused = [one for one in chained if one not in named] + [last] * (not PLAIN.fullmatch(last) and last not in named)
    if refused:
        hint = f"Only for URLs that you trust: twinsign --protocols {','.join(refused)} COMMAND, or {ALLOWED}."
        raise InputError(f"protocol {refused[0]!r}", "a plain one, or one allowed by name", file=url, hint=hint)


def locate(name: str | PathLike[str]) -> list[Place]:
    """The files that one name stands for, in order; InputError where there are none, or shards are missing."""
    if is_url(name):
        return _remote(str(name))
    path = Path(name)
    if path.is_dir():
        return _shards(list(path.glob(f"*{ENDING}")), path)
    if path.exists() or not _MAGIC.search(fspath(path)):
        return [path]
    root = Path(path.anchor) if path.is_absolute() else Path()
    found = [one for one in root.glob(fspath(path.relative_to(root))) if one.is_file()]
    return _shards(found, path)


def _remote(url: str) -> list[Place]:
    check_url(url)
    try:
        files, path = url_to_fs(url)
        if isinstance(files, LocalFileSystem):
            return locate(Path(path))
        if "::" in url:  # a chain of file systems: one file
            return [url]
        if _MAGIC.search(path):
            return _shards([files.unstrip_protocol(one) for one in files.glob(path)], url)
        if files.isdir(path):
            inside = files.glob(f"{path.rstrip('/')}/*{ENDING}")
            return _shards([files.unstrip_protocol(one) for one in inside], url)
    except (OSError, ImportError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"what cannot be opened ({error})", "a URL that fsspec opens", file=url) from error
    return [url]


def _shards(found: Sequence[Place], asked: Place) -> list[Place]:
    """Sorted; where names say `00003-of-00012`, all twelve must be there."""
    if not found:
        raise InputError("no packs", f"files that end in {ENDING}", file=asked)
    sets: dict[tuple[str, str], set[int]] = {}
    for match in filter(None, (_NUMBERED.fullmatch(str(one)) for one in found)):
        sets.setdefault((match[1], match[3]), set()).add(int(match[2]))
    for (_, count), numbers in sets.items():
        lacking = sorted(set(range(int(count))) - numbers) if int(count) < 10**6 else []
        if lacking:
            raise InputError(f"{len(numbers)} of {int(count)} shards", f"number {lacking[0]}, too", file=asked)
    return sorted(found, key=str)
