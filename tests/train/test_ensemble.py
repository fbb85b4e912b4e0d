"""Several classifiers as one RUN: its logits are the sum of theirs, on the real clips of the session's pack."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.trained_runs import Trained

import twinsign as ts
from twinsign.cli.main import main
from twinsign.errors import InputError
from twinsign.inference.recogniser import explain
from twinsign.runs.run import WEIGHTS, load_run
from twinsign.train.ensemble import ENSEMBLE, ensemble


@pytest.fixture(scope="module")
def pair(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The session's fine-tuned RUN, and a convolutional GRU on the same clips."""
    other = tmp_path_factory.mktemp("ensemble") / "gru"
    gru = ("network=conv_gru", "joint_widths=[8,8]", "part_widths=[16]", "graph_dropout=0")
    words = [word for each in gru for word in (f"--encoder.{each.partition('=')[0]}", each.partition("=")[2])]
    parts = ("--finetune.head.parts", "[hand]", "--finetune.head.start", "random")
    assert trained.classify("finetune", other, *words, *parts, init="none") == 0
    return [trained.finetuned, other]


def scores(model: Path, pack: Path) -> np.ndarray:
    return ts.evaluate(model, ts.ClipSelection([str(pack)]), None).scored.scores


def test_logits_are_the_sum_of_the_members(trained: Trained, pair: list[Path], tmp_path: Path) -> None:
    assert main(["ensemble", *map(str, pair), "--out", str(tmp_path / "both")]) == 0
    wanted = sum(scores(member, trained.pack) for member in pair)
    assert np.allclose(scores(tmp_path / "both", trained.pack), wanted, atol=1e-4)
    made = load_run(tmp_path / "both")
    assert made.labels == load_run(pair[0]).labels
    assert [entry["digest"] for entry in made.about[ENSEMBLE]] == [load_run(member).digest() for member in pair]
    assert not {"calibration", "averaged", "started_from"} & {*made.about}


def test_an_ensemble_takes_part_in_another_and_answers_recordings(
    trained: Trained, pair: list[Path], tmp_path: Path
) -> None:
    ensemble(pair[::-1], tmp_path / "both")
    five = ensemble([pair[0], tmp_path / "both", tmp_path / "both"], tmp_path / "five")
    wanted = 3 * scores(pair[0], trained.pack) + 2 * scores(pair[1], trained.pack)
    assert np.allclose(scores(five.path, trained.pack), wanted, atol=2e-4)
    three = ensemble([tmp_path / "both", pair[0]], tmp_path / "three")
    wanted = scores(pair[1], trained.pack) + 2 * scores(pair[0], trained.pack)
    assert np.allclose(scores(three.path, trained.pack), wanted, atol=1e-4)
    assert main(["calibrate", "--model", str(three.path), "--data", str(trained.pack)]) == 0
    assert ensemble([tmp_path / "both", pair[0]], tmp_path / "three").about["calibration"], "what is finished stays"
    model, recording = ts.Recogniser.load(three.path), ts.Pack(str(trained.pack)).recording(0)
    assert model.predict(recording).guesses[0].gloss in model.labels
    first = ts.Recogniser.load(pair[1])
    assert np.allclose(model.embed(recording), first.embed(recording), atol=1e-6), "vectors are the first one's"
    assert np.allclose(explain(model, [recording])[0].embedding, first.embed(recording)[0], atol=1e-6)


def test_an_interrupted_one_is_made_again_and_another_is_not_overwritten(pair: list[Path], tmp_path: Path) -> None:
    ensemble(pair, tmp_path / "both")
    before = (tmp_path / "both" / WEIGHTS).read_bytes()
    (tmp_path / "both" / WEIGHTS).unlink()
    ensemble(pair, tmp_path / "both")
    assert (tmp_path / "both" / WEIGHTS).read_bytes() == before
    with pytest.raises(InputError, match=r"a run that differs in .*ensemble"):
        ensemble(pair[::-1], tmp_path / "both")


def test_what_cannot_be_added_is_refused_and_named(trained: Trained, pair: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "both"
    with pytest.raises(InputError, match="1 RUN"):
        ensemble(pair[:1], out)
    with pytest.raises(InputError, match="without a classifier"):
        ensemble([pair[0], trained.pretrained], out)
    fewer, frames, hands = (tmp_path / name for name in ("fewer", "frames", "hands"))
    assert trained.classify("finetune", fewer, "--labels_per_class", "1") == 0
    assert trained.classify("finetune", frames, "--finetune.frames", "9") == 0
    assert trained.classify("finetune", hands, "--finetune.head.parts", "[hand]") == 0
    for other, differing in ((fewer, "clips"), (frames, "frames"), (hands, "parts")):
        with pytest.raises(InputError, match=f"{differing} unlike those of"):
            ensemble([pair[0], other], out)
    damaged = tmp_path / "damaged"
    shutil.copytree(pair[1], damaged)
    (damaged / WEIGHTS).write_bytes((damaged / WEIGHTS).read_bytes()[:1000])
    with pytest.raises(InputError, match="damaged weights"):
        ensemble([pair[0], damaged], out)
    assert not out.exists()
