"""Choosing rows of one or several packs, and telling clips and splits apart by hashes."""

from __future__ import annotations

import json
import os
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from helpers.recordings import packed, recording
from pyarrow import ipc

from twinsign.datasets.folder import landmark_corpus
from twinsign.errors import InputError
from twinsign.pack.file import PackFile
from twinsign.pack.open import Pack
from twinsign.pack.report import PackReport
from twinsign.pack.schema import POSE_HASH, ROWS_KEY
from twinsign.pack.write import write_pack
from twinsign.pose.read import open_landmarks
from twinsign.pose.recording import Recording


def test_several_files_are_one_list(tmp_path: Path, recordings: list[Recording], small_batches: None) -> None:
    one = packed(tmp_path / "one", recordings[:5], [{"gloss": "a", "split": "train", "mine": "x"}] * 5)
    two = packed(tmp_path / "two", recordings[5:], [{"gloss": "b"}] * 3)
    both = Pack([tmp_path / "one", str(tmp_path / "two")])
    assert len(both) == 8
    assert both.column("id") == one.column("id") + two.column("id")
    assert both.column("mine") == ["x"] * 5 + [None] * 3
    assert len(both.provenance) == 2
    rows = np.asarray([7, 0, 5, 4, 2])
    found = both.flat(rows)
    np.testing.assert_array_equal(found.xy, np.concatenate([recordings[row].xy for row in rows]))
    assert both.pose_hashes([6, 1]) == two.pose_hashes([1]) + one.pose_hashes([1])
    assert both.select(["none"]).tolist() == [5, 6, 7]
    assert both.select(where=["mine=x"]).tolist() == [0, 1, 2, 3, 4]


