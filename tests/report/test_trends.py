from __future__ import annotations

import numpy as np
import pytest

from twinsign.errors import InputError
from twinsign.report.html import png
from twinsign.report.trends import learning_curve

POINTS = [
    (20, {"linear": (30.0, 25.0, 36.0), "scratch": (10.0, 8.0, 12.0)}),
    (40, {"linear": (40.0, 35.0, 46.0)}),
    (100, {"linear": (70.0, 66.0, 75.0), "scratch": (69.0, 65.0, 74.0)}),
]


def series(axes) -> list[list]:
    """The points of each series, in their order."""
    own = [line for line in axes.lines if line.get_transform() == axes.transData and line.get_marker() != "None"]
    return [line.get_xydata().tolist() for line in own]


def test_values_stand_over_their_settings_with_whiskers_and_names() -> None:
    figure = learning_curve(POINTS, x_label="labels (%)")
    axes = figure.axes[0]
    assert series(axes) == [[[20, 30], [40, 40], [100, 70]], [[20, 10], [100, 69]]]
    whiskers = [np.array(c.get_segments())[:, :, 1].tolist() for c in axes.collections if hasattr(c, "get_segments")]
    assert [[25, 36], [35, 46], [66, 75]] in whiskers
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["20", "40", "100"]
    names = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert set(names) == {"linear", "scratch"}
    low, high = axes.get_ylim()
    assert names["linear"] - names["scratch"] > 0.06 * (high - low)  # moved apart: their values are 1 % apart
    assert low < 8
    assert high > 75
    assert png(figure).startswith(b"\x89PNG")


def test_names_never_meet_nor_leave_the_axis() -> None:
    for value in (0.0, 50.0, 100.0):
        rows = {f"series {number}": (value + number / 100, 0.0, 100.0) for number in range(9)}
        axes = learning_curve([(1, rows), (2, rows)]).axes[0]
        heights = sorted(text.get_position()[1] for text in axes.texts)
        low, high = axes.get_ylim()
        assert np.diff(heights).min() > 0.06 * (high - low)
        assert low - 1e-9 <= heights[0]
        assert heights[-1] <= high + 1e-9


def test_neighbours_on_a_logarithmic_axis_and_words_in_their_order() -> None:
    neighbours = [(k, {"K": (float(k % 7), 0.0, 9.0)}) for k in (1024, 1, 64)]
    axes = learning_curve(neighbours, log=True).axes[0]
    assert axes.get_xscale() == "log"
    assert [point[0] for point in series(axes)[0]] == [1, 64, 1024]
    assert axes.get_xlim()[0] > 0
    words = learning_curve([("none", {"K": (1.0, 0.0, 2.0)}), ("all", {"K": (3.0, 2.0, 4.0)})]).axes[0]
    assert series(words) == [[[0, 1], [1, 3]]]
    assert [tick.get_text() for tick in words.get_xticklabels()] == ["none", "all"]
    one = learning_curve([(5, {"K": (1.0, 1.0, 1.0)})]).axes[0]
    assert one.get_xlim()[0] < 5 < one.get_xlim()[1]


@pytest.mark.parametrize(
    ("points", "log", "message"),
    [
        ([], False, "0 settings without a value"),
        ([(1, {})], False, "1 settings without a value"),
        ([(0, {"K": (1.0, 1.0, 1.0)})], True, "above 0 on a logarithmic axis"),
        ([("a", {"K": (1.0, 1.0, 1.0)})], True, "settings a; wanted numbers"),
        ([("a", {"K": (1.0, 1.0, 1.0)}), (1, {})], False, "all numbers or all words"),
        ([(1, {"K": (1.0, 1.0, 1.0)}), (1, {})], False, "each once"),
        ([(1, {"K": (float("nan"), 0.0, 1.0)})], False, "finite numbers"),
    ],
)
def test_what_cannot_be_drawn_is_refused(points, log: bool, message: str) -> None:
    with pytest.raises(InputError, match=message):
        learning_curve(points, log=log)
