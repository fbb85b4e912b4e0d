"""One's own pose files: gloss folders, split and gloss folders, a CSV; what is refused and what is only listed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import published_formats
from helpers.recordings import recording

from twinsign.datasets.folder import folder_corpus
from twinsign.datasets.sample import Sample
from twinsign.errors import InputError
from twinsign.pack import write
from twinsign.pack.open import Pack
from twinsign.pack.write import write_pack
from twinsign.pose.layout import OPENPOSE_BODY25_POINTS
from twinsign.pose.read import write_npz

CLIPS = ("train/hello/a.npz", "train/thanks/a.npz", "val/hello/b.npz")


def poses(root: Path, *names: str) -> Path:
    rng = np.random.default_rng(0)
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_npz(recording(rng, "own", number + 1), root / name)
    return root


def listed(root: Path, table: str | None = None, **options: object) -> list[Sample]:
    path = None
    if table is not None:
        path = root / "clips.csv"
        path.write_text(table, encoding="utf-8")
    return list(folder_corpus(root, path, **options).samples)


def openpose(folder: Path, frames: int) -> None:
    folder.mkdir(parents=True)
    for frame in range(frames):
        body = [100.0, 50.0, 0.9] * OPENPOSE_BODY25_POINTS
        content = json.dumps({"people": [{"pose_keypoints_2d": body}]})
        (folder / f"x_{frame:012d}_keypoints.json").write_text(content)


def test_a_folder_for_each_gloss(tmp_path: Path) -> None:
    samples = listed(poses(tmp_path, "hello/a.npz", "hello/b.npz", "thanks/a.npz"))
    assert [sample.id for sample in samples] == ["hello/a", "hello/b", "thanks/a"]
    assert [sample.row["gloss"] for sample in samples] == ["hello", "hello", "thanks"]
    assert not any(sample.row.get("split") for sample in samples)
    assert [len(sample.read().xy) for sample in samples] == [1, 2, 3]
    assert samples[1].read().id == "hello/b"


def test_splits_above_glosses(tmp_path: Path) -> None:
    root = poses(tmp_path, *CLIPS)
    (root / "train" / "hello" / "notes.txt").write_text("no pose")
    (root / "stray.npz").write_bytes(b"")
    poses(root, "too/deep/in/here.npz")
    samples = listed(root)
    assert [(sample.id, dict(sample.row)) for sample in samples] == [
        ("train/hello/a", {"gloss": "hello", "split": "train"}),
        ("train/thanks/a", {"gloss": "thanks", "split": "train"}),
        ("val/hello/b", {"gloss": "hello", "split": "val"}),
    ]
    write_pack(samples, tmp_path / "p")
    pack = Pack(tmp_path / "p")
    assert pack.column("split") == ["train", "train", "val"]
    assert pack.column("source") == [str(root / name) for name in CLIPS]


def test_a_folder_of_frames_is_one_clip(tmp_path: Path) -> None:
    openpose(tmp_path / "hello" / "a.b", 3)
    openpose(tmp_path / "val" / "thanks" / "c", 2)
    poses(tmp_path, "hello/d.npz")
    samples = listed(tmp_path, size=(200, 100), fps=30.0)
    assert [sample.id for sample in samples] == ["hello/a.b", "hello/d", "val/thanks/c"]
    assert [sample.row["gloss"] for sample in samples] == ["hello", "hello", "thanks"]
    clip = samples[0].read()
    assert (len(clip.xy), clip.size, clip.fps, clip.unit) == (3, (200, 100), 30.0, "pixel")


def test_a_table(tmp_path: Path) -> None:
    table = "\ufefffile,gloss,split,signer,level\ntrain/hello/a.npz,Hello,train,s1,\nval/hello/b.npz,,,,3\n"
    samples = listed(poses(tmp_path, *CLIPS), table)
    assert [sample.id for sample in samples] == ["train/hello/a", "val/hello/b"]
    assert {name: value for name, value in samples[0].row.items() if value} == {
        "gloss": "Hello",
        "split": "train",
        "signer": "s1",
    }
    write_pack(samples, tmp_path / "p")
    pack = Pack(tmp_path / "p")
    assert [pack.column(name) for name in ("gloss", "signer", "level")] == [["Hello", None], ["s1", None], [None, "3"]]


def test_a_tables_own_ids_and_a_folder_of_frames(tmp_path: Path) -> None:
    openpose(tmp_path / "frames", 2)
    samples = listed(poses(tmp_path, "a.npz"), "id,file\n1,a.npz\n2,frames\n,a.npz\n", size=(200, 100))
    assert [sample.id for sample in samples] == ["1", "2", "a"]
    assert [sample.read().id for sample in samples] == ["1", "2", "a"]


def test_the_unit_goes_before_the_formats(tmp_path: Path) -> None:
    poses(tmp_path, "hello/a.npz")
    (sample,) = listed(tmp_path, unit="pixel", size=(1, 1))
    assert sample.read().unit == "pixel"


def test_a_parquet_file_is_a_clip(tmp_path: Path) -> None:
    path = tmp_path / "hello" / "100015657.parquet"
    path.parent.mkdir()
    path.write_bytes(published_formats.parquet_bytes(published_formats.isolated(published_formats.signer(0, 3))))
    (sample,) = listed(tmp_path)
    assert (sample.id, len(sample.read().xy)) == ("hello/100015657", 3)


def test_a_column_may_be_empty_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "BATCH_CLIPS", 1)
    monkeypatch.setattr(write, "BATCH_FRAMES", 0)
    samples = listed(poses(tmp_path, *CLIPS), f"file,note\n{CLIPS[0]},\n{CLIPS[1]}\n{CLIPS[2]},late\n")
    write_pack(samples, tmp_path / "p")
    assert Pack(tmp_path / "p").column("note") == [None, None, "late"]


def test_what_is_missing_or_broken_is_listed_not_fatal(tmp_path: Path) -> None:
    root = poses(tmp_path, *CLIPS)
    (root / "broken.npz").write_bytes(b"PK")
    table = f"file,gloss\n{CLIPS[0]},a\nabsent.npz,b\nbroken.npz,c\nnotes.txt,d\n{CLIPS[2]},e\n"
    report = write_pack(listed(root, table), tmp_path / "p")
    assert (report.exit_code, report.clips) == (3, {"none": 2})
    assert list(report.unreadable) == ["absent", "broken", "notes"]
    assert all(str(root) in reason for reason in report.unreadable.values())
    assert "no such file" in report.unreadable["absent"]


def test_one_name_with_two_endings_counts_once(tmp_path: Path) -> None:
    root = poses(tmp_path, "hello/a.npz")
    np.save(root / "hello" / "a.npy", np.zeros((2, 133, 3)))
    report = write_pack(listed(root), tmp_path / "p")
    assert report.clips == {"none": 1}
    assert len(report.unreadable) == 1


@pytest.mark.parametrize("name", ["../a.npz", "hello/../../a.npz", "/etc/passwd", "link/a.npz"])
def test_files_outside_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    poses(tmp_path, "a.npz", "poses/hello/a.npz")
    (tmp_path / "poses" / "link").symlink_to(tmp_path)
    with pytest.raises(InputError, match="outside the folder") as caught:
        listed(tmp_path / "poses", f"file,gloss\n{name},x\n")
    assert caught.value.file == tmp_path / "poses" / "clips.csv"


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ("", "none"),
        ("name,gloss\na,b\n", "name, gloss"),
        ("file,gloss\n,b\n", "line 2"),
        ("file,gloss\na,b,c\n", "line 2"),
        ('file\n"a\n', "end of data"),
        ("file\n", "no row"),
    ],
)
def test_tables_that_say_too_little(tmp_path: Path, table: str, word: str) -> None:
    with pytest.raises(InputError, match=word):
        listed(tmp_path, table)


def test_tables_that_are_no_text_or_absent(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_bytes(b"file\n\xff\xfe\n")
    for table in ("clips.csv", "absent.csv", "."):
        with pytest.raises(InputError) as caught:
            folder_corpus(tmp_path, tmp_path / table)
        assert caught.value.file == tmp_path / table


def test_folders_without_clips(tmp_path: Path) -> None:
    for root, word in ((tmp_path, "no pose file"), (tmp_path / "absent", "no such folder")):
        with pytest.raises(InputError, match=word):
            folder_corpus(root)


def test_files_without_a_gloss_and_videos_are_told_what_to_do(tmp_path: Path) -> None:
    poses(tmp_path, "a.npz", "b.npz")
    with pytest.raises(InputError, match=r"2 pose files without a folder.*--annotations"):
        folder_corpus(tmp_path)
    (tmp_path / "clips.csv").write_text("file,gloss\nc.mp4,hello\n", encoding="utf-8")
    (clip,) = folder_corpus(tmp_path, tmp_path / "clips.csv").samples
    with pytest.raises(InputError, match=r"a video \(\.mp4\).*twinsign extract"):
        clip.read()


def test_a_gloss_that_is_a_link_to_a_folder(tmp_path: Path) -> None:
    poses(tmp_path, "one/tea/1.npz", "elsewhere/2.npz")
    (tmp_path / "one" / "milk").symlink_to(tmp_path / "elsewhere")
    assert [sample.id for sample in listed(tmp_path / "one")] == ["milk/2", "tea/1"]


def test_a_file_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    poses(tmp_path, "1.npz")
    (sample,) = listed(tmp_path, "file,gloss\nlost,tea\n")
    with pytest.raises(InputError, match="no such file"):
        sample.read()
