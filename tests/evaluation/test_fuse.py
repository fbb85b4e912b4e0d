"""Late fusion against a slow loop, closed forms of its weights, and the guard between tuning and reporting."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import log_softmax

from twinsign.errors import InputError
from twinsign.evaluation.fuse import FusionWeights, check_tuning, fuse, fused_report, fusion_weights, tune
from twinsign.evaluation.metrics import ClipScores, accuracy_report, confidences, true_class_ranks
from twinsign.evaluation.score_files import ScoreFile


def scored(labels, scores) -> ClipScores:
    scores = np.asarray(scores, np.float32)
    return ClipScores([f"c{i}" for i in range(len(labels))], [f"g{c}" for c in range(scores.shape[1])], labels, scores)


def random_scored(seed: int, skill: float, clips: int = 400, classes: int = 5, scale: float = 1.0) -> ClipScores:
    labels = np.random.default_rng(77).integers(0, classes, clips)
    scores = np.random.default_rng(seed).normal(size=(clips, classes))
    scores[np.arange(clips), labels] += skill
    return scored(labels, scores * scale)


def slow(members: list[list[float]], mix: FusionWeights) -> list[float]:
    """One clip's fused scores: shares that sum to 1, or summed logits less their largest."""
    found = [0.0] * len(members[0])
    for scores, weight, temperature in zip(members, mix.weights, mix.temperatures, strict=True):
        powers = [math.exp(score / temperature) for score in scores]
        for c, power in enumerate(powers):
            share = power / math.fsum(powers)
            found[c] += weight * (share / math.fsum(mix.weights) if mix.add == "softmax" else math.log(share))
    return found


@given(
    st.lists(st.lists(st.floats(-20, 20), min_size=3, max_size=3), min_size=1, max_size=4),
    st.data(),
    st.sampled_from(["softmax", "logits"]),
)
def test_agrees_with_the_loop(rows, data, add) -> None:
    count = len(rows)
    weights = data.draw(st.lists(st.floats(0.1, 5), min_size=count, max_size=count))
    temperatures = data.draw(st.lists(st.floats(0.5, 4), min_size=count, max_size=count))
    mix = FusionWeights(tuple(weights), tuple(temperatures), add)
    members = [scored(np.array([0]), [row]) for row in rows]
    wanted = slow([member.scores[0].tolist() for member in members], mix)
    found = fuse(members, mix).scores[0]
    assert (np.exp(found) if add == "softmax" else found) == pytest.approx(wanted, rel=1e-4, abs=1e-6)


def test_one_model_alone_keeps_its_report_and_a_weight_of_0_is_silence() -> None:
    one, other = random_scored(0, 1.5), random_scored(1, 0.5)
    assert accuracy_report(fuse([one], fusion_weights(1))) == accuracy_report(one)
    silenced = fuse([one, other], fusion_weights(2, [2, 0]))
    assert np.array_equal(true_class_ranks(silenced), true_class_ranks(one))
    assert confidences(silenced) == pytest.approx(confidences(one), abs=1e-6)


def test_softmaxes_are_bounded_where_logits_are_not() -> None:
    loud, right = scored(np.array([0]), [[0, 100, 0]]), scored(np.array([0]), [[9, 0, 0]])
    both = [right, loud, right]
    assert true_class_ranks(fuse(both, fusion_weights(3))).tolist() == [0]
    assert true_class_ranks(fuse(both, fusion_weights(3, add="logits"))).tolist() == [1]


def test_extreme_logits_stay_finite() -> None:
    far = scored(np.array([1, 0]), [[3e4, -3e4, 0], [0, 0, 3e4]])
    assert np.isfinite(fuse([far, far], fusion_weights(2, [1e-9, 1])).scores).all()


