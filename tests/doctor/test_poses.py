"""Findings on poses: unseen hands, odd lengths, wild places, stuck and jumping tracks, left and right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.moving_clips import clip, exam_of, exchanged, moving

from twinsign.datasets.folder import landmark_corpus
from twinsign.datasets.sample import Sample
from twinsign.doctor.exam import Exam, examine
from twinsign.doctor.poses import frozen, hand_unseen_rate, jumping, outliers
from twinsign.doctor.sides import sides
from twinsign.pack.open import Pack
from twinsign.pack.write import write_pack
from twinsign.pose.layout import HANDS, LEFT_HAND


def test_sound_clips_give_no_finding(tmp_path: Path) -> None:
    exam = exam_of(
        tmp_path / "p", [clip(str(n), *moving(n, 40 + n), fps=25.0, gloss="a", signer="s") for n in range(12)]
    )
    for check in (hand_unseen_rate, outliers, frozen, jumping, sides):
        assert list(check(exam).findings) == [], check.__name__


def test_unseen_hands(tmp_path: Path) -> None:
    samples = []
    for name, split, gloss, hidden in (("a", "train", "x", 0), ("b", "train", "y", 20), ("c", "test", "x", 38)):
        xy, seen = moving(0, 40)
        seen[:hidden, HANDS] = False
        samples.append(clip(name, xy, seen, split=split, gloss=gloss))
    found = hand_unseen_rate(exam_of(tmp_path / "p", samples))
    assert found.value["overall"] == pytest.approx(100 * 58 / 120, abs=0.01)
    assert found.value["by_split"] == {"train": 25, "test": 95}
    assert found.value["by_gloss"] == {"x": 47.5, "y": 50}
    assert found.value["by_part"]["trunk"] == 0
    assert [row["id"] for row in found.value["worst"]] == ["c", "b", "a"]
    assert {finding.level: list(finding.clips) for finding in found.findings} == {"warning": ["c"], "note": []}


def test_outliers(tmp_path: Path) -> None:
    samples = [clip(str(n), *moving(n, 36 + n % 9), fps=25.0) for n in range(20)]
    samples += [clip("long", *moving(30, 200), fps=25.0), clip("one", *moving(31, 1), fps=25.0)]
    samples += [clip("slow", *moving(32, 40), fps=5.0)]
    xy, seen = moving(33, 40)
    samples.append(clip("pixels", 640 * xy, seen, fps=25.0))
    xy, seen = moving(34, 40)
    seen[:, HANDS] = False
    samples.append(clip("bare", xy, seen, fps=25.0))
    found = outliers(exam_of(tmp_path / "p", samples))
    value = found.value
    assert [row["id"] for row in value["length"]] == ["long", "one"]
    assert value["length"][0]["usual"][0] < 36 < 44 < value["length"][0]["usual"][1] < 200
    assert [row["id"] for row in value["fps"]] == ["slow"]
    assert {row["id"] for row in value["coordinates"]} == {row["id"] for row in value["hand_size"]} == {"pixels"}
    assert (value["one_frame"], value["handless"]) == (["one"], ["bare"])
    assert [list(finding.clips) for finding in found.findings if finding.level == "error"] == [["pixels"]]


def test_lengths_are_judged_by_source(tmp_path: Path) -> None:
    samples = [clip(f"{source}{n}", *moving(n, frames), source=source) for n in range(9) for source, frames in
               (("short", 10), ("long", 90))]  # fmt: skip
    assert outliers(exam_of(tmp_path / "p", samples)).value["length"] == []


def test_stuck_and_jumping_tracks(tmp_path: Path) -> None:
    stuck, jumps = moving(0)[0], moving(1)[0]
    stuck[5:15, LEFT_HAND] = stuck[5, LEFT_HAND]
    jumps[20:22, LEFT_HAND] += 0.5
    exam = exam_of(tmp_path / "p", [clip("stuck", stuck), clip("jumps", jumps), clip("fine", moving(2)[0])])
    assert frozen(exam).value == [{"id": "stuck", "frames": 10}]
    assert jumping(exam).value == [{"id": "jumps", "jumps": 2, "exchanges": 0}]


def one_handed(name: str, seed: int, **row: str) -> Sample:
    xy, seen = moving(seed)
    seen[:, LEFT_HAND] = False
    poses = exchanged(xy, seen) if row.pop("left", "") else (xy, seen)
    return clip(name, *poses, **row)


def test_a_clip_signed_against_the_signers_habit(tmp_path: Path) -> None:
    samples = [one_handed(f"a{n}", n, signer="anna") for n in range(12)]
    samples += [one_handed(f"b{n}", 20 + n, signer="ben", left="yes") for n in range(12)]
    samples += [one_handed(f"c{n}", 40 + n, signer="cleo", left="yes" if n % 2 else "") for n in range(12)]
    samples += [one_handed("odd", 60, signer="anna", left="yes"), one_handed("few", 61, signer="dan", left="yes")]
    assert sides(exam_of(tmp_path / "p", samples)).value["against_signer"] == ["odd"]


def both(tmp_path: Path, one: list[Sample], other: list[Sample]) -> Exam:
    write_pack(one, tmp_path / "one.pack")
    write_pack(other, tmp_path / "two.pack")
    return examine(Pack([tmp_path / "one.pack", tmp_path / "two.pack"]))


def test_hands_that_another_pack_names_otherwise(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    one, other = [], []
    for number in range(6):
        xy, seen = moving(number)
        one.append(clip(str(number), xy, seen))
        noise = rng.normal(0, 0.004, xy.shape).astype(np.float32)
        other.append(clip(str(number), *(exchanged(xy, seen) if number % 3 == 0 else (xy + noise, seen))))
    found = sides(both(tmp_path, one, other)).value
    assert found["against_other_pack"] == ["one:0", "one:3"]
    assert found["other_pack"]["compared"] == 6
    assert {pair["way"] for pair in found["other_pack"]["pairs"]} == {"exchanged"}


def test_exchanged_clips_of_wlasl300(data_dir: Path, tmp_path: Path) -> None:
    """The set's README: hands exchanged in about 4 % of its clips, by comparison with another estimator."""
    sets = [data_dir / f"{name}.npz" for name in ("wlasl300_hands", "wlasl_body_hands")]
    if not all(file.is_file() for file in sets):
        pytest.skip(f"no {sets[0]} or {sets[1]}")
    corpora = [list(landmark_corpus(file).samples) for file in sets]
    ids = {one.id for one in corpora[0]} & {one.id for one in corpora[1]}
    exam = both(tmp_path, *([one for one in samples if one.id in ids] for samples in corpora))
    found = sides(exam).value
    share = len(found["against_other_pack"]) / found["other_pack"]["compared"]
    assert found["other_pack"]["compared"] > 300
    assert 0.01 < share < 0.06
