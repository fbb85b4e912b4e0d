"""What a RUN remembers of its clips, and that strange ones are noticed: on made and on real sets."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.recordings import packed, recording
from helpers.trained_runs import Trained

from twinsign.cli.main import main
from twinsign.datasets.folder import landmark_corpus
from twinsign.errors import InputError
from twinsign.inference.input_check import Noticer
from twinsign.inference.shift import check_shift, joint_statistics, shift_of, training_statistics
from twinsign.pack.open import Pack
from twinsign.pack.write import write_pack
from twinsign.pose.layout import INDEX, JOINTS, TRUNK
from twinsign.pose.recording import Recording
from twinsign.runs.run import TRAINING_STATISTICS, Run, load_run
from twinsign.views.batches import ClipReader
from twinsign.views.config import ReadConfig

READ = ReadConfig()
SETS = ("wlasl300_hands", "wlasl_unlabelled_hands", "wlasl_body_hands", "webcam")


def test_statistics_are_those_of_the_cropped_joints(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pack = packed(tmp_path / "p", [recording(rng, str(n), 5 + n % 3) for n in range(70)])
    found, clips = joint_statistics(pack, np.arange(70), READ)
    batch = ClipReader(pack, np.arange(70), READ).__getitems__(range(70))
    assert clips == 70
    for joint in range(len(JOINTS)):
        mine = batch.seen[:, joint].numpy()
        xy = batch.xy[:, joint].double().numpy()[mine]
        assert found[joint, 4] == pytest.approx(mine.mean())
        np.testing.assert_allclose(found[joint, :2], xy.mean(axis=0), atol=1e-9)
        np.testing.assert_allclose(found[joint, 2:4], xy.std(axis=0), atol=1e-7)


def base(rng: np.random.Generator, number: int, *, shift: float = 0.0, estimator: str = "one") -> Recording:
    xy = 0.5 + 0.1 * rng.standard_normal((8, len(JOINTS), 2))
    xy[:, INDEX["nose"]] += shift
    return Recording(str(number), xy, np.ones(xy.shape[:2]), estimator=estimator)


def known(tmp_path: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return training_statistics(packed(tmp_path / "known", [base(rng, n) for n in range(60)]), np.arange(60), READ)


def test_like_clips_are_not_remarked_upon(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    found = shift_of(known(tmp_path), packed(tmp_path / "p", [base(rng, n) for n in range(60)]), np.arange(60), READ)
    assert not found
    assert str(found) == ""


def test_a_shifted_joint_is_measured_and_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    moved = packed(tmp_path / "p", [base(rng, n, shift=0.2) for n in range(60)])
    found = shift_of(known(tmp_path), moved, np.arange(60), READ)
    assert list(found.joints) == ["nose"]
    assert found.joints["nose"] == pytest.approx(2.0, abs=0.3)
    assert found.median < 0.2
    assert "1 joints shifted" in str(found)
    assert "nose by" in str(found)


def test_missing_and_unknown_joints_and_estimators(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    bare = []
    for number in range(60):
        one = base(rng, number, estimator="two")
        score = one.score.copy()
        score[:, TRUNK] = 0
        bare.append(replace(one, score=score))
    pack = packed(tmp_path / "p", bare)
    found = shift_of(known(tmp_path), pack, np.arange(60), READ)
    assert found.missing == ["nose", "left_shoulder", "left_elbow", "right_shoulder", "right_elbow"]
    assert found.estimators == {"learnt": ["one"], "met": ["two"]}
    assert str(found).startswith("poses by two instead of one; no nose, left_shoulder, left_elbow and 2 more joints")
    turned = training_statistics(pack, np.arange(60), READ)
    back = shift_of(turned, packed(tmp_path / "q", [base(rng, n) for n in range(60)]), np.arange(60), READ)
    assert back.unknown == found.missing


def test_a_run_remembers_and_warns_or_refuses(
    trained: Trained, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rng = np.random.default_rng(1)
    strange = packed(tmp_path / "p", [base(rng, n, shift=0.3) for n in range(40)])
    for path in (trained.pretrained, trained.finetuned, trained.linear):
        run = load_run(path)
        about = run.about[TRAINING_STATISTICS]
        assert about["packs"][0]["command"] == "pack synthetic"
        assert about["estimators"] == ["synthetic"]
        own = Pack(trained.pack)
        with caplog.at_level(logging.WARNING, "twinsign"):
            caplog.clear()
            check_shift(run, own, own.select(["train"]), run.recipe.read, strict=True)
            assert not caplog.records
            check_shift(run, strange, np.arange(40), run.recipe.read, strict=False)
        assert "poses by one instead of synthetic" in caplog.text
        with pytest.raises(InputError, match=r"one instead of synthetic.*Without --strict") as caught:
            check_shift(run, strange, np.arange(40), run.recipe.read, strict=True)
        assert caught.value.file == strange.paths[0]


def note_on(run: Run, recording: Recording, strict: bool) -> str:
    noticer = Noticer(run)
    if strict:
        noticer.require(recording)
    return noticer.compare([recording])[0].note


def test_runs_that_remember_nothing_are_not_compared(trained: Trained) -> None:
    run, pack = load_run(trained.pretrained), Pack(trained.pack)
    older = replace(run, about={})
    assert check_shift(older, pack, np.arange(4), run.recipe.read, strict=True) is None
    assert note_on(older, pack.recording(0), strict=True) == ""


def test_one_clip_is_compared_by_estimator_and_parts(trained: Trained) -> None:
    run, one = load_run(trained.finetuned), Pack(trained.pack).recording(0)
    assert note_on(run, one, strict=True) == ""
    assert note_on(run, replace(one, estimator=""), strict=True) == ""
    score = one.score.copy()
    score[:, TRUNK] = 0
    other = replace(one, score=score, estimator="openpose")
    assert note_on(run, other, strict=False).startswith("poses by openpose instead of synthetic; no trunk")
    with pytest.raises(InputError, match="no trunk"):
        note_on(run, other, strict=True)


@pytest.fixture(scope="module")
def strange(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained pack's clips, hands alone."""
    pack, path = Pack(trained.pack), tmp_path_factory.mktemp("strange") / "P"
    clips, rows = [], []
    for row in range(len(pack)):
        one = pack.recording(row)
        score = one.score.copy()
        score[:, TRUNK] = 0
        clips.append(replace(one, score=score))
        rows.append({name: pack.table[name][row].as_py() for name in ("gloss", "split", "signer")})
    packed(path, clips, rows)
    return path