def test_tuned_weights_are_the_likeliest() -> None:
    members = [random_scored(0, 2.0), random_scored(1, 1.0), random_scored(2, 0.0)]
    mix = tune(members)
    assert sum(mix.weights) == pytest.approx(1, abs=1e-5)
    assert mix.weights[0] > mix.weights[1] > mix.weights[2]
    labels = members[0].labels
    shares = np.stack(
        [
            np.exp(log_softmax(one.scores.astype(float) / t, axis=1))[np.arange(len(labels)), labels]
            for one, t in zip(members, mix.temperatures, strict=True)
        ],
        axis=1,
    )

    def loss(free: np.ndarray) -> float:
        weights = np.exp(free) / np.exp(free).sum()
        return float(-np.log(shares @ weights).mean())

    best = minimize(loss, np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000})
    mine = np.asarray(mix.weights)
    assert -np.log(shares @ mine).mean() <= best.fun + 1e-6


def test_a_louder_copy_of_a_model_is_tuned_to_the_same_confidence() -> None:
    quiet, loud = random_scored(0, 2.0), random_scored(0, 2.0, scale=4.0)
    temperatures = tune([quiet, loud]).temperatures
    assert temperatures[1] / temperatures[0] == pytest.approx(4, rel=0.06)  # the grid's step
    assert tune([quiet, loud], "logits").weights == (1.0, 1.0)


def test_fusing_two_views_of_the_truth_beats_each() -> None:
    members = [random_scored(seed, 1.5) for seed in range(2)]
    alone = [accuracy_report(member)["per_instance"]["top1"] for member in members]
    assert accuracy_report(fuse(members, fusion_weights(2)))["per_instance"]["top1"] > max(alone) + 3


@pytest.mark.parametrize(
    ("weights", "temperatures", "message"),
    [
        ([1], [], "found 1 weights; wanted 2"),
        ([], [1, 2, 3], "found 3 temperatures; wanted 2"),
        ([0, 0], [], "not all 0"),
        ([1, -1], [], "at least 0"),
        ([1, math.nan], [], "at least 0"),
        ([], [1, 0], "above 0"),
        ([], [1, math.inf], "above 0"),
    ],
)
def test_bad_weights_are_refused(weights, temperatures, message) -> None:
    with pytest.raises(InputError, match=message):
        fusion_weights(2, weights, temperatures)


def score_file(name: str, member: ClipScores, prefix: str = "", splits=()) -> ScoreFile:
    ids = [prefix + one for one in member.ids]
    return ScoreFile(Path(name), ids, member.scores, member.glosses, member.labels, False, splits)


def test_what_tunes_is_apart_from_what_reports() -> None:
    one = random_scored(0, 1.0, clips=6)
    fused = [score_file("T1", one), score_file("T2", one)]
    val = score_file("V", one, "val", ("val",))
    check_tuning([val, val], fused)
    with pytest.raises(InputError, match="1 files to tune on; wanted 2"):
        check_tuning([val], fused)
    with pytest.raises(InputError, match=r"6 clips that are also fused \(c0, c1, c2, c3, c4\)"):
        check_tuning([val, score_file("V", one, "", ("val",))], fused)
    for splits in (("test",), ("val", "test"), ("all",)):
        with pytest.raises(InputError, match=f"scores of split {splits[-1]}"):
            check_tuning([val, score_file("V", one, "val", splits)], fused)
    with pytest.raises(InputError, match=r"other classes: 1 missing \(g4\)"):
        check_tuning([val, score_file("V", random_scored(0, 1.0, 6, 4), "val")], fused)


def test_the_report_says_what_was_added() -> None:
    members = [random_scored(seed, 1.0, clips=30) for seed in range(2)]
    files = [score_file("A", members[0], splits=("test",)), score_file("B", members[1])]
    mix = fusion_weights(2, [3, 1], [1, 2])
    report = fused_report(files, members, mix, fuse(members, mix))
    assert report["per_instance"] == accuracy_report(fuse(members, mix))["per_instance"]
    assert (report["split"], report["selected_on"], report["add"]) == (["test"], [], "softmax")
    first, second = report["members"]
    assert (first["file"], first["weight"], second["temperature"], second["left_out"]) == ("A", 3, 2, 0)
    assert first["per_class"] == accuracy_report(members[0])["per_class"]
