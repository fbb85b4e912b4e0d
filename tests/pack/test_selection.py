"""Which clips take part: labels, shares of them, and what pre-training may never see."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from helpers.tiny_configs import pack_of, sample
from hypothesis import given
from hypothesis import strategies as st

from twinsign.errors import InputError
from twinsign.pack.open import Pack
from twinsign.pack.selection import (
    LabelledRows,
    label_list,
    labelled_rows,
    sample_labels,
    select_labelled_training,
    select_pretraining,
    signer_overlap,
)
from twinsign.pack.write import write_pack


def ids(pack: Pack, rows: np.ndarray) -> list[str]:
    found: list[str] = pack.table["id"].take(rows).to_pylist()
    return found


def test_label_list_is_sorted_and_needs_two(tmp_path: Path) -> None:
    pack = pack_of(tmp_path / "P", sample("a", "WATER"), sample("b", "APPLE"), sample("c"), sample("d", "WATER"))
    assert label_list(pack, np.arange(4)) == ["APPLE", "WATER"]
    with pytest.raises(InputError, match="1 glosses"):
        label_list(pack, np.array([0, 2, 3]))


def test_labelled_rows_and_the_clip_whose_label_is_missing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pack = pack_of(tmp_path / "P", sample("a", "WATER"), sample("b"), sample("c", "APPLE"), sample("d", "WATER"))
    found = labelled_rows(pack, np.array([3, 1, 2]), ["APPLE", "WATER"])
    assert found.rows.tolist() == [3, 2]
    assert "1 of 3 clips have no gloss and are left out" in caplog.text
    assert found.labels.tolist() == [1, 0]
    with pytest.raises(InputError, match="gloss 'APPLE'") as error:
        labelled_rows(pack, np.arange(4), ["WATER"])
    assert "clip 'c'" in str(error.value)
    assert str(tmp_path / "P") in str(error.value)
    with pytest.raises(InputError, match="no clip with a gloss"):
        labelled_rows(pack, np.array([1]), ["WATER"])


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    fraction=st.floats(0.01, 1.0),
    seed=st.integers(0, 1000),
)
def test_a_share_is_stratified_seeded_and_never_empty(labels: list[int], fraction: float, seed: int) -> None:
    data = LabelledRows(np.arange(len(labels)) * 3, np.asarray(labels))
    found, again = sample_labels(data, fraction, seed), sample_labels(data, fraction, seed)
    assert found.rows.tolist() == again.rows.tolist() == sorted(set(found.rows.tolist()))
    whole = dict(zip(data.rows.tolist(), labels, strict=True))
    assert [whole[row] for row in found.rows.tolist()] == found.labels.tolist()
    for label in set(labels):
        mine = int((found.labels == label).sum())
        assert mine == max(1, round(fraction * labels.count(label)))


def test_shares_differ_by_seed_and_all_is_all() -> None:
    data = LabelledRows(np.arange(100), np.repeat(np.arange(5), 20))
    assert sample_labels(data, 1.0, 0).rows.tolist() == list(range(100))
    assert sample_labels(data, 0.2, 0).rows.tolist() != sample_labels(data, 0.2, 1).rows.tolist()
    for wrong in (0.0, -0.5, 1.5, float("nan")):
        with pytest.raises(InputError, match="label fraction"):
            sample_labels(data, wrong, 0)


@given(labels=st.lists(st.integers(0, 4), min_size=1, max_size=60), seed=st.integers(0, 1000))
def test_shares_of_one_seed_are_nested(labels: list[int], seed: int) -> None:
    data = LabelledRows(np.arange(len(labels)), np.asarray(labels))
    shares = [sample_labels(data, fraction, seed) for fraction in (0.1, 0.2, 0.4, 0.6, 1.0)]
    counts = [sample_labels(data, 1.0, seed, per_class) for per_class in (1, 2, 5, 60)]
    for chain in (shares, counts):
        for less, more in pairwise(chain):
            assert set(less.rows.tolist()) <= set(more.rows.tolist())
    for found, wanted in zip(counts, (1, 2, 5, 60), strict=True):
        for label in set(labels):
            assert (found.labels == label).sum() == min(wanted, labels.count(label))


def test_labels_a_class_exclude_a_share() -> None:
    data = LabelledRows(np.arange(10), np.arange(10) % 2)
    with pytest.raises(InputError, match="0 labels per class"):
        sample_labels(data, 1.0, 0, 0)
    with pytest.raises(InputError, match=r"3 labels per class with label fraction 0\.5; wanted at least 1, and one of"):
        sample_labels(data, 0.5, 0, 3)


def test_shared_signers_are_counted_where_they_are_named() -> None:
    learnt, asked = ["ann", "ann", "bea", ""], ["bea", "bea", "cem", ""]
    assert signer_overlap(asked, learnt) == {
        "evaluated": 2,
        "shared": 1,
        "clips_of_shared": 2,
        "clips_without_signer": 1,
        "independent": False,
    }

    def independent(asked: list[str], learnt: list[str]) -> bool | None:
        found = signer_overlap(asked, learnt)
        return found["independent"] if found else None

    assert independent(asked[:3], learnt[:2]) is True
    assert independent(asked[2:], learnt[:2]) is None  # one clip's signer may be anybody
    assert independent(asked[2:3], learnt) is None
    assert signer_overlap(asked[3:], learnt) is None
    assert signer_overlap(asked, learnt[3:]) is None


def test_pretraining_never_sees_what_is_held_out(tmp_path: Path) -> None:
    pack = pack_of(
        tmp_path / "P",
        sample("train", look=1),
        sample("unsplit", split="", look=2),
        sample("extra", split="none", look=3),
        sample("val", split="val", look=4),
        sample("test", split="test", look=5),
        sample("same as val", look=4),
        sample("same as test", look=5),
        sample("same as train", look=1),
        sample("handless", hand=False, look=6),
    )
    assert ids(pack, select_pretraining(pack)) == ["train", "unsplit", "extra", "same as train"]


def test_other_packs_clips_are_kept_out_by_id_and_by_poses(tmp_path: Path) -> None:
    other = pack_of(
        tmp_path / "O",
        sample("x", split="test", look=11),
        sample("y", split="val", look=12),
        sample("z", split="train", look=13),
    )
    pack = pack_of(
        tmp_path / "P",
        sample("x", look=21), sample("y", look=22), sample("z", look=23),
        sample("poses of x", look=11), sample("poses of y", look=12), sample("poses of z", look=13),
        sample("new", look=31),
    )  # fmt: skip
    assert ids(pack, select_pretraining(pack)) == ["x", "y", "z", "poses of x", "poses of y", "poses of z", "new"]
    assert ids(pack, select_pretraining(pack, [other])) == ["z", "poses of z", "new"]
    both = Pack([tmp_path / "O", tmp_path / "P"])
    assert ids(both, select_pretraining(both)) == ["z", "z", "poses of z", "new"], "of joined packs, too"


def test_equal_ids_of_datasets_that_are_told_apart_are_chance(tmp_path: Path) -> None:
    def packed(name: str, split: str, look: int, **note: str) -> Path:
        write_pack([sample("1", split=split, look=look), sample("2", look=look + 1)], tmp_path / name, provenance=note)
        return tmp_path / name

    wlasl = packed("wlasl", "test", 1, command="pack landmarks", dataset="WLASL")
    cases = {
        "unknown": ({"command": "pack landmarks"}, 2),
        "any set": ({"command": "pack set"}, 2),
        "same": ({"dataset": "wlasl"}, 2),
        "its own command": ({"command": "pack wlasl"}, 2),
        "another": ({"dataset": "slr500"}, 3),
        "another command": ({"command": "pack slr500"}, 3),
    }
    for look, (name, (note, left)) in enumerate(cases.items()):
        both = Pack([wlasl, packed(name, "train", 10 * look + 10, **note)])
        assert len(select_pretraining(both)) == left, name
        assert len(select_pretraining(Pack(tmp_path / name), [Pack(wlasl)])) == left - 1, name
    copies = packed("copies", "train", 1, dataset="slr500")
    assert len(select_pretraining(Pack([wlasl, copies]))) == 2, "bit-identical poses stay out whatever the dataset"


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    pack = pack_of(tmp_path / "P", sample("a", split="test"), sample("b", hand=False))
    with pytest.raises(InputError, match="no clip to learn from"):
        select_pretraining(pack)


@pytest.mark.parametrize("split", ["train", "none"])
def test_an_unlabelled_pack_is_said_to_be_one(tmp_path: Path, split: str) -> None:
    pack = pack_of(tmp_path / "P", sample("a", "", split), sample("b", "", split))
    for ask in (
        lambda: select_labelled_training(pack, [], 1.0, 0),
        lambda: labelled_rows(pack, np.arange(2), ["a", "b"]),
    ):
        with pytest.raises(InputError, match=r"no labelled clip: the pack has no gloss.*--annotations"):
            ask()


def test_a_pack_without_splits_is_said_to_be_one(tmp_path: Path) -> None:
    pack = pack_of(tmp_path / "P", sample("a", "x", "none"), sample("b", "y", ""))
    with pytest.raises(InputError, match=r"no clip of split 'train': no clip of the pack has a split.*--split_by"):
        select_labelled_training(pack, [], 1.0, 0)
