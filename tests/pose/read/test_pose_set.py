"""What all files of many clips share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from helpers import published_formats

from twinsign.datasets.folder import set_corpus
from twinsign.errors import InputError
from twinsign.pack.open import Pack
from twinsign.pack.write import write_pack
from twinsign.pose.clip_file import ClipFile
from twinsign.pose.layout import JOINT_COUNT
from twinsign.pose.read import PoseSet, open_set
from twinsign.pose.recording import Recording


@dataclass(frozen=True)
class Lengths(PoseSet):
    """Clips of so many frames."""

    lengths: list[int]

    def _read(self, number: int, clip: ClipFile) -> Recording:
        shape = (self.lengths[number], JOINT_COUNT)
        return clip.recording(np.full((*shape, 2), 0.5, np.float32), np.ones(shape, np.float32), unit="fraction")


def lengths(*ids: str) -> Lengths:
    return Lengths(ClipFile(Path("set")), [{"id": name} for name in ids], list(range(len(ids))), notes=("known",))


def test_clips_by_number() -> None:
    clips = lengths("a", "b", "c")
    assert (len(clips), clips.path, clips.files, clips.notes) == (3, Path("set"), [Path("set")], ("known",))
    assert [len(clips.clip(number).xy) for number in (2, 1, -1)] == [2, 1, 2]
    assert clips.clip(1).id == "b"
    with pytest.raises(IndexError):
        clips.clip(3)
    with pytest.raises(InputError, match="clip 'a': found 0 frames"):
        list(clips)


@pytest.mark.parametrize("ids", [("a", "a"), ("a", "")])
def test_ids_are_there_and_unique(ids: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="id"):
        lengths(*ids)


@pytest.mark.parametrize("name", ["a.mp4", "a", "a.json"])
def test_unknown_formats_list_the_known(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="SPOTER") as caught:
        open_set(tmp_path / name)
    for known in ("landmark set", "PYSKL", "NLA-SLR", "SAM-SLR", "fingerspelling"):
        assert known in caught.value.wanted


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".pkl", ".PICKLE", ".parquet", ".csv"])
def test_absent_files(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(InputError, match="no such file"):
        open_set(tmp_path / f"a{suffix}")


def test_a_set_is_packed_with_its_rows_and_notes(tmp_path: Path) -> None:
    one = published_formats.annotation(published_formats.signer(0, 5), 3)
    both = np.concatenate([one["keypoint"] * np.float16(0.2), one["keypoint"]])
    crowded = one | {"frame_dir": "b", "keypoint": both, "keypoint_score": np.concatenate([one["keypoint_score"]] * 2)}
    path = tmp_path / "a.pkl"
    path.write_bytes(published_formats.pyskl([one, crowded], {"train": ["signer0"], "test": ["b"], "xsub": ["b"]}))
    corpus = set_corpus(open_set(path))
    assert corpus.files == [path]
    report = write_pack(corpus.samples, tmp_path / "p")
    pack = Pack(tmp_path / "p")
    assert (pack.column("id"), pack.column("gloss")) == (["signer0", "b"], ["3", "3"])
    assert (pack.column("split"), pack.column("split_xsub")) == (["train", "test"], [None, "1"])
    assert list(report.notes) == ["b"]
    assert "followed person 2 of 2" in report.notes["b"][0]
    np.testing.assert_allclose(pack.recording(1).xy, published_formats.signer(0, 5).xy, atol=2e-3)
