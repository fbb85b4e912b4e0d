from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.collections import LineCollection

from twinsign.errors import InputError
from twinsign.evaluation.metrics import ClipScores, per_class_table, wilson_interval
from twinsign.report.figures import (
    accuracy_bars,
    accuracy_by_clips,
    confused_classes,
    confusion_matrix,
    coverage_curve,
    hardest_classes,
    label_text,
    learning_curves,
)


def scored(labels, guesses, classes: int, glosses=None) -> ClipScores:
    scores = np.zeros((len(labels), classes), np.float32)
    scores[np.arange(len(labels)), guesses] = 1
    names = glosses or [f"gloss{c}" for c in range(classes)]
    return ClipScores([str(i) for i in range(len(labels))], names, np.asarray(labels), scores)


def row(gloss: str, clips: int, top1: float, wrong: str | None = None, wrong_clips: int = 0) -> dict:
    return {
        "gloss": gloss,
        "clips": clips,
        "top1": top1,
        "top5": 100.0,
        "wrong_guess": wrong,
        "wrong_clips": wrong_clips,
    }


def test_one_panel_a_family_of_curves() -> None:
    rows = [
        {"step": 0, "epoch": 0, "train/loss": 3.0, "lr": 0.1, "effective_rank": 4, "stopped": 1.0},
        {"step": 5, "epoch": 0, "train/loss": 2.0, "infonce_top1": 20.0},
        {"step": 9, "epoch": 1, "val/loss": 2.5, "val/top1": 30.0, "knn_top1": 25.0, "alignment": 1, "uniformity": -2},
        {"step": 12, "train/loss": float("nan"), "val/top1": None, "note": "text", "done": True},
    ]
    figure = learning_curves(rows)
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes}
    assert list(panels) == [
        "Loss",
        "InfoNCE accuracy",
        "Accuracy",
        "Effective rank",
        "Alignment and uniformity",
        "Learning rate",
        "Stopped",
    ]
    loss = {line.get_label(): line.get_xydata().tolist() for line in panels["Loss"].lines}
    assert loss == {"train/loss": [[0, 3], [5, 2]], "val/loss": [[9, 2.5]]}
    assert [line.get_label() for line in panels["Accuracy"].lines] == ["val/top1", "knn_top1"]
    assert {axes.get_xlabel() for axes in figure.axes} == {"step"}
    assert len({line.get_color() for line in panels["Loss"].lines}) == 2


def test_curves_along_epochs_where_no_step_is_logged() -> None:
    figure = learning_curves([{"epoch": 2, "val/top1": 9}, {"epoch": 1, "val/top1": 8}, {"val/top1": 1}])
    assert figure.axes[0].get_xlabel() == "epoch"
    assert figure.axes[0].lines[0].get_xydata().tolist() == [[1, 8], [2, 9]]


def test_curves_without_a_metric_are_refused() -> None:
    with pytest.raises(InputError, match="2 rows without a metric"):
        learning_curves([{"step": 1, "epoch": 0}, {"loss": 2.0}])


def test_a_small_confusion_matrix_shows_counts_and_shares() -> None:
    figure = confusion_matrix(scored([0, 0, 0, 0, 2], [0, 0, 0, 1, 2], 4))
    axes = figure.axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["gloss0", "gloss1", "gloss2"]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["gloss0", "gloss1", "gloss2"]
    assert axes.images[0].get_array().tolist() == [[75, 25, 0], [0, 0, 0], [0, 0, 100]]
    assert {text.get_position(): text.get_text() for text in axes.texts if text.get_text()} == {
        (0, 0): "3",
        (1, 0): "1",
        (2, 2): "1",
    }


def test_a_large_confusion_matrix_shows_the_most_confused() -> None:
    counts = np.diag(np.full(100, 9))
    counts[70, 3], counts[5, 90], counts[8, 9] = 7, 5, 1
    assert confused_classes(counts, limit=4) == [3, 5, 70, 90]
    assert confused_classes(counts, limit=5) == [3, 5, 70, 90]
    assert confused_classes(np.diag(np.full(100, 9)), limit=3) == [0, 1, 2]
    labels = np.repeat(np.arange(100), 2)
    figure = confusion_matrix(scored(labels, (labels + np.tile([0, 1], 100)) % 100, 100))
    assert figure.axes[0].images[0].get_array().shape == (40, 40)
    assert not figure.axes[0].texts


