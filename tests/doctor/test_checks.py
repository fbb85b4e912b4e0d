"""Checks on data as it comes: a source a clip, no frame rates, no signers; and what is said where a check is empty."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.moving_clips import clip, exam_of, moving

from twinsign.doctor.checks import diagnose, not_checked
from twinsign.doctor.exam import examine
from twinsign.doctor.poses import outliers
from twinsign.doctor.splits import repeated_ids
from twinsign.pack.open import Pack
from twinsign.pack.write import write_pack


@pytest.mark.parametrize("source", ["own", "few", "none"])
def test_rates_and_lengths_of_clips_with_a_source_each(tmp_path: Path, source: str) -> None:
    rates, frames = {3: 1000.0, 7: 1000.0}, {5: 400}
    names = {"own": "a/{}.npz", "few": "camera {}", "none": ""}
    samples = [
        clip(
            f"{n}",
            *moving(n, frames.get(n, 40)),
            fps=rates.get(n, 30.0),
            source=names[source].format(n // (1 + (source == "few"))),
        )
        for n in range(16)
    ]
    value = outliers(exam_of(tmp_path / "p", samples)).value
    assert [row["id"] for row in value["fps"]] == ["3", "7"]
    assert [row["id"] for row in value["length"]] == ["5"]
    assert [row["id"] for row in value["impossible_fps"]] == ["3", "7"]


def test_a_frame_rate_that_no_camera_has_is_found_in_all_clips(tmp_path: Path) -> None:
    samples = [clip(f"{n}", *moving(n), fps=1000.0 if n else 1.0, source="web") for n in range(6)]
    found = outliers(exam_of(tmp_path / "p", samples))
    assert len(found.value["impossible_fps"]) == 6
    assert [finding.level for finding in found.findings if "no camera" in finding.message] == ["warning"]


def test_empty_checks_are_named(tmp_path: Path) -> None:
    exam = exam_of(tmp_path / "p", [clip(f"{n}", *moving(n), source=f"{n}.mp4") for n in range(3)])
    said = {row["check"]: row["why"] for row in not_checked(exam).value}
    assert said["labels"] == "no clip has a gloss"
    assert said["signers in several splits"] == "no clip states its signer"
    assert said["frame rates"] == "no clip states its frame rate"
    assert said["lengths"] == "fewer than 5 clips to compare"
    assert {"splits", "leaks into val and test", "clips that are missing", "sources over the splits"} <= said.keys()
    assert "nearly identical clips" not in said
    assert {"check": "nearly identical clips", "why": "--near false"} in diagnose(exam, near=False).values[
        "not_checked"
    ]


def test_full_checks_are_not(tmp_path: Path) -> None:
    samples = [
        clip(f"{n}", *moving(n), fps=25.0, source="web", signer="ab"[n % 2], gloss="x", split=("train", "test")[n % 2])
        for n in range(8)
    ]
    assert not_checked(exam_of(tmp_path / "p", samples, missing=[])).value == []
    samples.append(clip("8", *moving(8), source="web", gloss="x", split="train"))
    said = not_checked(exam_of(tmp_path / "q", samples, missing=[])).value
    assert [(row["check"], row["why"]) for row in said] == [
        ("signers in several splits of some clips", "1 clips state no signer"),
        ("frame rates of some clips", "1 clips state no frame rate"),
    ]


def test_poses_that_would_overwrite_each_other(tmp_path: Path) -> None:
    write_pack([clip("1", *moving(1)), clip("2", *moving(2))], tmp_path / "a.pack")
    write_pack([clip("1", *moving(3)), clip("2", *moving(2))], tmp_path / "b.pack")
    found = repeated_ids(examine(Pack([tmp_path / "a.pack", tmp_path / "b.pack"])))
    assert [list(finding.clips) for finding in found.findings if "overwrite" in finding.message] == [["1"]]