@pytest.mark.parametrize("command", ["finetune", "linear", "evaluate", "knn"])
def test_strict_commands_refuse(
    trained: Trained, strange: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    options = {
        "finetune": ["--config", str(trained.recipe), "--init", str(trained.pretrained), "--out", str(tmp_path / "R")],
        "evaluate": ["--model", str(trained.finetuned), "--report", str(tmp_path / "page.html")],
        "knn": ["--config", str(trained.recipe), "--model", str(trained.pretrained)],
    }
    words = [command, "--data", str(strange), *options.get(command, options["finetune"])]
    assert main([*words, "--strict"]) == 2
    assert "no nose" in capsys.readouterr().err
    found = tmp_path / "found.json"
    assert main([*words, *(["--json", str(found)] if command in ("evaluate", "knn") else [])]) == 0
    if found.exists():
        assert '"missing": [\n' in found.read_text()


def test_the_webcam_is_told_from_wlasl_and_bodies_from_hands_alone(data_dir: Path, tmp_path: Path) -> None:
    """Splits of one source agree, other sources and estimators do not: what the threshold stands on."""
    packs = {}
    for name in SETS:
        samples = landmark_corpus(data_dir / f"{name}.npz").samples
        write_pack(samples[:: 12 if name == "webcam" else 3 if "unlabelled" in name else 1], tmp_path / name)
        packs[name] = Pack(tmp_path / name)

    def rows(name: str, split: str | None = None) -> np.ndarray:
        found = np.flatnonzero(packs[name].usable)
        return found if split is None else found[packs[name].splits[found] == split]

    for name in ("wlasl300_hands", "wlasl_body_hands"):
        learnt = training_statistics(packs[name], rows(name, "train"), READ)
        for split in ("val", "test"):
            assert not shift_of(learnt, packs[name], rows(name, split), READ), f"{name} {split}"
        for other in SETS:
            alike = other.endswith("_hands") and (other == "wlasl_body_hands") == (name == "wlasl_body_hands")
            found = shift_of(learnt, packs[other], rows(other), READ)
            assert bool(found) != alike, f"{name} to {other}: {found}"
    learnt = training_statistics(packs["wlasl300_hands"], rows("wlasl300_hands", "train"), READ)
    bodies = shift_of(learnt, packs["wlasl_body_hands"], rows("wlasl_body_hands"), READ)
    assert "nose" in bodies.unknown
    webcam = shift_of(learnt, packs["webcam"], rows("webcam"), READ)
    assert webcam.median > 2 * bodies.median
