"""Reports over seeds against plain loops and the report of a single seed."""

from __future__ import annotations

import numpy as np
import pytest

from twinsign.errors import InputError
from twinsign.evaluation.bootstrap import report_over_seeds
from twinsign.evaluation.metrics import Scored, accuracy_report

GLOSSES = [f"gloss {number}" for number in range(7)]


def scored(seed: int, clips: int = 60, first: int = 0) -> Scored:
    random = np.random.default_rng(seed)
    labels = np.random.default_rng(99).integers(0, len(GLOSSES) - 1, clips)  # the last class never occurs
    scores = random.normal(size=(clips, len(GLOSSES))) + 1.5 * np.eye(len(GLOSSES))[labels]
    return Scored([f"clip {first + number}" for number in range(clips)], GLOSSES, labels, scores.astype(np.float32))


def test_accuracies_are_the_mean_of_the_seeds() -> None:
    runs = [scored(seed) for seed in range(3)]
    found, each = report_over_seeds(runs), [accuracy_report(run) for run in runs]
    for kind in ("per_instance", "per_class"):
        for top in ("top1", "top2", "top5"):
            assert found[kind][top] == pytest.approx(np.mean([report[kind][top] for report in each]), abs=0.011)
    assert found["per_instance_top1_by_seed"] == [report["per_instance"]["top1"] for report in each]
    assert (found["clips"], found["classes"], found["label_count"], found["seeds"]) == (60, 6, 7, 3)


def test_one_seed_is_its_own_report() -> None:
    found, wanted = report_over_seeds([scored(0)]), accuracy_report(scored(0))
    assert {kind: found[kind] for kind in ("per_instance", "per_class", "ece")} == {
        kind: wanted[kind] for kind in ("per_instance", "per_class", "ece")
    }
    for name, (low, high) in wanted["interval95"].items():
        assert found["interval95"][name] == pytest.approx([low, high], abs=4), name


def test_intervals_hold_the_mean_and_shrink_with_clips() -> None:
    few, many = (report_over_seeds([scored(seed, clips) for seed in range(3)]) for clips in (40, 640))
    for report in (few, many):
        low, high = report["interval95"]["per_instance.top1"]
        assert low < report["per_instance"]["top1"] < high
    widths = [np.diff(report["interval95"]["per_instance.top1"])[0] for report in (few, many)]
    assert widths[1] < widths[0] / 2


def test_the_same_seeds_give_the_same_intervals() -> None:
    runs = [scored(seed) for seed in range(2)]
    assert report_over_seeds(runs) == report_over_seeds(runs)


def test_seeds_on_other_clips_are_refused() -> None:
    with pytest.raises(InputError, match="different clips"):
        report_over_seeds([scored(0), scored(1, first=1)])
