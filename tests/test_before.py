"""What the version before this one wrote still loads: a RUN of hands alone, a pack, a dictionary, a score file.

The RUN was trained on generated signs without their trunks; its dictionary was enrolled from the same signs with them,
which that version showed to the network.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from twinsign.cli.main import main
from twinsign.dictionary.entries import ABOUT
from twinsign.dictionary.lookup import Dictionary
from twinsign.evaluation.score_files import read_scores
from twinsign.inference.recogniser import Recogniser
from twinsign.pack.open import Pack
from twinsign.pose.layout import TRUNK, TRUNK_JOINTS
from twinsign.pose.recording import Recording
from twinsign.runs.run import load_run

BEFORE = Path(__file__).parent / "data" / "before"


def without_trunk(one: Recording) -> Recording:
    score = one.score.copy()
    score[:, TRUNK] = 0
    return replace(one, score=score)


@pytest.fixture
def bodies() -> list[Recording]:
    pack = Pack(BEFORE / "pack")
    return [pack.recording(row) for row in range(len(pack))]


def test_the_pack_opens(bodies: list[Recording]) -> None:
    assert len(bodies) == 6
    assert all(one.seen[:, TRUNK].any() for one in bodies)


def test_the_run_leaves_out_the_body_that_it_never_saw(bodies: list[Recording]) -> None:
    run = load_run(BEFORE / "run")
    crop = run.recipe.read.crop
    assert (crop.ignore, crop.outside, crop.hand_wrist_first) == (TRUNK_JOINTS, None, False)
    assert run.recipe.read.active == "box"
    recogniser = Recogniser.load(BEFORE / "run")
    for one, other in zip(
        recogniser.predict_many(bodies), recogniser.predict_many([without_trunk(one) for one in bodies]), strict=True
    ):
        assert one.guesses == other.guesses
        assert "the trunk left out" in one.note
        assert not other.note


def test_its_dictionary_is_brought_up_to_date(bodies: list[Recording], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(BEFORE / "dictionary", tmp_path / "dictionary"))
    old = torch.from_numpy(np.stack(Pack(folder).column("embedding")).astype(np.float32))
    lookup = Dictionary.load(BEFORE / "run", folder)
    wanted = torch.from_numpy(lookup.embedder.embed([without_trunk(one) for one in bodies]))
    torch.testing.assert_close(lookup.dictionary.entries.vectors, wanted, atol=1e-5, rtol=0)
    assert not torch.allclose(old, wanted, atol=1e-3)
    assert json.loads((folder / ABOUT).read_text())["reading"]
    found = lookup.search(bodies[0])
    assert found.nearest[0].similarity == pytest.approx(1, abs=1e-5)


def test_its_scores_are_read() -> None:
    found = read_scores(BEFORE / "scores.npz")
    assert (len(found.ids), found.splits) == (8, ("test",))


def test_it_is_evaluated_and_calibrated_by_the_commands(tmp_path: Path) -> None:
    run = Path(shutil.copytree(BEFORE / "run", tmp_path / "run"))
    pack = str(BEFORE / "pack")
    assert main(["evaluate", "--model", str(run), "--data", pack, "--json", str(tmp_path / "report.json")]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["ignored_joints"] == list(TRUNK_JOINTS)
    assert (report["source"]["trunk"], report["source"]["stream"]) == (100, False)
    assert (
        main(["evaluate", "--model", str(run), "--data", pack, "--stream", "--json", str(tmp_path / "live.json")]) == 0
    )
    assert json.loads((tmp_path / "live.json").read_text())["source"]["stream"]
    assert "likeness" not in load_run(run).about["learnt_from"]
    assert main(["calibrate", "--model", str(run), "--data", pack, "--split", "test"]) == 0
    assert "likeness" in load_run(run).about["learnt_from"]
