"""Votes of parts and branches: what classifiers of that part or branch alone would say, and the same prediction."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers.trained_runs import Trained

from twinsign.errors import InputError
from twinsign.inference.recogniser import Recogniser, explain
from twinsign.pack.open import Pack
from twinsign.pose.layout import HANDS, TRUNK
from twinsign.pose.recording import Recording
from twinsign.views.batches import clips_of


@pytest.fixture
def recogniser(trained: Trained) -> Recogniser:
    return Recogniser.load(trained.finetuned)


@pytest.fixture
def recordings(trained: Trained) -> list[Recording]:
    pack = Pack(trained.pack)
    return [pack.recording(row) for row in range(3)]


def without(one: Recording, part: slice) -> Recording:
    score = one.score.copy()
    score[:, part] = 0
    return replace(one, score=score)


def test_the_prediction_is_that_of_predict(recogniser: Recogniser, recordings: list[Recording]) -> None:
    for one, wanted in zip(explain(recogniser, recordings), recogniser.predict_many(recordings), strict=True):
        assert one.prediction == wanted


@torch.no_grad()
def test_votes_are_what_a_part_or_branch_says_alone(recogniser: Recogniser, recordings: list[Recording]) -> None:
    classifier = recogniser.classifier
    views = recogniser.viewer(clips_of(recordings, recogniser.run.recipe.read))
    found = explain(recogniser, recordings, each=len(recogniser.run.labels))
    features = classifier.features(views)
    for name in ("joint", "motion", "hand", "trunk"):
        if name in features:
            logits = classifier.fc[name](features[name])
        else:
            classifier.head = replace(classifier.head, parts=(name,))
            logits = classifier(*views)
            classifier.head = replace(classifier.head, parts=("hand", "trunk"))
        shares = (logits / recogniser.calibration.temperature).softmax(dim=1)
        for clip, one in enumerate(found):
            got = {guess.gloss: guess.confidence for guess in one.votes[name]}
            wanted = dict(zip(recogniser.run.labels, shares[clip].tolist(), strict=True))
            assert got == pytest.approx(wanted, abs=1e-5)
            confidences = [guess.confidence for guess in one.votes[name]]
            assert confidences == sorted(confidences, reverse=True)
    torch.testing.assert_close(torch.stack([one.embedding for one in found]), features.joint_embedding(features))


def test_a_part_that_a_clip_does_not_show_has_no_vote(recogniser: Recogniser, recordings: list[Recording]) -> None:
    handsonly = without(recordings[0], TRUNK)
    recogniser.run = replace(recogniser.run, recipe=_without_lent_wrists(recogniser))
    one, other = explain(recogniser, [handsonly, recordings[1]])
    assert set(one.votes) == {"joint", "motion", "hand"}
    assert set(other.votes) == {"joint", "motion", "hand", "trunk"}


def _without_lent_wrists(recogniser: Recogniser):  # type: ignore[no-untyped-def]
    recipe = recogniser.run.recipe
    return replace(recipe, read=replace(recipe.read, crop=replace(recipe.read.crop, wrist_from_hand=False)))


def test_without_a_hand(recogniser: Recogniser, recordings: list[Recording]) -> None:
    with pytest.raises(InputError, match="no hand"):
        explain(recogniser, [without(recordings[0], HANDS)])
