"""What the pack commands say and leave: lists of what could not be read, workers, shards, and going on."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from helpers.recordings import recording

from twinsign.cli.main import main
from twinsign.cli.packing import PackTarget, pack_corpus
from twinsign.datasets.sample import Corpus, Sample
from twinsign.errors import InputError
from twinsign.pack import write
from twinsign.pack.open import Pack
from twinsign.pack.write import PackOptions
from twinsign.pose.read import write_npz
from twinsign.pose.recording import Recording


@pytest.fixture
def poses(tmp_path: Path) -> Path:
    """Six clips of two glosses; one file is damaged."""
    rng = np.random.default_rng(0)
    for number in range(6):
        folder = tmp_path / "poses" / f"gloss{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        write_npz(recording(rng, str(number), 3), folder / f"{number}.npz")
    (tmp_path / "poses" / "gloss0" / "2.npz").write_bytes(b"rubbish")
    return tmp_path / "poses"


def test_unreadable_files_are_listed_in_a_file_of_their_own(poses: Path, tmp_path: Path) -> None:
    out, found = tmp_path / "P", tmp_path / "found.json"
    command = ["pack", "folder", "--poses", str(poses), "--out", str(out), "--json", str(found)]
    assert main([*command, "--workers", "2"]) == 3
    one = out.read_bytes()
    with (tmp_path / "P.unreadable.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["id"] for row in rows] == ["gloss0/2"]
    assert "2.npz" in rows[0]["reason"]
    report = json.loads(found.read_text())
    assert (report["listed"], report["missing"], list(report["unreadable"])) == (6, 0, ["gloss0/2"])
    assert main([*command, "--workers", "0"]) == 3
    assert out.read_bytes() == one
    (poses / "gloss0" / "2.npz").unlink()
    assert main(command) == 0
    assert not (tmp_path / "P.unreadable.csv").exists()


def test_shards_by_the_command_line(poses: Path, tmp_path: Path) -> None:
    (poses / "gloss0" / "2.npz").unlink()
    command = ["pack", "folder", "--poses", str(poses), "--out", str(tmp_path / "P"), "--dataset", "mine"]
    assert main([*command, "--shard_clips", "1000"]) == 0
    found = Pack(tmp_path / "P")
    assert (len(found), found.datasets) == (5, ["mine"])
    assert [path.name for path in (tmp_path / "P").iterdir()] == ["00000-of-00001.pack"]
    assert main([*command]) == 2, "a folder is not replaced by a file"


def test_it_says_that_it_goes_on_or_starts_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "BATCH_CLIPS", 1)
    monkeypatch.setattr(write, "BATCH_FRAMES", 0)
    rng = np.random.default_rng(0)
    clips = [recording(rng, str(number), 2) for number in range(4)]

    def stop() -> Recording:
        raise KeyboardInterrupt

    def corpus(last: bool) -> Corpus:
        samples = [Sample(one.id, lambda one=one: one) for one in clips]
        return Corpus([*samples[:3], samples[3] if last else Sample("3", stop)])

    alone = PackOptions(0)
    for last, note, said in (
        (False, {}, ""),
        (True, {}, "resuming after 3 clips"),
        (False, {}, ""),
        (True, {"command": "x"}, "of other inputs or options: starting over"),
    ):
        if last:
            assert pack_corpus(corpus(last), PackTarget(tmp_path / "P", options=alone), note) == 0
            assert said in " ".join(capsys.readouterr().err.split())
        else:
            with pytest.raises(KeyboardInterrupt):
                pack_corpus(corpus(last), PackTarget(tmp_path / "P", options=alone), note)


def test_listed_clips_without_poses_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = recording(np.random.default_rng(0), "a", 2)
    corpus = Corpus([Sample("a", lambda: one)], missing=[{"id": "b"}, {"id": "c"}])
    assert pack_corpus(corpus, PackTarget(tmp_path / "P"), {}) == 0
    assert "2 of 3 listed clips have no poses" in capsys.readouterr().out


def test_nothing_readable_leaves_a_list_and_no_pack(tmp_path: Path) -> None:
    def refuse() -> Recording:
        raise InputError("rubbish", "a pose")

    assert pack_corpus(Corpus([Sample("a", refuse)]), PackTarget(tmp_path / "P"), {}) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["P.unreadable.csv"]
