"""`twinsign doctor`: exit codes, JSON, page, cleaned pack, and the real sets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from helpers.moving_clips import clip, moving
from helpers.tiny_configs import pack_of, sample

from twinsign.cli.main import main
from twinsign.doctor.checks import CHECKS
from twinsign.pack.open import Pack

KEYS = {*CHECKS, "duplicate_details", "near_duplicate_details", "verdict", "data", "clips", "not_checked"}


def load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def sound(path: Path) -> Path:
    splits = ("train", "train", "val", "test")
    pack_of(path, *(clip(f"{n}", *moving(n, 40), gloss="ab"[n // 4], split=splits[n % 4]) for n in range(8)))
    return path


def test_a_sound_pack_is_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack = sound(tmp_path / "p")
    assert main(["doctor", str(pack), "--json", str(tmp_path / "j"), "--html", str(tmp_path / "h")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "nothing found" in said
    assert "not checked: signers in several splits: no clip states its signer" in said
    found = load(tmp_path / "j")
    assert set(found) == KEYS
    assert (found["verdict"]["level"], found["verdict"]["findings"], found["clips"]) == ("clean", [], 8)
    assert found["duplicates"] == found["near_duplicates"] == found["missing_clips"] == found["signer_overlap"] == []
    assert found["split_hash"]["test"] == Pack(pack).split_hash(Pack(pack).select(["test"]))


def leaking(path: Path) -> Path:
    samples = [sample("1", "a", look=1), sample("2", "a", "test", look=1), sample("3", "a"), sample("4", "a", "test")]
    pack_of(path, *samples, sample("5", "a", hand=False))
    return path


def test_a_leak_is_an_error_and_is_fixed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack = leaking(tmp_path / "p")
    assert main(["doctor", str(pack), "--json", str(tmp_path / "j")]) == 1
    found = load(tmp_path / "j")
    assert found["duplicates"] == [["1", "2"]]
    assert found["verdict"]["findings"][0]["level"] == found["verdict"]["level"] == "error"
    fix = ["--fix", str(tmp_path / "q"), "--json", str(tmp_path / "k")]
    assert main(["doctor", str(pack), *fix]) == 0
    said = capsys.readouterr()
    assert "1: identical to 2 of test" in said.out
    assert said.err.count("--fix OUT writes a pack without copies") == 1, "of the two commands, the one without it"
    fixed = load(tmp_path / "k")["fixed"]
    assert fixed["dropped"] == [{"id": "1", "why": "identical to 2 of test"}, {"id": "5", "why": "no hand"}]
    assert fixed["verdict"]["errors"] == 0
    assert main(["doctor", str(tmp_path / "q")]) == 0
    assert Pack(tmp_path / "q").column("id") == ["2", "3", "4"]


def test_nearly_identical_clips_can_be_left_alone(tmp_path: Path) -> None:
    xy, seen = moving(0)
    pack = tmp_path / "p"
    pack_of(pack, clip("1", xy, seen, gloss="a", split="train"), clip("2", xy + 0.01, seen, gloss="a", split="test"))
    out = ["--fix", str(tmp_path / "q"), "--json", str(tmp_path / "j")]
    assert main(["doctor", str(pack), *out]) == 1
    assert load(tmp_path / "j")["near_duplicates"] == [["1", "2"]]
    assert main(["doctor", str(pack), *out, "--near", "false"]) == 0
    assert "near_duplicates" not in load(tmp_path / "j")
    pack_of(pack, clip("1", xy, seen, gloss="a"), clip("2", xy + 0.01, seen, gloss="a"), sample("3", "a"))
    assert main(["doctor", str(pack), *out, "--fix_near", "true"]) == 0
    assert load(tmp_path / "j")["fixed"]["dropped"] == [{"id": "2", "why": "nearly identical to 1"}]


def test_listed_clips_are_missed(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("id,gloss,split\n0,a,train\nx,a,test\ny,c,val\n")
    words = ["--annotations", str(tmp_path / "l.csv"), "--json", str(tmp_path / "j")]
    assert main(["doctor", str(sound(tmp_path / "p")), *words]) == 0
    found = load(tmp_path / "j")
    assert [row["id"] for row in found["missing_clips"]] == ["x", "y"]
    assert found["coverage"]["test"]["percent"] == pytest.approx(66.67)


def test_what_is_no_pack(tmp_path: Path) -> None:
    assert main(["doctor", str(tmp_path / "none"), "--json", str(tmp_path / "j")]) == 2
    assert not (tmp_path / "j").exists()


def test_the_page_is_one_file_and_escapes(tmp_path: Path) -> None:
    xy, seen = moving(0)
    xy[10:30] = xy[10]
    samples = [clip("<b>", xy, seen, gloss="<i>", split="train"), clip("2", *moving(1), gloss="$x$", split="test")]
    pack_of(tmp_path / "p", *samples)
    assert main(["doctor", str(tmp_path / "p"), "--html", str(tmp_path / "h.html")]) == 1
    page = (tmp_path / "h.html").read_text()
    assert "<b>" not in page
    assert "&lt;b&gt; (&lt;i&gt;): stands still" in page
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert page.count("<img ") == 3


WITH_ERRORS = ("wlasl300_hands", "wlasl_body_hands")
LARGE = [pytest.param(name, marks=pytest.mark.slow) for name in ("wlasl300_hands", "wlasl_unlabelled_hands", "webcam")]


@pytest.mark.parametrize("name", ["wlasl_body_hands", *LARGE])
def test_real_sets(data_dir: Path, tmp_path: Path, name: str) -> None:
    file = data_dir / f"{name}.npz"
    if not file.is_file():
        pytest.skip(f"no {file}")
    pack, out = tmp_path / "p", tmp_path / "j"
    assert main(["pack", "landmarks", "--data", str(file), "--out", str(pack)]) == 0
    assert main(["doctor", str(pack), "--near", "false", "--json", str(out)]) == (name in WITH_ERRORS)
    found = load(out)
    kinds = {(finding["check"], finding["level"]) for finding in found["verdict"]["findings"]}
    if name == "wlasl300_hands":
        assert ("duplicates", "error") in kinds
        assert ("signer_overlap", "warning") in kinds
    if name == "wlasl_body_hands":
        assert len(found["outliers"]["handless"]) == 5
        assert found["outliers"]["one_frame"]
    if name == "webcam":
        assert set(found["labels"]["junk"]) == {"idle", "none"}
        assert len(found["frozen"]) > 50
        assert max(row["value"] for row in found["outliers"]["hand_size"]) > 2
