"""The commands that pack: what stands at --out before is never lost without a word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.recordings import recording

from twinsign.cli.main import main
from twinsign.pack.open import Pack
from twinsign.pose.read import write_npz


def poses(root: Path, *names: str) -> Path:
    rng = np.random.default_rng(len(names))
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_npz(recording(rng, "own", 3), root / name)
    return root


def pack(root: Path, out: Path, *more: str) -> int:
    return main(["pack", "folder", "--poses", str(root), "--out", str(out), "--workers", "0", *more])


@pytest.mark.parametrize("more", [[], ["--shard_clips", "1"]], ids=["file", "shards"])
def test_a_pack_of_other_poses_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    one, other = poses(tmp_path / "one", "tea/1.npz", "tea/2.npz"), poses(tmp_path / "other", "milk/1.npz")
    out = tmp_path / "P"
    assert pack(one, out, *more) == 0
    assert pack(other, out, *more) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert str(one) in said
    assert str(other) in said
    assert "2 clips would be lost" in said
    assert Pack(out).column("id") == ["tea/1", "tea/2"]
    assert pack(other, tmp_path / "Q", *more) == 0


def test_the_same_poses_are_packed_again_and_what_went_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, out = poses(tmp_path / "one", "tea/1.npz", "tea/2.npz"), tmp_path / "P"
    assert pack(root, out) == 0
    poses(root, "tea/3.npz")
    assert pack(root, out) == 0
    assert "is replaced" not in " ".join(capsys.readouterr().err.split())
    (root / "tea" / "1.npz").unlink()
    assert pack(root, out) == 0
    assert "it had 1 clips that are missing from the new one, such as tea/1" in " ".join(
        capsys.readouterr().err.split()
    )
    assert Pack(out).column("id") == ["tea/2", "tea/3"]


def test_what_is_no_pack_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "clips.csv"
    out.write_text("file,gloss")
    assert pack(poses(tmp_path / "one", "tea/1.npz"), out) == 2
    assert "no whole pack" in capsys.readouterr().err
    assert out.read_text() == "file,gloss"


def test_rewriting_replaces_its_own_packs_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"tea/{number}.npz" for number in range(3)]
    one, other = tmp_path / "1.pack", tmp_path / "2.pack"
    assert pack(poses(tmp_path / "one", *names), one) == pack(poses(tmp_path / "two", *names), other) == 0
    fixed = tmp_path / "fixed.pack"
    for source, out, code in ((one, fixed, 0), (one, fixed, 0), (other, fixed, 2), (one, other, 2), (one, one, 2)):
        assert main(["doctor", str(source), "--near", "false", "--fix", str(out)]) == code
    assert "not made from" in capsys.readouterr().err


def test_other_poses_of_the_same_names_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "P"
    assert pack(poses(tmp_path / "one", "tea/1.npz"), out) == 0
    assert pack(poses(tmp_path / "two", "tea/1.npz"), out) == 0
    said = "".join(capsys.readouterr().err.split())
    assert f"{out}isreplaced:its1clipsweremadeof{tmp_path / 'one'}" in said


def test_splits_of_a_table_are_not_replaced_without_a_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = poses(tmp_path / "one", "a.npz", "b.npz", "c.npz")
    table = tmp_path / "t.csv"
    table.write_text("file,gloss,split,signer\na,tea,test,1\nb,tea,train,2\nc,tea,,3\n", encoding="utf-8")
    assert pack(root, tmp_path / "P", "--annotations", str(table), "--split_by", "signer") == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "2 clips have a split already, which --split_by signer replaces" in said


def test_a_report_replaces_reports_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, table = tmp_path / "P", tmp_path / "t.csv"
    table.write_text("file,gloss\n1,tea\n", encoding="utf-8")
    root = poses(tmp_path / "one", "1.npz")
    assert pack(root, out, "--annotations", str(table), "--json", str(table)) == 2
    assert "--json and annotations of one file" in capsys.readouterr().err
    assert not out.exists()
    assert pack(root, out, "--annotations", str(table), "--json", str(tmp_path / "j")) == 0
    there = out.read_bytes()
    for option in ("--json", "--html"):
        for file, said in ((out, "and packs of one file"), (table, "a file that is no")):
            assert main(["doctor", str(out), option, str(file)]) == 2
            assert said in " ".join(capsys.readouterr().err.split())
    assert out.read_bytes() == there
    assert table.read_text(encoding="utf-8").startswith("file")
    assert main(["doctor", str(out), "--json", str(tmp_path / "j")]) == 0
