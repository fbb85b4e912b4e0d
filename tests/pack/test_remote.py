"""Packs behind URLs: only what is touched is fetched, and it reads as a local one does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from helpers.recordings import packed, recording
from pyarrow import ipc

from twinsign.cli.main import main
from twinsign.errors import InputError
from twinsign.pack import locate
from twinsign.pack.locate import RemoteBytes
from twinsign.pack.open import Pack
from twinsign.pose.recording import Recording
from twinsign.views.batches import ClipBatchSampler, ClipLoader, ClipReader
from twinsign.views.config import ReadConfig


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[fsspec.AbstractFileSystem]:
    """An empty memory:// and small blocks."""
    monkeypatch.setattr(locate, "BLOCK", 512)
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()


def upload(files: fsspec.AbstractFileSystem, pack: Pack, name: str = "/a/p.pack") -> str:
    files.pipe(name, Path(pack.paths[0]).read_bytes())
    return f"memory:/{name}"


def fetched(pack: Pack) -> int:
    held = [file.bytes for file in pack._files]
    return sum(int(one.fetched.sum()) * locate.BLOCK for one in held if isinstance(one, RemoteBytes))


def test_it_reads_as_the_local_one(pack: Pack, memory: fsspec.AbstractFileSystem) -> None:
    found = Pack(upload(memory, pack))
    rows = np.random.default_rng(0).permutation(len(pack))
    for some in (rows[:2], rows):
        for one, other in zip(found.flat(some), pack.flat(some), strict=True):
            np.testing.assert_array_equal(one, other)
    assert found.table.equals(pack.table)
    for row in rows.tolist():
        np.testing.assert_array_equal(found.recording(row).score, pack.recording(row).score)


def test_only_what_is_touched_is_fetched(tmp_path: Path, memory: fsspec.AbstractFileSystem) -> None:
    rng = np.random.default_rng(0)
    local = packed(tmp_path / "p", [recording(rng, str(n), 40, scored=True) for n in range(40)])
    url = upload(memory, local)
    found = Pack(url)
    size = local.paths[0].stat().st_size  # type: ignore[union-attr]
    opened = fetched(found)
    assert opened < 0.05 * size
    np.testing.assert_array_equal(found.flat([17]).xy, local.flat([17]).xy)
    clip = 40 * (98 * 2 + 7 + 49)
    assert fetched(found) - opened < clip + 60 * 512
    found.select()
    found.flat([17])
    assert fetched(found) < 0.2 * size


def test_globs_and_folders(pack: Pack, recordings: list[Recording], memory: fsspec.AbstractFileSystem) -> None:
    for name in ("/a/1.pack", "/a/0.pack"):
        upload(memory, pack, name)
    for url in ("memory://a/*.pack", "memory://a", "memory://a/"):
        found = Pack(url)
        assert [str(path) for path in found.paths] == ["memory:///a/0.pack", "memory:///a/1.pack"]
        assert found.column("id") == 2 * pack.column("id")
    with pytest.raises(InputError, match="no packs"):
        Pack("memory://b/*.pack")


REFUSED = {
    "simplecache::memory://a/0.pack": "simplecache",
    "memory::file://a/0.pack": "memory",
    "reference://::memory://a/0.json": "reference",
    "reference::memory://a/0.json": "reference",
    "reference://a": "reference",
    "zip://x.pack::simplecache::memory://a.zip": "zip",
    "blockcache://a": "blockcache",
    "generic://a": "generic",
    "c://a": "c",
    "data:x://a": "data:x",
    "memory://a::b": "memory",
}


@pytest.mark.parametrize("url", REFUSED)
def test_chains_and_protocols_that_wrap_are_refused_before_anything_is_opened(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locate, "url_to_fs", lambda url: pytest.fail(f"opened {url}"))
    with pytest.raises(InputError, match=f"found protocol '{REFUSED[url]}'") as caught:
        Pack(url)
    assert caught.value.file == url


