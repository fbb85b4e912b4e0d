"""Landmark sets as clips to pack: rows kept, each clip read in its turn, bad ones listed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twinsign.datasets.folder import landmark_corpus
from twinsign.datasets.splits import normalise_splits
from twinsign.errors import InputError
from twinsign.pack.open import Pack
from twinsign.pack.write import write_pack
from twinsign.pose.layout import JOINT_COUNT

LENGTHS = (2, 0, 3, 1)


def write(folder: Path, table: str) -> Path:
    rng = np.random.default_rng(0)
    frames = sum(LENGTHS)
    xy = rng.random((frames, JOINT_COUNT, 2)).astype(np.float16)
    seen = np.packbits(np.ones((frames, JOINT_COUNT), bool), axis=1)
    np.savez(folder / "set.npz", xy=xy, seen=seen, offsets=np.cumsum([0, *LENGTHS]))
    (folder / "set.csv").write_text(table, encoding="utf-8")
    return folder / "set.npz"


def test_clips_with_their_rows(tmp_path: Path) -> None:
    path = write(tmp_path, "id,gloss,split,level\na,x,train,1\nb,x,,\nc,y,val,2\nd,,test,\n")
    corpus = landmark_corpus(path)
    listed = corpus.samples
    assert len(listed) == 4
    assert corpus.files == [path, path.with_suffix(".csv")]
    assert [sample.id for sample in listed] == ["a", "b", "c", "d"]
    assert listed[2].row == {"gloss": "y", "split": "val", "level": "2"}
    assert len(listed[2].read().xy) == 3
    assert listed[2].read().id == "c"
    with pytest.raises(InputError) as caught:
        listed[1].read()
    assert (caught.value.clip, caught.value.found) == ("b", "0 frames")


def test_packing_lists_the_bad_clip_and_keeps_the_rest(tmp_path: Path) -> None:
    path = write(tmp_path, "id,gloss,frames\na,x,2\nb,x,0\nc,y,3\nd,,1\n")
    report = write_pack(landmark_corpus(path).samples, tmp_path / "p")
    pack = Pack(tmp_path / "p")
    assert (report.exit_code, list(report.unreadable)) == (3, ["b"])
    assert pack.column("id") == ["a", "c", "d"]
    assert pack.column("gloss") == ["x", "y", None]
    assert pack.frames.tolist() == [2, 3, 1]
    assert pack.column("source") == [str(path)] * 3


def test_ids_alone_will_do(tmp_path: Path) -> None:
    samples = landmark_corpus(write(tmp_path, "id\na\nb\nc\nd\n")).samples
    assert [sample.row for sample in samples] == [{}] * 4


def test_a_damaged_set_is_refused_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, "id\na\nb\n")
    with pytest.raises(InputError, match="4 clips"):
        landmark_corpus(path)
    path.unlink()
    with pytest.raises(InputError, match="no such file"):
        landmark_corpus(path)


@pytest.mark.parametrize("head", ["id, gloss, split", "ID,Gloss,SPLIT", "id,label,subset"])
def test_a_table_under_other_names(tmp_path: Path, head: str) -> None:
    path = write(tmp_path, f"{head}\na,x,train\nb,x,dev\nc,y,Validation\nd,y,\n")
    corpus = normalise_splits(landmark_corpus(path))
    assert [(sample.row["gloss"], sample.row["split"]) for sample in corpus.samples] == [
        ("x", "train"),
        ("x", "val"),
        ("y", "val"),
        ("y", ""),
    ]
    assert sum("taken as" in note for note in corpus.notes) == (4 if "label" in head else 2)