def test_opening_touches_no_record_batch(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    touched: list[int] = []
    read = PackFile._batch
    monkeypatch.setattr(PackFile, "_batch", lambda self, number: touched.append(number) or read(self, number))
    found = Pack(pack.paths)
    assert (len(found), touched) == (8, [])
    found.flat([7])
    assert touched == [2], "a clip is its own batch"
    found.select(["train"])
    assert touched == [2, 0, 1, 2]


def test_a_footer_that_miscounts_is_refused(pack: Pack) -> None:
    table = ipc.open_file(pa.memory_map(str(pack.paths[0]))).read_all()
    for rows, words in (([3, 3, 3], "2 clips; wanted 3"), ([3, 3], "miscounts"), ([3, 3, "2"], "miscounts")):
        pack.paths[0].unlink(missing_ok=True)
        with ipc.new_file(pack.paths[0], table.schema, metadata={ROWS_KEY: json.dumps(rows).encode()}) as file:
            file.write_table(table)
        with pytest.raises(InputError, match=words) as caught:
            Pack(pack.paths).flat([7])
        assert caught.value.file == pack.paths[0]


class TestSelect:
    def test_by_split_and_column(self, pack: Pack) -> None:
        assert pack.select().tolist() == list(range(8))
        assert pack.select(["val"]).tolist() == [1, 4, 7]
        assert pack.select(["test", "train"]).tolist() == [0, 2, 3, 5, 6]
        assert pack.select(where=["subset=1"]).tolist() == [1, 3, 5, 7]
        assert pack.select(["val"], ["subset=1", "signer=s1"]).tolist() == [1, 7]
        assert pack.select(where=["note=ü"]).tolist() == [7]
        assert pack.select(where=["frames=1"]).tolist() == [1, 6]
        assert pack.select(where=["width=640"]).tolist() == [2, 3, 6, 7]

    def test_clips_without_a_split_are_the_split_none(self, tmp_path: Path, recordings: list[Recording]) -> None:
        found = packed(tmp_path / "p", recordings[:3], [{"split": "train"}, {}, {"split": ""}])
        assert found.select(["none"]).tolist() == [1, 2]

    def test_an_unknown_split(self, pack: Pack) -> None:
        with pytest.raises(InputError, match="split 'dev'; wanted one of test, train, val") as caught:
            pack.select(["val", "dev"])
        assert caught.value.file == pack.paths[0]

    def test_an_unknown_column(self, pack: Pack) -> None:
        with pytest.raises(InputError, match=r"no column 'wlasl'; wanted one of id, gloss, .*subset"):
            pack.select(where=["wlasl=1"])
        with pytest.raises(InputError, match="no column 'xy'"):
            pack.select(where=["xy=1"])
        with pytest.raises(InputError, match="condition 'subset'; wanted COLUMN=VALUE"):
            pack.select(where=["subset"])

    @pytest.mark.parametrize("where", [["subset=2"], ["subset=0", "subset=1"], ["note="]])
    def test_no_clip_left(self, pack: Pack, where: list[str]) -> None:
        with pytest.raises(InputError, match="found no clip") as caught:
            pack.select(["val"], where)
        assert where[0] in caught.value.wanted
        assert "val" in caught.value.wanted


class TestHashes:
    def test_a_split_is_its_ids_and_glosses_in_any_order(self, pack: Pack, tmp_path: Path) -> None:
        rows = np.asarray([1, 4, 7])
        assert pack.split_hash(rows) == pack.split_hash(rows[::-1])
        assert len({pack.split_hash(np.asarray(some)) for some in combinations(range(8), 3)}) == 56
        rng = np.random.default_rng(0)
        names = [("a", "x"), ("b", "y"), ("a", "y"), ("b", "x")]
        four = [packed(tmp_path / str(n), [recording(rng, i, 1)], [{"gloss": g}]) for n, (i, g) in enumerate(names)]
        assert len({one.split_hash(np.asarray([0])) for one in four}) == 4

    def test_a_split_is_the_same_in_another_pack(self, pack: Pack, recordings: list[Recording], tmp_path: Path) -> None:
        glosses = [{"gloss": gloss} for gloss in pack.column("gloss")]
        other = packed(tmp_path / "other", recordings[::-1], glosses[::-1])
        assert other.split_hash(np.asarray([0, 3, 6])) == pack.split_hash(np.asarray([7, 4, 1]))

    def test_poses_are_their_coordinates_and_mask(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        one = recording(rng, "a", 4)
        moved, unseen = one.xy.copy(), one.score.copy()
        joint = np.flatnonzero(one.seen[2])[0]
        moved[2, joint, 0] += 2**-9
        unseen[2, joint] = 0
        others = [
            Recording("same", one.xy, one.score, fps=9.0, source="elsewhere"),
            Recording("moved", moved, one.score),
            Recording("unseen", one.xy, unseen),
            Recording("shorter", one.xy[:3], one.score[:3]),
        ]
        found = packed(tmp_path / "p", [one, *others]).pose_hashes(range(5))
        assert found[0] == found[1]
        assert len(set(found)) == 4

    def test_older_packs_have_none_and_give_the_same(self, pack: Pack) -> None:
        stored = pack.pose_hashes(range(8))
        assert stored == pack.column(POSE_HASH)
        table = ipc.open_file(pa.BufferReader(pack.paths[0].read_bytes())).read_all().drop_columns([POSE_HASH])
        pack.paths[0].unlink()
        with ipc.new_file(pack.paths[0], table.schema) as file:
            file.write_table(table)
        assert POSE_HASH not in Pack(pack.paths).table.column_names
        assert Pack(pack.paths).pose_hashes(range(8)) == stored

    def test_the_mask_alone_makes_another_pose(self, tmp_path: Path) -> None:
        xy, score = np.zeros((2, 49, 2)), np.ones((2, 49))
        two = np.zeros((2, 49))
        two[0] = 1
        found = packed(tmp_path / "p", [Recording("a", xy, score), Recording("b", xy, two)]).pose_hashes([0, 1])
        assert found[0] != found[1]


@pytest.fixture(scope="module")
def wlasl(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Pack, PackReport]:
    """The real hands, packed."""
    path = tmp_path_factory.mktemp("wlasl") / "hands.pack"
    report = write_pack(landmark_corpus(data_dir / "wlasl300_hands.npz"), path)
    return Pack(path), report


def test_real_splits(wlasl: tuple[Pack, PackReport]) -> None:
    pack, report = wlasl
    assert report.clips == {"train": 1897, "val": 446, "test": 317}
    assert (report.glosses, report.exit_code, report.without["trunk"]) == (300, 0, 100.0)
    assert 20 < report.without["both hands"] < 45
    assert [len(pack.select([split], ["wlasl100=1"])) for split in ("train", "val", "test")] == [748, 165, 100]


def test_real_clips_are_stored_as_they_are(wlasl: tuple[Pack, PackReport], data_dir: Path) -> None:
    pack, opened = wlasl[0], open_landmarks(data_dir / "wlasl300_hands.npz")
    rows = np.random.default_rng(0).choice(len(pack), 200, replace=False)
    flat = pack.flat(rows)
    wanted = [opened.clip(int(row)) for row in rows]
    assert [pack.column("id")[row] for row in rows] == [one.id for one in wanted]
    np.testing.assert_array_equal(flat.xy, np.concatenate([one.xy for one in wanted]))
    np.testing.assert_array_equal(flat.score, np.concatenate([one.score for one in wanted]))


def test_real_duplicates_are_found(wlasl: tuple[Pack, PackReport], data_dir: Path) -> None:
    """The pairs of equal hashes are those of equal arrays, and those that the annotation names."""
    pack, opened = wlasl[0], open_landmarks(data_dir / "wlasl300_hands.npz")
    ids, hashes = pack.column("id"), pack.pose_hashes(range(len(pack)))

    def pairs(keys: list[object]) -> set[frozenset[str]]:
        groups: dict[object, list[str]] = {}
        for key, name in zip(keys, ids, strict=True):
            groups.setdefault(key, []).append(name)
        return {frozenset(pair) for group in groups.values() for pair in combinations(group, 2)}

    spans = [slice(*opened.offsets[number : number + 2]) for number in range(len(opened))]
    equal = pairs([(opened.xy[span].tobytes(), opened.seen[span].tobytes()) for span in spans])
    named = {
        frozenset((row["id"], other))
        for row in opened.rows
        for other in row["duplicate_of"].replace(",", " ").replace(";", " ").split()
        if other in set(ids)
    }
    assert pairs(list(hashes)) == equal == named
    assert len(equal) == 30


def test_the_provenance_is_json(pack: Pack) -> None:
    assert json.loads(json.dumps(pack.provenance)) == pack.provenance


def test_a_file_cut_short_while_it_is_read_is_an_error(pack: Pack, tmp_path: Path) -> None:
    """Touching what is gone would end the process by SIGBUS."""
    path = Path(pack.paths[0])
    whole = path.read_bytes()
    for touch in (lambda: pack.flat(range(len(pack))), lambda: Pack.table.func(pack), lambda: pack.recording(0)):  # type: ignore[attr-defined]
        os.truncate(path, 8)
        with pytest.raises(InputError, match=rf"found 8 bytes of a file that had {len(whole)}") as caught:
            touch()
        assert caught.value.file == path
        path.write_bytes(whole)
        touch()
