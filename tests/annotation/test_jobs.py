from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from helpers.joined_clips import join_pack, write_joined
from helpers.trained_runs import Trained
from pose_format import Pose
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions

from twinsign.annotation.metrics import match
from twinsign.annotation.spans import Span
from twinsign.cli.main import main
from twinsign.pack.open import Pack
from twinsign.pose.layout import HANDS, TRUNK, TRUNK_JOINTS
from twinsign.pose.read import read, read_pieces, write_npz
from twinsign.pose.recording import Recording


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def segments(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def work(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two long recordings, a segmenter, and what `annotate` made of them with signs to find."""
    folder = tmp_path_factory.mktemp("long")
    (folder / "poses").mkdir()
    write_joined(trained.pack, folder / "poses" / "one.npz", 10)
    write_joined(trained.pack, folder / "poses" / "two.npz", 6, seed=1)
    fit = ["--data", str(trained.pack), "--split", "all", "--out", str(folder / "segmenter"), "--steps", "12"]
    assert main(["segmenter", *fit]) == 0
    assert annotate(folder, trained, "--find", gloss(trained), str(first_clip(trained, folder))) == 0
    return folder


def gloss(trained: Trained) -> str:
    labels: list[str] = json.loads((trained.finetuned / "labels.json").read_text())
    return labels[0]


def first_clip(trained: Trained, folder: Path) -> Path:
    pack = Pack(trained.pack)
    row = int(np.flatnonzero(pack.usable)[0])
    write_npz(pack.recording(row), folder / "query.npz")
    return folder / "query.npz"


def annotate(folder: Path, trained: Trained, *options: str, out: str = "out") -> int:
    files = [str(folder / "poses")]
    named = ["--model", str(trained.finetuned), "--out", str(folder / out)]
    return main(["annotate", *files, *named, *options])


def test_segments_of_the_live_rules_are_where_signs_are(work: Path, trained: Trained) -> None:
    _, truth = join_pack(trained.pack, 10)
    found = [Span(float(row["begin"]), float(row["end"])) for row in rows(work / "out" / "one.csv")]
    assert len(match(truth, found, 0.5)) >= 0.8 * len(truth)


def test_every_format_has_the_same_segments(work: Path) -> None:
    for name in ("one", "two"):
        lines = segments(work / "out" / f"{name}.segments.jsonl")
        table = rows(work / "out" / f"{name}.csv")
        assert [f"{line['begin']:.3f}" for line in lines] == [row["begin"] for row in table]
        for form in ("vtt", "srt"):
            assert (work / "out" / f"{name}.{form}").read_text(encoding="utf-8").count("-->") == len(lines)
        assert (work / "out" / f"{name}.html").is_file()
        assert all(0 <= line["first_frame"] < line["stop_frame"] for line in lines)


def test_wanted_signs_are_ranked_over_all_recordings(work: Path, trained: Trained) -> None:
    found = rows(work / "out" / "found.csv")
    count = sum(len(segments(work / "out" / f"{name}.segments.jsonl")) for name in ("one", "two"))
    for wanted in (gloss(trained), "query"):
        scores = [float(row["score"]) for row in found if row["wanted"] == wanted]
        assert len(scores) == count
        assert scores == sorted(scores, reverse=True)
    assert {row["recording"] for row in found} == {"one", "two"}


def test_the_same_command_resumes(work: Path, trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--find", gloss(trained), str(work / "query.npz"))
    page = work / "out" / "one.html"
    before = page.stat().st_mtime_ns
    assert annotate(work, trained, *options) == 0
    assert "2 recordings, 2 of them there before" in " ".join(capsys.readouterr().out.split())
    assert page.stat().st_mtime_ns == before
    (work / "out" / "one.segments.jsonl").unlink()
    assert annotate(work, trained, *options) == 0
    assert "2 recordings, 1 of them there before" in " ".join(capsys.readouterr().out.split())
    assert page.stat().st_mtime_ns > before


def test_round_trip_through_elan_gives_the_same_segments(work: Path, tmp_path: Path) -> None:
    out = tmp_path / "P"
    options = ["--poses", str(work / "poses"), "--tier", "Gloss", "--out", str(out)]
    assert main(["pack", "elan", "--annotations", str(work / "out"), *options]) == 0
    pack = Pack(out)
    names = ("recording", "gloss", "frames")
    packed = sorted(zip(*(pack.column(name) for name in names), strict=True))
    written = [
        (name, line["guesses"][0]["gloss"], line["stop_frame"] - line["first_frame"])  # type: ignore[index,operator]
        for name in ("one", "two")
        for line in segments(work / "out" / f"{name}.segments.jsonl")
    ]
    assert packed == sorted(written)


def test_corrected_and_other_files_are_never_replaced(
    work: Path, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = str(work / "poses" / "two.npz")
    common = ["--model", str(trained.finetuned), "--out", str(tmp_path), "--no_page"]
    (tmp_path / "two.eaf").write_text("annotated by hand")
    assert main(["annotate", two, *common]) == 2
    assert "did not write" in " ".join(capsys.readouterr().err.split())
    assert (tmp_path / "two.eaf").read_text() == "annotated by hand"
    (tmp_path / "two.eaf").unlink()
    assert main(["annotate", two, *common]) == 0
    assert main(["annotate", two, *common, "--top", "2"]) == 0
    (tmp_path / "two.eaf").write_text("corrected")
    assert main(["annotate", two, *common, "--top", "3"]) == 2
    assert "changed since" in " ".join(capsys.readouterr().err.split())
    assert (tmp_path / "two.eaf").read_text() == "corrected"


def test_annotations_by_hand_are_compared_with_what_was_found(work: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    files = [str(work / "out" / f"{name}.eaf") for name in ("one", "two")]
    options = ["--tier", "Gloss", "--found", str(work / "out"), "--json", str(report)]
    assert main(["spotting", "--truth", *files, *options]) == 0
    (result,) = json.loads(report.read_text())["reports"]["annotated recordings"].values()
    assert result["by_overlap"]["0.75"]["f1"] == 100.0
    assert result["named_right"] == 100.0
    assert result["gloss_error_rate"] == 0.0
    assert main(["spotting", "--truth", *files, "--tier", "Gloss", "--found", str(tmp_path)]) == 2
    assert main(["spotting", "--truth", *files]) == 2


@pytest.mark.slow
def test_a_fitted_segmenter_and_several_processes(work: Path, trained: Trained) -> None:
    options = ("--segmenter", str(work / "segmenter"), "--formats", "csv", "--no_page")
    assert annotate(work, trained, *options, "--workers", "2", out="many") == 0
    assert annotate(work, trained, *options, out="single") == 0
    for name in ("one.csv", "two.csv", "one.segments.jsonl", "two.segments.jsonl"):
        assert (work / "many" / name).read_bytes() == (work / "single" / name).read_bytes()
    assert not list((work / "many").glob("*.html")) + list((work / "many").glob("*.eaf"))


def test_a_dictionary_names_segments(work: Path, trained: Trained, tmp_path: Path) -> None:
    signs = str(tmp_path / "signs")
    enrol = ["--model", str(trained.pretrained), "--data", str(trained.pack), "--split", "all", "--dictionary", signs]
    assert main(["enrol", *enrol]) == 0
    options = ["--dictionary", signs, "--find", gloss(trained), "--out", str(tmp_path / "out"), "--no_page"]
    assert main(["annotate", str(work / "poses" / "two.npz"), *options]) == 0
    for line in segments(tmp_path / "out" / "two.segments.jsonl"):
        guesses = {guess["gloss"]: guess["confidence"] for guess in line["guesses"]}  # type: ignore[attr-defined]
        assert line["fits"][gloss(trained)] == pytest.approx(guesses[gloss(trained)])  # type: ignore[index]


def test_bad_recordings_cost_themselves_alone(
    work: Path, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = read(work / "poses" / "two.npz")
    score = good.score.copy()
    score[:, HANDS] = 0
    score[:, TRUNK] = 1
    write_npz(Recording("handless", np.full_like(good.xy, 0.5), score, fps=25.0), tmp_path / "handless.npz")
    write_npz(Recording("rateless", good.xy, good.score), tmp_path / "rateless.npz")
    (tmp_path / "damaged.pose").write_bytes(b"no pose file")
    write_npz(good, tmp_path / "good.npz")
    out = tmp_path / "out"
    common = ["--model", str(trained.finetuned), "--out", str(out), "--no_page"]
    assert main(["annotate", *map(str, sorted(tmp_path.glob("*.*"))), *common]) == 3
    said = "".join(capsys.readouterr().err.split())  # long paths break lines anywhere
    for reason in ("no hand in any frame", "--fps 25", "damaged.pose"):
        assert reason.replace(" ", "") in said
    assert (out / "good.eaf").is_file()
    assert main(["annotate", str(tmp_path / "handless.npz"), *common]) == 2
    assert main(["annotate", str(tmp_path / "good.npz"), str(work / "poses" / "two.npz"), *common, "--find", "zz"]) == 2
    assert "--find 'zz'" in capsys.readouterr().err


def holistic_file(file: Path, recording: Recording) -> None:
    """A `.pose` file of the trunk and the right hand."""
    hand = read_names()
    parts = [
        PoseHeaderComponent("POSE_LANDMARKS", [name.upper() for name in TRUNK_JOINTS], [], [], "XYC"),
        PoseHeaderComponent("RIGHT_HAND_LANDMARKS", hand, [], [], "XYC"),
    ]
    header = PoseHeader(0.2, PoseHeaderDimensions(640, 480, 0), parts)
    joints = [*range(*TRUNK.indices(99)), *range(len(hand))]
    data = (recording.xy[:, joints] * np.asarray([640, 480]))[:, None]
    body = NumPyPoseBody(25.0, data.astype(np.float32), recording.score[:, None, joints])
    with file.open("wb") as stream:
        Pose(header, body).write(stream)


def read_names() -> list[str]:
    fingers = ("INDEX_FINGER", "MIDDLE_FINGER", "RING_FINGER", "PINKY")
    thumb = ["WRIST", "THUMB_CMC", "THUMB_MCP", "THUMB_IP", "THUMB_TIP"]
    return [*thumb, *(f"{finger}_{level}" for finger in fingers for level in ("MCP", "PIP", "DIP", "TIP"))]


def test_pieces_of_pose_files_are_the_file(work: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.pose"
    holistic_file(file, read(work / "poses" / "two.npz"))
    whole = read(file).fractions()
    pieces = [piece.fractions() for piece in read_pieces(file, 100)]
    assert [len(piece.xy) for piece in pieces[:-1]] == [100] * (len(pieces) - 1)
    np.testing.assert_array_equal(np.concatenate([piece.xy for piece in pieces]), whole.xy)
    np.testing.assert_array_equal(np.concatenate([piece.score for piece in pieces]), whole.score)


@pytest.mark.slow
def test_the_benchmark_has_every_way_in_every_condition(work: Path, trained: Trained, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    options = ["--data", str(trained.pack), "--split", "all", "--fps", "25", "--json", str(report)]
    assert main(["spotting", "--model", str(trained.finetuned), "--segmenter", str(work / "segmenter"), *options]) == 0
    reports = json.loads(report.read_text())["reports"]
    assert len(reports) == 4
    for by_method in reports.values():
        assert set(by_method) == {"annotate", "fixed windows", "movement threshold", "live segmenter"}
        assert all(result["true_segments"] >= 20 for result in by_method.values())
