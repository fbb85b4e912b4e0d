"""The page's network has the votes of `explain` and the measures of `Noticer`; what describes it is plain JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from helpers.trained_runs import Trained

from twinsign.inference.input_check import Noticer
from twinsign.inference.recogniser import Recogniser, explain
from twinsign.pack.open import Pack
from twinsign.pose.recording import Recording
from twinsign.runs.run import load_run
from twinsign.web.network import COMPARED, PageNetwork, describe_network


@pytest.fixture(scope="module")
def clips(trained: Trained) -> list[Recording]:
    """Clips that show a hand."""
    pack = Pack(trained.pack)
    return [pack.recording(int(row)) for row in pack.select(["test"]) if pack.usable[row]][:4]


def outputs(network: PageNetwork, clips: list[Recording]) -> dict[str, Any]:
    return dict(zip(network.outputs, network.of_recordings(clips), strict=True))


def test_votes_and_notices_are_pythons(trained: Trained, clips: list[Recording]) -> None:
    run = load_run(trained.finetuned)
    found = outputs(PageNetwork(run).eval(), clips)
    explained = explain(Recogniser.load(trained.finetuned), clips)
    for clip, wanted in enumerate(explained):
        assert set(wanted.votes) == {name.removeprefix("vote_") for name in found if name.startswith("vote_")}
        for name, guesses in wanted.votes.items():
            best = found[f"vote_{name}"][clip].max(dim=0)
            assert (run.labels[int(best.indices)], float(best.values)) == (
                guesses[0].gloss,
                pytest.approx(guesses[0].confidence, abs=1e-5),
            )
        torch.testing.assert_close(found["embedding"][clip], wanted.embedding, atol=1e-5, rtol=0)
    noticer = Noticer(run)
    assert noticer.likeness is not None
    for clip, notice in enumerate(noticer.compare(clips)):
        far = float(found["distance"][clip]) > noticer.likeness.limit
        still = float(found["movement"][clip]) < noticer.likeness.least_movement
        side = int(found["leading_side"][clip])
        assert notice.unlike == (far or still or side == -noticer.leader != 0 or not found["hand_left"][clip])


def test_a_pretrained_run_answers_by_vectors_alone(trained: Trained, clips: list[Recording]) -> None:
    run = load_run(trained.pretrained)
    network = PageNetwork(run).eval()
    assert set(outputs(network, clips)) == {"embedding", "has_hand", *COMPARED}
    described = describe_network(run, network)
    assert (described["threshold"], described["glosses"]) == (None, [])


def test_the_description_is_plain_json(trained: Trained) -> None:
    run = load_run(trained.finetuned)
    described = describe_network(run, PageNetwork(run))
    told = json.loads(json.dumps(described, allow_nan=False))
    assert told["glosses"] == run.labels
    assert len(told["joints"]) == told["parts"]["trunk"][1]
    assert told["network"]["width"] == len(outputs(PageNetwork(run).eval(), [_frame(trained)])["embedding"][0])


def _frame(trained: Trained) -> Recording:
    pack = Pack(trained.pack)
    return pack.recording(int(pack.select(["test"])[0]))
