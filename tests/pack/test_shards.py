"""One pack in many files: folders of shards, globs, and what each name of several stands for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.recordings import packed, sample

from twinsign.datasets.sample import Corpus
from twinsign.errors import InputError
from twinsign.pack.open import Pack
from twinsign.pack.write import PackOptions, write_pack
from twinsign.pose.recording import Recording

LOST = [{"id": "lost", "gloss": "sign1", "split": "test"}]


@pytest.fixture
def shards(recordings: list[Recording], pack: Pack, tmp_path: Path) -> Path:
    """The recordings in a folder of two files: six clips, then two."""
    rows = pack.table.select(["gloss", "split", "signer", "subset", "note"]).to_pylist()
    samples = [sample(one, **row) for one, row in zip(recordings, rows, strict=True)]
    pack.paths[0].unlink()
    write_pack(Corpus(samples, missing=LOST), tmp_path / "S.pack", options=PackOptions(0, shard_clips=4))
    return tmp_path / "S.pack"


def same(found: Pack, whole: Pack) -> None:
    rows = np.random.default_rng(0).permutation(len(whole))
    assert found.table.equals(whole.table)
    for one, other in zip(found.flat(rows), whole.flat(rows), strict=True):
        np.testing.assert_array_equal(one, other)
    assert found.pose_hashes(rows) == whole.pose_hashes(rows)


def test_a_folder_of_shards_is_the_pack(shards: Path, pack: Pack) -> None:
    assert sorted(path.name for path in shards.iterdir()) == ["00000-of-00002.pack", "00001-of-00002.pack"]
    found = Pack(shards)
    assert [len(Pack(path)) for path in found.paths] == [6, 2]
    same(found, pack)
    assert found.missing == LOST
    assert found.given == [shards]


def test_globs_are_sorted_and_may_stand_for_many(shards: Path, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    same(Pack(str(shards / "*.pack")), pack)
    same(Pack(str(shards.parent / "**" / "0*.pack")), pack)
    monkeypatch.chdir(shards.parent)
    same(Pack("S.pa?k/*"), pack)
    with pytest.raises(InputError, match=r"no packs.*end in \.pack"):
        Pack("S.pack/*.arrow")


def test_a_name_with_brackets_is_a_name(recordings: list[Recording], tmp_path: Path) -> None:
    assert len(packed(tmp_path / "a[1].pack", recordings[:2])) == 2


def test_a_lacking_shard_is_named(shards: Path) -> None:
    (shards / "00000-of-00002.pack").unlink()
    with pytest.raises(InputError, match="1 of 2 shards; wanted number 0"):
        Pack(shards)
    assert len(Pack(shards / "00001-of-00002.pack")) == 2


def test_rows_know_their_file_and_their_name(shards: Path, recordings: list[Recording], tmp_path: Path) -> None:
    packed(tmp_path / "other.pack", recordings[:3])
    found = Pack([tmp_path / "other.pack", shards])
    rows = np.asarray([10, 0, 3, 9, 2])
    assert found.file_of(rows).tolist() == [2, 0, 1, 2, 0]
    assert found.given_of(rows).tolist() == [1, 0, 1, 1, 0]


def test_a_folder_of_shards_is_replaced_whole(shards: Path, recordings: list[Recording]) -> None:
    write_pack([sample(one) for one in recordings[:3]], shards, options=PackOptions(0, shard_clips=100))
    assert [path.name for path in shards.iterdir()] == ["00000-of-00001.pack"]
    assert [path.name for path in shards.parent.iterdir()] == [shards.name]


def test_other_folders_are_not_replaced(shards: Path, recordings: list[Recording], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found a folder; wanted a new name"):
        write_pack([sample(recordings[0])], shards)
    (shards / "notes.txt").touch()
    with pytest.raises(InputError, match=r"a folder that holds notes\.txt"):
        write_pack([sample(recordings[0])], shards, options=PackOptions(0, shard_clips=1))
    assert len(Pack(shards)) == len(recordings)


def test_a_file_becomes_a_folder(recordings: list[Recording], tmp_path: Path) -> None:
    packed(tmp_path / "p", recordings)
    write_pack([sample(one) for one in recordings[:3]], tmp_path / "p", options=PackOptions(0, shard_clips=1))
    assert len(Pack(tmp_path / "p")) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["p"]
