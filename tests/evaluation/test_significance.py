"""Reports over seeds against plain loops; comparisons against SciPy, all sign patterns and a slow bootstrap."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from twinsign.errors import InputError
from twinsign.evaluation.metrics import ClipScores, accuracy_report
from twinsign.evaluation.significance import compare, mcnemar, report_over_seeds, sign_flip

GLOSSES = [f"g{c}" for c in range(7)]


def scored(seed: int, skill: float, clips: int = 80) -> ClipScores:
    labels = np.random.default_rng(5).integers(0, len(GLOSSES), clips)
    scores = np.random.default_rng(seed).normal(size=(clips, len(GLOSSES)))
    scores[np.arange(clips), labels] += skill
    return ClipScores([f"c{i}" for i in range(clips)], GLOSSES, labels, scores.astype(np.float32))


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_the_binomial_test(only_a: int, only_b: int) -> None:
    wanted = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert mcnemar(only_a, only_b) == pytest.approx(wanted, rel=1e-9)
    assert mcnemar(only_a, only_b) == mcnemar(only_b, only_a)


def test_mcnemar_of_known_counts() -> None:
    assert mcnemar(0, 0) == mcnemar(3, 3) == 1
    assert mcnemar(0, 5) == 2 / 32
    assert mcnemar(1, 5) == 2 * 7 / 64
    assert mcnemar(0, 3000) == 0  # smaller than any number
    assert 0 < mcnemar(9000, 10_000) < 1e-11


@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), min_size=1, max_size=9))
def test_sign_flips_estimate_the_share_of_all_patterns(values: list[float]) -> None:
    sums = [
        sum(s * v for s, v in zip(signs, values, strict=True))
        for signs in itertools.product((-1, 1), repeat=len(values))
    ]
    wanted = np.mean([abs(one) >= abs(sum(values)) - 1e-9 for one in sums])
    assert sign_flip(np.asarray(values), flips=4000) == pytest.approx(wanted, abs=0.04)


def test_sign_flips_of_single_files_are_mcnemar() -> None:
    differences = np.array([1.0] * 12 + [-1.0] * 3 + [0.0] * 50)
    assert sign_flip(differences) == pytest.approx(mcnemar(12, 3), abs=0.01)
    assert sign_flip(np.zeros(9)) == 1


def test_differences_are_those_of_the_reports() -> None:
    one, other = scored(0, 2.0), scored(1, 1.0)
    found = compare([one], [other], resamples=200)
    ours, theirs = accuracy_report(one), accuracy_report(other)
    for kind in ("per_instance", "per_class"):
        assert found["a"][kind] == ours[kind]
        assert found["b"][kind] == theirs[kind]
        for top, value in found["difference"][kind].items():
            assert value == pytest.approx(ours[kind][top] - theirs[kind][top], abs=0.011)
            low, high = found["interval95"][f"{kind}.{top}"]
            assert low <= value <= high
    right = [(run.scores.argmax(axis=1) == run.labels) for run in (one, other)]
    assert found["mcnemar"]["only_a"] == (right[0] & ~right[1]).sum()
    assert found["mcnemar"]["only_b"] == (right[1] & ~right[0]).sum()
    assert found["mcnemar"]["p"] == mcnemar(found["mcnemar"]["only_a"], found["mcnemar"]["only_b"])


def test_a_model_does_not_differ_from_itself_and_sides_are_mirror_images() -> None:
    one, other = scored(0, 1.5), scored(1, 1.0)
    same = compare([one], [one], resamples=50)
    assert set(same["difference"]["per_class"].values()) == {0}
    assert set(map(tuple, same["interval95"].values())) == {(0.0, 0.0)}
    assert same["mcnemar"] == {"only_a": 0, "only_b": 0, "p": 1.0}
    there, back = compare([one], [other], resamples=300), compare([other], [one], resamples=300)
    for name, (low, high) in there["interval95"].items():
        assert back["interval95"][name] == pytest.approx([-high, -low], abs=1e-6)


def slow_interval(one: ClipScores, other: ClipScores, draws: int) -> np.ndarray:
    """Per-instance and per-class top-1 difference: clips drawn one by one, classes averaged by loops."""
    random, found = np.random.default_rng(11), []
    hits = [
        [int(row.argmax() == label) for row, label in zip(run.scores, run.labels, strict=True)] for run in (one, other)
    ]
    for _ in range(draws):
        chosen = random.integers(len(one.ids), size=len(one.ids))
        change = [hits[0][i] - hits[1][i] for i in chosen]
        classes: dict[int, list[int]] = {}
        for i, value in zip(chosen, change, strict=True):
            classes.setdefault(int(one.labels[i]), []).append(value)
        found.append([np.mean(change), np.mean([np.mean(mine) for mine in classes.values()])])
    return 100 * np.percentile(found, [2.5, 97.5], axis=0)


def test_intervals_agree_with_a_slow_bootstrap() -> None:
    one, other = scored(0, 1.5, 60), scored(1, 1.0, 60)
    found, wanted = compare([one], [other])["interval95"], slow_interval(one, other, 1500)
    for column, kind in enumerate(("per_instance", "per_class")):
        assert found[f"{kind}.top1"] == pytest.approx(wanted[:, column], abs=2.5)


def test_seeds_are_averaged_and_tested_by_clip() -> None:
    ours, theirs = [scored(seed, 2.0) for seed in range(3)], [scored(seed, 1.0) for seed in range(10, 12)]
    found = compare(ours, theirs, resamples=300)
    tops = [accuracy_report(run)["per_instance"]["top1"] for run in ours]
    assert found["a"]["per_instance"]["top1"] == pytest.approx(np.mean(tops), abs=0.01)
    assert (found["a"]["seeds"], found["b"]["seeds"]) == (3, 2)
    assert "mcnemar" not in found
    assert found["sign_flip"]["p"] < 0.01


def test_one_model_three_times_is_no_three_models() -> None:
    """Copies add no certainty: clips, not files, are what is drawn."""
    one, other = scored(0, 1.5), scored(1, 1.0)
    single, triple = compare([one], [other]), compare([one] * 3, [other] * 3)
    for name, interval in single["interval95"].items():
        assert triple["interval95"][name] == pytest.approx(interval, abs=2.5)
    assert triple["sign_flip"]["p"] == pytest.approx(single["mcnemar"]["p"], abs=0.02)


def test_other_clips_or_labels_are_refused() -> None:
    one = scored(0, 1.0)
    with pytest.raises(InputError, match="different clips"):
        compare([one], [scored(1, 1.0, clips=79)])
    with pytest.raises(InputError, match="different clips"):
        compare([one], [ClipScores(one.ids, GLOSSES, (one.labels + 1) % 7, one.scores)])


def seed_scores(seed: int, clips: int = 60, first: int = 0) -> ClipScores:
    random = np.random.default_rng(seed)
    labels = np.random.default_rng(99).integers(0, len(GLOSSES) - 1, clips)  # the last class never occurs
    scores = random.normal(size=(clips, len(GLOSSES))) + 1.5 * np.eye(len(GLOSSES))[labels]
    return ClipScores([f"clip {first + number}" for number in range(clips)], GLOSSES, labels, scores.astype(np.float32))


def test_accuracies_are_the_mean_of_the_seeds() -> None:
    runs = [seed_scores(seed) for seed in range(3)]
    found, each = report_over_seeds(runs), [accuracy_report(run) for run in runs]
    for kind in ("per_instance", "per_class"):
        for top in ("top1", "top2", "top5"):
            assert found[kind][top] == pytest.approx(np.mean([report[kind][top] for report in each]), abs=0.011)
    assert found["per_instance_top1_by_seed"] == [report["per_instance"]["top1"] for report in each]
    assert (found["clips"], found["classes"], found["label_count"], found["seeds"]) == (60, 6, 7, 3)


def test_one_seed_is_its_own_report() -> None:
    found, wanted = report_over_seeds([seed_scores(0)]), accuracy_report(seed_scores(0))
    assert {kind: found[kind] for kind in ("per_instance", "per_class", "ece")} == {
        kind: wanted[kind] for kind in ("per_instance", "per_class", "ece")
    }
    for name, (low, high) in wanted["interval95"].items():
        assert found["interval95"][name] == pytest.approx([low, high], abs=4), name


def test_intervals_hold_the_mean_and_shrink_with_clips() -> None:
    few, many = (report_over_seeds([seed_scores(seed, clips) for seed in range(3)]) for clips in (40, 640))
    for report in (few, many):
        low, high = report["interval95"]["per_instance.top1"]
        assert low < report["per_instance"]["top1"] < high
    widths = [np.diff(report["interval95"]["per_instance.top1"])[0] for report in (few, many)]
    assert widths[1] < widths[0] / 2


def test_the_same_seeds_give_the_same_intervals() -> None:
    runs = [seed_scores(seed) for seed in range(2)]
    assert report_over_seeds(runs) == report_over_seeds(runs)


def test_seeds_on_other_clips_are_refused() -> None:
    with pytest.raises(InputError, match="different clips"):
        report_over_seeds([seed_scores(0), seed_scores(1, first=1)])