def test_the_hardest_class_is_the_surest_failure() -> None:
    table = [row("easy", 9, 100.0), row("unsure", 1, 0.0, "easy", 1), row("hard", 10, 10.0, "unsure", 6)]
    axes = hardest_classes(table, limit=2).axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["hard (10)", "unsure (1)"]
    assert [bar.get_width() for bar in axes.patches] == [10, 0]
    assert [text.get_text() for text in axes.texts] == ["→ unsure (6)", "→ easy (1)"]
    whiskers = next(part for part in axes.collections if isinstance(part, LineCollection)).get_segments()
    low, high = wilson_interval(1, 10)
    assert whiskers[0][:, 0] == pytest.approx([100 * low, 100 * high])
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_accuracy_by_clips_gathers_classes_at_one_spot() -> None:
    table = [row("a", 2, 50.0), row("b", 2, 50.0), row("c", 2, 100.0), row("d", 5, 80.0)]
    axes = accuracy_by_clips(table).axes[0]
    dots = axes.collections[0]
    assert dots.get_offsets().tolist() == [[2, 50], [2, 100], [5, 80]]
    assert dots.get_sizes().tolist() == [28, 14, 14]
    assert axes.lines[0].get_xydata() == pytest.approx(np.array([[2, 200 / 3], [5, 80]]))
    assert axes.get_xlabel() == "scored clips of the class"


def test_accuracy_by_training_clips_goes_logarithmic_when_wide() -> None:
    table = [row("a", 2, 50.0), row("b", 2, 70.0), row("new", 1, 0.0)]
    axes = accuracy_by_clips(table, {"a": 4, "b": 400}).axes[0]
    assert axes.collections[0].get_offsets()[:, 0].tolist() == [0, 4, 400]
    assert (axes.get_xscale(), axes.get_xlabel()) == ("linear", "training clips of the class")
    assert accuracy_by_clips(table[:2], {"a": 4, "b": 400}).axes[0].get_xscale() == "log"


def test_bars_with_whiskers_that_need_not_hold_the_value() -> None:
    axes = accuracy_bars({"scratch": (40.0, 35.0, 45.0), "pretrained": (60.0, 61.0, 66.0)}).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [40, 60]
    assert [segment[:, 0].tolist() for segment in axes.collections[0].get_segments()] == [[35, 45], [61, 66]]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["scratch", "pretrained"]
    assert [text.get_text() for text in axes.texts] == ["40.0  [35.0, 45.0]", "60.0  [61.0, 66.0]"]


def test_text_from_outside_is_drawn_letter_for_letter() -> None:
    assert label_text("a\nb\x00c") == "a b c"
    assert label_text("x" * 50, 10) == "x" * 9 + "…"
    names = ["$x^2$", "$\\frac", "_under", "<b>&", "a b", "plain"]
    clips = scored([0, 1, 2, 3, 5], [1, 0, 2, 3, 5], 6, names)
    for figure in (hardest_classes(per_class_table(clips)), confusion_matrix(clips)):
        figure.savefig(io.BytesIO(), format="png")
        labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
        assert any(label.startswith(r"\$x^2\$") for label in labels)


def test_pyplot_knows_of_no_figure() -> None:
    accuracy_bars({"one": (1.0, 0.0, 2.0)})
    learning_curves([{"step": 0, "loss": 1.0}])
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize(("threshold", "accuracy"), [(None, None), (0.6, 80.0), (2.0, None)])
def test_a_coverage_curve_has_the_points_and_the_threshold(threshold: float | None, accuracy: float | None) -> None:
    points = [{"coverage": 50.0, "accuracy": 90.0}, {"coverage": 100.0, "accuracy": 70.0}]
    answered = {"threshold": threshold, "coverage": 75.0, "accuracy": accuracy}
    (axes,) = coverage_curve(points, answered).axes
    assert axes.lines[0].get_xdata().tolist() == [50.0, 100.0]
    assert axes.lines[0].get_ydata().tolist() == [90.0, 70.0]
    assert (axes.get_legend() is not None) == (threshold == 0.6)
    if threshold == 0.6:
        assert (axes.lines[1].get_xdata().tolist(), axes.lines[1].get_ydata().tolist()) == ([75.0], [80.0])
