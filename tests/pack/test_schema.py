"""A pack is a plain Arrow file: other programs read it without twinsign."""

from __future__ import annotations

from pathlib import Path

import datasets
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import ipc

from twinsign.pack.open import Pack
from twinsign.pack.schema import BATCH_FRAMES, FORMAT, FORMAT_KEY, SEEN_BYTES, schema
from twinsign.pose.layout import JOINT_COUNT, LAYOUT_VERSION
from twinsign.pose.recording import Recording


def stored(one: Recording) -> np.ndarray:
    return one.xy.reshape(len(one.xy), -1).astype(np.float16)


def test_arrow(pack: Pack, recordings: list[Recording]) -> None:
    reader = ipc.open_file(pa.memory_map(str(pack.paths[0])))
    table = reader.read_all()
    assert reader.num_record_batches == 3
    assert table.schema.metadata[FORMAT_KEY] == FORMAT == str(LAYOUT_VERSION).encode()
    assert table.schema.equals(schema(["note", "subset"], ""))
    for row, one in enumerate(recordings):
        found = table.slice(row, 1).to_pylist()[0]
        bits = np.unpackbits(np.asarray(found["seen"], np.uint8), axis=1)
        assert bits.shape == (len(one.xy), 8 * SEEN_BYTES)
        np.testing.assert_array_equal(bits[:, :JOINT_COUNT], one.seen)
        assert not bits[:, JOINT_COUNT:].any()
        assert (found["score"] is None) == bool(row % 2)


def test_polars(pack: Pack, recordings: list[Recording]) -> None:
    table = pl.read_ipc(pack.paths[0])
    assert table["id"].to_list() == [one.id for one in recordings]
    for row, one in enumerate(recordings):
        np.testing.assert_array_equal(table["xy"][row].to_numpy(), stored(one))
    counts = table.group_by("split").len().sort("split").rows()
    assert counts == [("test", 2), ("train", 3), ("val", 3)]
    assert pl.scan_ipc(pack.paths[0]).filter(pl.col("hand_frames") > 0).select("id").collect().height == sum(
        pack.usable
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_hugging_face_datasets(
    pack: Pack, recordings: list[Recording], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    found = datasets.load_dataset(
        "arrow", data_files=str(pack.paths[0]), split="train", cache_dir=str(tmp_path / "cache")
    ).with_format("numpy")
    assert len(found) == len(recordings)
    for row, one in enumerate(recordings):
        assert np.shape(found[row]["xy"]) == (len(one.xy), 2 * JOINT_COUNT)
        np.testing.assert_array_equal(found[row]["xy"], stored(one))


def test_a_record_batch_holds_few_clips() -> None:
    """A record batch is what other programs load at once: a few megabytes, unless clips are very long."""
    assert BATCH_FRAMES * (2 * JOINT_COUNT * 2 + SEEN_BYTES) < 8e6
