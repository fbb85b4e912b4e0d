"""From recordings to ranked glosses: calibrated, the same alone and together, refused without a hand; and votes of
parts and branches, what classifiers of that part or branch alone would answer.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.trained_runs import Trained

from twinsign.errors import InputError
from twinsign.evaluation.scoring import score
from twinsign.inference.recogniser import Recogniser, explain
from twinsign.nn.features import joint_embedding
from twinsign.pack.open import Pack
from twinsign.pack.selection import labelled_rows
from twinsign.pose.layout import HANDS, TRUNK
from twinsign.pose.recording import Recording
from twinsign.runs.calibration import Calibration
from twinsign.runs.models import load_classifier
from twinsign.runs.run import load_run
from twinsign.views.batches import collate_recordings


@pytest.fixture
def recordings(trained: Trained) -> list[Recording]:
    """The test split, clip by clip."""
    pack = Pack(trained.pack)
    return [pack.recording(int(row)) for row in pack.select(["test"])]


def test_confidence_is_the_calibrated_softmax_of_what_evaluation_scores(
    trained: Trained, recordings: list[Recording]
) -> None:
    run, pack = load_run(trained.linear), Pack(trained.pack)
    scored = score(run, load_classifier(run), pack, labelled_rows(pack, pack.select(["test"]), run.labels))
    temperature = run.about["calibration"]["temperature"]
    wanted = (torch.from_numpy(scored.scores) / temperature).softmax(dim=1)
    found = Recogniser.load(trained.linear).predict_many(recordings, top=4)
    for row, prediction in zip(wanted, found, strict=True):
        table = {guess.gloss: guess.confidence for guess in prediction.guesses}
        assert [table[gloss] for gloss in run.labels] == pytest.approx(row.tolist(), abs=1e-4)
        assert prediction.sure == (prediction.guesses[0].confidence >= run.about["calibration"]["threshold"])


def test_alone_as_among_others(trained: Trained, recordings: list[Recording]) -> None:
    recogniser = Recogniser.load(trained.finetuned)
    together = recogniser.predict_many(recordings)
    for recording, wanted in zip(recordings, together, strict=True):
        found = recogniser.predict(recording)
        assert [guess.gloss for guess in found.guesses] == [guess.gloss for guess in wanted.guesses]
        for one, other in zip(found.guesses, wanted.guesses, strict=True):
            assert one.confidence == pytest.approx(other.confidence, abs=1e-5)


def test_top_and_threshold(trained: Trained, recordings: list[Recording]) -> None:
    recogniser = Recogniser.load(trained.finetuned)
    assert len(recogniser.predict(recordings[0], top=2).guesses) == 2
    for threshold, sure in ((0.0, True), (2.0, False)):
        recogniser.calibration = Calibration(1.0, threshold)
        assert recogniser.predict(recordings[0]).sure is sure


def test_none_at_all_is_refused(trained: Trained, recordings: list[Recording]) -> None:
    with pytest.raises(InputError, match="top 0"):
        Recogniser.load(trained.finetuned).predict(recordings[0], top=0)


def test_a_recording_without_a_hand_is_named(trained: Trained, recordings: list[Recording]) -> None:
    score = recordings[1].score.copy()
    score[:, HANDS] = 0
    handless = replace(recordings[1], id="empty one", score=score)
    with pytest.raises(InputError, match=r"clip 'empty one'.*no hand"):
        Recogniser.load(trained.finetuned).predict_many([recordings[0], handless])


def test_one_frame_and_many(trained: Trained, recordings: list[Recording]) -> None:
    recogniser = Recogniser.load(trained.finetuned)
    clip = next(one for one in recordings if one.seen[:, HANDS].any())
    frame = int(np.flatnonzero(clip.seen[:, HANDS].any(axis=1))[0])
    for index in ([frame], [frame] * 400):
        found = recogniser.predict(Recording("x", clip.xy[index], clip.score[index], size=clip.size))
        assert sum(guess.confidence for guess in found.guesses) == pytest.approx(1, abs=1e-5)


def test_a_pretrained_run_cannot_predict(trained: Trained) -> None:
    with pytest.raises(InputError, match="without a classifier"):
        Recogniser.load(trained.pretrained)


@pytest.fixture
def recogniser(trained: Trained) -> Recogniser:
    return Recogniser.load(trained.finetuned)


@pytest.fixture
def clips(trained: Trained) -> list[Recording]:
    pack = Pack(trained.pack)
    return [pack.recording(row) for row in range(3)]


def without(recording: Recording, part: slice) -> Recording:
    score = recording.score.copy()
    score[:, part] = 0
    return replace(recording, score=score)


def test_the_prediction_beside_votes_is_that_of_predict(recogniser: Recogniser, clips: list[Recording]) -> None:
    for one, wanted in zip(explain(recogniser, clips), recogniser.predict_many(clips), strict=True):
        assert one.prediction == wanted


@torch.no_grad()
def test_votes_are_what_a_part_or_branch_says_alone(recogniser: Recogniser, clips: list[Recording]) -> None:
    classifier = recogniser.classifier
    views = recogniser.viewer(collate_recordings(clips, recogniser.run.recipe.read))
    found = explain(recogniser, clips, each=len(recogniser.run.labels))
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
    torch.testing.assert_close(torch.stack([one.embedding for one in found]), joint_embedding(features))


def test_a_part_that_a_clip_does_not_show_has_no_vote(recogniser: Recogniser, clips: list[Recording]) -> None:
    handsonly = without(clips[0], TRUNK)
    recogniser.run = replace(recogniser.run, recipe=_without_lent_wrists(recogniser))
    one, other = explain(recogniser, [handsonly, clips[1]])
    assert set(one.votes) == {"joint", "motion", "hand"}
    assert set(other.votes) == {"joint", "motion", "hand", "trunk"}


def _without_lent_wrists(recogniser: Recogniser):  # type: ignore[no-untyped-def]
    recipe = recogniser.run.recipe
    return replace(recipe, read=replace(recipe.read, crop=replace(recipe.read.crop, wrist_from_hand=False)))


def test_votes_without_a_hand_are_refused(recogniser: Recogniser, clips: list[Recording]) -> None:
    with pytest.raises(InputError, match="no hand"):
        explain(recogniser, [without(clips[0], HANDS)])