def test_they_are_opened_where_they_were_allowed_by_name(
    pack: Pack, memory: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    url = f"simplecache::{upload(memory, pack)}"
    monkeypatch.setenv(locate.PROTOCOLS_VARIABLE, "")
    assert main(["doctor", url]) == 2
    assert "twinsign --protocols simplecache COMMAND" in " ".join(capfd.readouterr().err.split())
    assert main(["--protocols", "simplecache", "doctor", url]) in (0, 1)
    monkeypatch.setenv(locate.PROTOCOLS_VARIABLE, "zip, simplecache")
    assert len(Pack(url)) == len(pack)


def test_a_name_that_a_glob_found_is_no_chain(pack: Pack, memory: fsspec.AbstractFileSystem) -> None:
    upload(memory, pack, "/a/x::y.pack")
    with pytest.raises(InputError, match="found protocol 'memory'"):
        Pack("memory://a/*.pack")


def test_local_urls_are_mapped(pack: Pack) -> None:
    assert Pack(f"file://{pack.paths[0]}").paths == pack.paths


def test_what_cannot_be_read(pack: Pack, memory: fsspec.AbstractFileSystem) -> None:
    with pytest.raises(InputError, match=r"memory://a/x\.pack: found no such file"):
        Pack("memory://a/x.pack")
    with pytest.raises(InputError, match="protocol 'nonsense'; wanted a plain one"):
        Pack("nonsense://a/x.pack")
    with pytest.raises(InputError, match="a URL that cannot be opened"):
        Pack("hdfs://nowhere.invalid/x.pack")
    data = Path(pack.paths[0]).read_bytes()
    for wrong in (b"", b"ARROW1", data[:-1], data[: len(data) // 2], b"x" * 5000):
        memory.pipe("/wrong.pack", wrong)
        with pytest.raises(InputError) as caught:
            Pack("memory://wrong.pack")
        assert caught.value.file == "memory://wrong.pack"
    url = upload(memory, pack)
    found = Pack(url)
    memory.rm("/a/p.pack")
    with pytest.raises(InputError, match="no such file"):
        found.flat([0])


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_packs_rewritten_by_other_programs(
    pack: Pack, memory: fsspec.AbstractFileSystem, compression: str | None
) -> None:
    table, sink = ipc.open_file(pa.memory_map(str(pack.paths[0]))).read_all(), pa.BufferOutputStream()
    with ipc.new_file(sink, table.schema, options=ipc.IpcWriteOptions(compression=compression)) as file:
        file.write_table(table)
    memory.pipe("/a/p.pack", sink.getvalue().to_pybytes())
    found, rows = Pack("memory://a/p.pack"), [6, 0, 3]
    np.testing.assert_array_equal(found.flat(rows).xy, pack.flat(rows).xy)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_worker_processes_connect_anew(pack: Pack, memory: fsspec.AbstractFileSystem) -> None:
    def ids(source: Pack, workers: int) -> list[list[float]]:
        reader = ClipReader(source, np.arange(len(source)), ReadConfig())
        loader = ClipLoader(reader, ClipBatchSampler(len(reader), 3, shuffle=True), workers=workers)
        return [clips.xy.sum(dim=(1, 2)).tolist() for clips in loader]

    assert ids(Pack(upload(memory, pack)), 2) == ids(pack, 0)


def test_a_shortened_answer_is_refused(
    pack: Pack, memory: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Pack(upload(memory, pack))
    whole = MemoryFileSystem.cat_ranges
    monkeypatch.setattr(MemoryFileSystem, "cat_ranges", lambda *a, **k: [one[:-1] for one in whole(*a, **k)])
    with pytest.raises(InputError, match="bytes at"):
        found.flat(range(len(found)))


def test_the_copy_is_no_file_of_the_user(pack: Pack, memory: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    before = os.listdir(tmp_path)  # noqa: PTH208
    Pack(upload(memory, pack)).flat([0])
    assert os.listdir(tmp_path) == before  # noqa: PTH208
