"""Recordings unlike what a RUN learnt from are told, and answered "not sure", in every way of asking."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers.recordings import packed
from helpers.trained_runs import Trained

from twinsign.errors import InputError
from twinsign.inference.input_check import Noticer
from twinsign.inference.likeness import MOST, Likeness, describe, fit_likeness, leading_side, load_likeness, movement
from twinsign.inference.recogniser import Recogniser
from twinsign.pack.open import Pack
from twinsign.pack.selection import select_labelled_training
from twinsign.pose.layout import BONES, HANDS, JOINTS, LEFT_HAND, MIRROR, RIGHT_HAND, TRUNK
from twinsign.pose.recording import Recording
from twinsign.runs.run import CONFIG, TRAINING_STATISTICS, load_run
from twinsign.views.batches import collate_recordings
from twinsign.views.config import ReadConfig

READ = ReadConfig()


def shuffled(one: Recording, random: np.random.Generator) -> Recording:
    order = random.permutation(len(JOINTS))
    return replace(one, xy=one.xy[:, order], score=one.score[:, order])


def without(one: Recording, joints: slice) -> Recording:
    score = one.score.copy()
    score[:, joints] = 0
    return replace(one, score=score)


def test_the_description_is_that_of_plain_loops(trained: Trained) -> None:
    pack = Pack(trained.pack)
    recordings = [pack.recording(row) for row in (0, 3)] + [without(pack.recording(5), RIGHT_HAND)]
    clips = collate_recordings(recordings, READ)
    values, shown = describe(clips)
    for number in range(len(recordings)):
        mine = slice(int(clips.start[number]), int(clips.start[number] + clips.length[number]))
        xy, seen = clips.xy[mine].double().numpy(), clips.seen[mine].numpy()
        wanted: list[float | None] = []
        for joint in range(len(JOINTS)):
            place = xy[seen[:, joint], joint]
            wanted += place.mean(axis=0).tolist() if len(place) else [None, None]
        for parent, child in BONES:
            both = seen[:, parent] & seen[:, child]
            length = np.linalg.norm(xy[both, child] - xy[both, parent], axis=1)
            wanted.append(length.mean() if len(length) else None)
        for hand in (RIGHT_HAND, LEFT_HAND):
            frames = seen[:, hand].any(axis=1)
            wanted += [seen[frames, joint].mean() if frames.any() else None for joint in range(hand.start, hand.stop)]
        assert shown[number].tolist() == [one is not None for one in wanted]
        given = [one for one in wanted if one is not None]
        np.testing.assert_allclose(values[number][shown[number]].numpy(), given, atol=1e-5)


def test_a_distance_worked_out_by_hand(trained: Trained) -> None:
    clips = collate_recordings([Pack(trained.pack).recording(0)], READ)
    values, shown = describe(clips)
    places = shown[0].nonzero().squeeze(1)
    mean, deviation = values[0].clone(), torch.zeros_like(values[0])
    deviation[places[:2]] = 0.5
    mean[places[0]] -= 1.0  # two deviations
    known = Likeness(mean, deviation, 1.0, 0.5)
    assert known.distances(clips).tolist() == pytest.approx([np.sqrt(2.0**2 / 2)])
    mean[places[1]] += 1000.0  # so far off that it counts as MOST
    assert known.distances(clips).tolist() == pytest.approx([np.sqrt((2.0**2 + MOST**2) / 2)], rel=1e-5)
    assert Likeness(mean, torch.zeros_like(mean), 1.0, 0.5).distances(clips).tolist() == [0.0]


def test_clips_learnt_from_and_held_out_set_the_limit(trained: Trained) -> None:
    pack = Pack(trained.pack)
    train, val = pack.select(["train"]), pack.select(["val"])
    known = fit_likeness(pack, train, READ, val)
    each = []
    for rows in (train, val):
        distances = known.distances(collate_recordings([pack.recording(row) for row in rows.tolist()], READ))
        each.append(float(distances.quantile(0.98)))
    assert known.limit == pytest.approx(max(each), rel=1e-5)
    assert fit_likeness(pack, train, READ).limit == pytest.approx(each[0], rel=1e-5)


def test_a_run_keeps_its_likeness(trained: Trained, tmp_path: Path) -> None:
    run = load_run(trained.finetuned)
    known = load_likeness(run)
    assert known is not None
    pack = Pack(trained.pack)
    train, _ = select_labelled_training(pack, [], run.about["label_fraction"], run.about["seed"])
    fresh = fit_likeness(pack, train.rows, run.recipe.read, pack.select(["val"]))
    torch.testing.assert_close(known.mean, fresh.mean, atol=1e-4, rtol=0)
    torch.testing.assert_close(known.deviation, fresh.deviation, atol=1e-4, rtol=0)
    assert load_likeness(replace(run, about={})) is None
    damaged = yaml.safe_load((run.path / CONFIG).read_text())["about"]
    damaged[TRAINING_STATISTICS]["likeness"]["joints"]["nose"] = "0 nan 1 1"
    with pytest.raises(InputError, match=r"likeness that is damaged"):
        load_likeness(replace(run, about=damaged))


def test_shuffled_joints_get_no_sure_answer(trained: Trained) -> None:
    recogniser, pack, random = Recogniser.load(trained.finetuned), Pack(trained.pack), np.random.default_rng(0)
    recogniser.calibration = replace(
        recogniser.calibration, threshold=0.0
    )  # else a weak model would not be sure anyway
    rows = pack.select(["val", "test"]).tolist()
    plain = recogniser.predict_many([pack.recording(row) for row in rows])
    assert np.mean([one.sure for one in plain]) > 0.9
    strange = recogniser.predict_many([shuffled(pack.recording(row), random) for row in rows])
    assert not any(one.sure for one in strange)
    assert all(one.unlike and one.note for one in strange)


def test_a_still_clip_is_told_from_signing(trained: Trained) -> None:
    recogniser, pack = Recogniser.load(trained.finetuned), Pack(trained.pack)
    recogniser.calibration = replace(recogniser.calibration, threshold=0.0)
    for row in pack.select(["test"]).tolist():
        one = pack.recording(row)
        frame = int(np.flatnonzero(one.seen[:, HANDS].any(axis=1))[3])
        still = replace(one, xy=one.xy[[frame] * 30], score=one.score[[frame] * 30])
        assert "nothing moves" in recogniser.predict(still).note
        assert not recogniser.predict(still).sure
        assert "nothing moves" not in recogniser.predict(one).note
    clips = collate_recordings([pack.recording(0)], READ)
    strays = []
    for joint in range(len(JOINTS)):
        xy = clips.xy[clips.seen[:, joint], joint].double().numpy()
        if len(xy):
            strays.append(np.sqrt(((xy - xy.mean(axis=0)) ** 2).mean(axis=0).sum()))
    assert movement(clips).tolist() == pytest.approx([np.mean(strays)], rel=1e-4)


def test_the_other_hand_is_told_where_training_did_not_mirror(trained: Trained, tmp_path: Path) -> None:
    pack = Pack(trained.pack)
    right = [without(pack.recording(row), LEFT_HAND) for row in range(40)]
    one_handed = packed(tmp_path / "p", right)
    known = fit_likeness(one_handed, np.arange(40), READ)
    assert known.right_leads == 1
    mirrored = replace(right[0], xy=right[0].xy[:, list(MIRROR)], score=right[0].score[:, list(MIRROR)])
    assert leading_side(collate_recordings([right[0], mirrored], READ)).tolist() == [1, -1]
    run = load_run(trained.finetuned)
    about = {**run.about, TRAINING_STATISTICS: {**run.about[TRAINING_STATISTICS], "likeness": known.as_dict()}}
    for flip, told in ((0.0, True), (0.5, False)):
        section = replace(run.recipe.finetune, augment=replace(run.recipe.finetune.augment, flip=flip, swap=0.0))
        noticer = Noticer(replace(run, about=about, recipe=replace(run.recipe, finetune=section)))
        notice = noticer.compare([mirrored])[0]
        assert ("mirrored picture" in notice.note) == told
        assert "mirrored" not in noticer.compare([right[0]])[0].note


def test_joints_left_out_are_noted_and_harmless(trained: Trained) -> None:
    run, one = load_run(trained.finetuned), Pack(trained.pack).recording(0)
    read = replace(run.recipe.read, crop=replace(run.recipe.read.crop, ignore=JOINTS[TRUNK]))
    noticer = Noticer(replace(run, recipe=replace(run.recipe, read=read), about={}))
    assert noticer.compare([one])[0] == ("the trunk left out, which the training clips do not show", False)
    assert noticer.compare([without(one, TRUNK)])[0] == ("", False)
    noticer.require(one)
    blind = replace(run.recipe.read, crop=replace(run.recipe.read.crop, ignore=JOINTS[HANDS]))
    notice = Noticer(replace(run, recipe=replace(run.recipe, read=blind))).compare([one])[0]
    assert notice.unlike
    assert notice.note.startswith("no joint of a hand that the model learnt from")
