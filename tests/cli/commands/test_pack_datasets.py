"""Each corpus by its command: options, exit codes, what is said, columns that --where takes, splits by groups."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from helpers.dataset_files import pose_files, written
from pyarrow import ipc

from twinsign.cli.main import main
from twinsign.cli.registry import COMMANDS
from twinsign.pack.open import Pack
from twinsign.pack.schema import PROVENANCE_KEY
from twinsign.pose.layout import JOINT_COUNT


def run(corpus: str, annotations: Path | None, poses: Path, out: Path, *more: str) -> int:
    given = ["--annotations", str(annotations)] if annotations else []
    return main(["pack", corpus, *given, "--poses", str(poses), "--out", str(out), *more])


def provenance(out: Path) -> dict[str, Any]:
    with pa.memory_map(str(out)) as source:
        found: dict[str, Any] = json.loads(ipc.open_file(source).schema.metadata[PROVENANCE_KEY])
    return found


def test_nmfs_csl_and_its_two_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path / "lists" / "trainlist01.txt", "000/a 0\n700/b 700\n")
    written(tmp_path / "lists" / "testlist01.txt", "000/c\n700/d\n700/d\n")
    poses = pose_files(tmp_path / "poses", ["000/a", "700/b", "000/c", "700/d", "701/e"])
    assert run("nmfs_csl", tmp_path / "lists", poses, tmp_path / "p", "--json", str(tmp_path / "j")) == 0
    pack = Pack(tmp_path / "p")
    assert pack.column("id") == ["000/c", "700/d", "000/a", "700/b"]
    assert pack.select(["test"], ["confusing=1"]).tolist() == [0]
    assert pack.select(None, ["confusing=0"]).tolist() == [1, 3]
    assert json.loads((tmp_path / "j").read_text())["clips"] == {"test": 2, "train": 2}
    assert "note: clip '700/d' is listed again" in capsys.readouterr().err.replace("\n", " ")
    said = provenance(tmp_path / "p")
    assert (said["command"], said["dataset"], len(said["notes"])) == ("pack nmfs_csl", "nmfs_csl", 2)


def test_every_corpus_says_what_to_download(capsys: pytest.CaptureFixture[str]) -> None:
    packs = COMMANDS["pack"]
    assert isinstance(packs, dict)
    corpora = [name for name, function in packs.items() if function.startswith("pack_datasets.")]
    assert len(corpora) == 9
    for name in corpora:
        with pytest.raises(SystemExit):
            main(["pack", name, "--help"])
        text = " ".join(capsys.readouterr().out.split())
        assert "Annotations" in text, name
        assert "ose files are named" in text or "Names of pose files" in text, name


def test_options_reach_the_corpus(tmp_path: Path) -> None:
    poses = pose_files(tmp_path / "poses", ["001_001_001", "001_010_001", "002_004_005"])
    assert run("lsa64", None, poses, tmp_path / "p", "--test", "[1]", "--val", "[4]", "--size", "[1920, 1080]") == 0
    assert Pack(tmp_path / "p").column("split") == ["test", "train", "val"]
    words = "\n".join(f"w{number}" for number in range(500))
    poses = pose_files(tmp_path / "csl", ["P36_01_00_0", "P35_01_01_0", "P37_25_19_4"])
    options = ("--val_signers", "[36]", "--subset", "2")
    assert run("slr500", written(tmp_path / "gloss_label.txt", words), poses, tmp_path / "q", *options) == 0
    assert Pack(tmp_path / "q").column("split") == ["val", "train"]


def test_what_does_not_fit_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    poses = pose_files(tmp_path / "poses", ["other"])
    file = written(tmp_path / "train.csv", "Participant ID,Video file,Gloss,ASL-LEX Code\nP1,a.mp4,A,\n")
    assert run("asl_citizen", file, poses, tmp_path / "p") == 2
    said = capsys.readouterr().err
    assert all(word in said for word in ("twinsign pack asl_citizen", "other.npz", "--names"))
    assert run("asl_citizen", file, poses, tmp_path / "p", "--names", "file") == 2
    assert not (tmp_path / "p").exists()
    table = written(tmp_path / "names.csv", "id,file\na,other.npz\n")
    assert run("asl_citizen", file, poses, tmp_path / "p", "--names", str(table)) == 0
    assert Pack(tmp_path / "p").column("id") == ["a"]


def test_folders_split_by_a_column(tmp_path: Path) -> None:
    names = [f"g{gloss}/s{signer}_{gloss}" for signer in range(10) for gloss in range(3)]
    poses = pose_files(tmp_path / "poses", names)
    lines = [f"{name}.npz,{name[:2]},{name[3:5]}" for name in names]
    table = written(tmp_path / "own.csv", "file,gloss,signer\n" + "\n".join(lines) + "\n")
    assert run("folder", table, poses, tmp_path / "p", "--split_by", "signer", "--shares", "[0.6, 0.2, 0.2]") == 0
    pack = Pack(tmp_path / "p")
    split = dict(zip(pack.column("signer"), pack.column("split"), strict=True))
    assert sorted(split.values()) == ["test"] * 2 + ["train"] * 6 + ["val"] * 2
    assert all(split[signer] == one for signer, one in zip(pack.column("signer"), pack.column("split"), strict=True))
    assert (provenance(tmp_path / "p")["split_by"], provenance(tmp_path / "p")["seed"]) == ("signer", 0)
    assert run("folder", table, poses, tmp_path / "q", "--split_by", "age") == 2


def test_a_set_of_clips_and_its_own_groups(tmp_path: Path) -> None:
    seen = np.packbits(np.ones((6, JOINT_COUNT), bool), axis=1)
    np.savez(tmp_path / "set.npz", xy=np.full((6, JOINT_COUNT, 2), 0.5), seen=seen, offsets=np.arange(7))
    written(tmp_path / "set.csv", "id,gloss,room\n" + "".join(f"{i},g,r{i // 2}\n" for i in range(6)))
    out = tmp_path / "p"
    given = ["pack", "set", "--data", str(tmp_path / "set.npz"), "--out", str(out)]
    assert main(given) == 0
    assert set(Pack(out).column("split")) == {None}
    assert main([*given, "--split_by", "room", "--seed", "3"]) == 0
    splits = Pack(out).column("split")
    assert splits[0::2] == splits[1::2]
    assert set(splits) == {"train", "val", "test"}
