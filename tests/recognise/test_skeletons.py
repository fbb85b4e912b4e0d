from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from twinsign.errors import InputError
from twinsign.pose.layout import BONES, HANDS, INDEX, JOINT_COUNT, LEFT_HAND, RIGHT_HAND, TRUNK
from twinsign.recognise.skeletons import PARTS, draw_skeleton, skeleton_strip

GENERATOR = np.random.default_rng(0)
FRAME = GENERATOR.uniform(0.2, 0.8, (JOINT_COUNT, 2)).astype(np.float32)


def bones_of(axes) -> dict[str, LineCollection]:
    return {c.get_label(): c for c in axes.collections if isinstance(c, LineCollection)}


def dots_of(axes) -> dict[str, np.ndarray]:
    found = [c for c in axes.collections if not isinstance(c, LineCollection)]
    return {c.get_label(): np.asarray(c.get_offsets()) for c in found}


def drawn(seen) -> tuple[dict[str, LineCollection], dict[str, np.ndarray]]:
    axes = Figure().add_subplot()
    draw_skeleton(axes, FRAME, seen)
    return bones_of(axes), dots_of(axes)


def test_all_bones_of_a_whole_person_in_three_colours() -> None:
    bones, dots = drawn(np.ones(JOINT_COUNT, bool))
    assert {name: len(lines.get_segments()) for name, lines in bones.items()} == {
        "right hand bones": 20,
        "left hand bones": 20,
        "trunk bones": 6,
    }
    assert sum(len(lines.get_segments()) for lines in bones.values()) == len(BONES)
    assert len({to_hex(lines.get_colors()[0]) for lines in bones.values()}) == 3
    for name, (joints, colour, _) in PARTS.items():
        assert dots[f"{name} joints"] == pytest.approx(FRAME[joints])
        assert to_hex(bones[f"{name} bones"].get_colors()[0]) == to_hex(colour)
    assert [PARTS[name][0] for name in ("right hand", "left hand", "trunk")] == [RIGHT_HAND, LEFT_HAND, TRUNK]


def test_unseen_joints_and_their_bones_are_not_drawn() -> None:
    seen = GENERATOR.random(JOINT_COUNT) < 0.6
    bones, dots = drawn(seen)
    segments = {tuple(np.ravel(segment)) for lines in bones.values() for segment in lines.get_segments()}
    assert segments == {tuple(np.ravel(FRAME[[a, b]])) for a, b in BONES if seen[a] and seen[b]}
    points = {tuple(point) for part in dots.values() for point in part}
    assert points == {tuple(point) for point in FRAME[seen]}


def test_a_hand_alone_draws_no_trunk() -> None:
    seen = np.zeros(JOINT_COUNT, bool)
    seen[LEFT_HAND] = True
    bones, dots = drawn(seen)
    assert len(bones["left hand bones"].get_segments()) == 20
    assert not len(bones["trunk bones"].get_segments())
    assert not len(dots["trunk joints"])
    assert not len(dots["right hand joints"])


def clip(frames: int) -> tuple[np.ndarray, np.ndarray]:
    return GENERATOR.uniform(0.1, 0.9, (frames, JOINT_COUNT, 2)), np.ones((frames, JOINT_COUNT), bool)


def test_a_strip_spreads_over_the_frames_where_something_is_seen() -> None:
    xy, seen = clip(40)
    seen[:10] = seen[31:] = False
    figure = skeleton_strip(xy, seen)
    numbers = [int(axes.get_title().split()[1]) - 1 for axes in figure.axes]
    assert (numbers[0], numbers[-1], len(numbers)) == (10, 30, 6)
    assert np.ptp(np.diff(numbers)) <= 1
    for number, axes in zip(numbers, figure.axes, strict=True):
        dots = dots_of(axes)
        assert np.concatenate(
            [dots[f"{part} joints"] for part in ("right hand", "left hand", "trunk")]
        ) == pytest.approx(xy[number], abs=1e-6)


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_a_short_clip_shows_each_frame_once(frames: int) -> None:
    assert [axes.get_title() for axes in skeleton_strip(*clip(frames)).axes] == [
        f"frame {number} of {frames}" for number in range(1, frames + 1)
    ]


def test_axes_point_down_share_limits_and_keep_the_images_shape() -> None:
    xy, seen = clip(8)
    wide, square = skeleton_strip(xy, seen, (1280, 720)), skeleton_strip(xy, seen)
    for axes in (*wide.axes, *square.axes):
        assert axes.get_aspect() == 1.0
        assert axes.get_ylim()[0] > axes.get_ylim()[1]
        assert axes.get_xlim()[0] < axes.get_xlim()[1]
    assert len({axes.get_xlim() + axes.get_ylim() for axes in wide.axes}) == 1
    nose = INDEX["nose"] - TRUNK.start
    found = dots_of(wide.axes[0])["trunk joints"][nose]
    assert found == pytest.approx(xy[0, INDEX["nose"]] * [1, 720 / 1280], abs=1e-6)
    low, high = wide.axes[0].get_ylim()[1], wide.axes[0].get_ylim()[0]
    assert low < xy[seen][:, 1].min() * 720 / 1280 < xy[seen][:, 1].max() * 720 / 1280 < high


def test_far_off_unseen_joints_do_not_move_the_limits() -> None:
    xy, seen = clip(3)
    other = xy.copy()
    seen[:, HANDS] = False
    other[:, HANDS] = 99
    assert skeleton_strip(xy, seen).axes[0].get_xlim() == skeleton_strip(other, seen).axes[0].get_xlim()


def test_a_clip_without_any_joint_says_so() -> None:
    figure = skeleton_strip(np.zeros((3, JOINT_COUNT, 2)), np.zeros((3, JOINT_COUNT), bool))
    assert not figure.axes
    assert [text.get_text() for text in figure.texts] == ["no joint seen in this clip"]


def test_one_single_seen_joint_draws() -> None:
    seen = np.zeros((1, JOINT_COUNT), bool)
    seen[0, 0] = True
    figure = skeleton_strip(np.full((1, JOINT_COUNT, 2), 0.5), seen)
    assert figure.axes[0].get_xlim()[0] < 0.5 < figure.axes[0].get_xlim()[1]


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(InputError, match=r"found shapes \(4, 48, 2\)"):
        skeleton_strip(np.zeros((4, 48, 2)), np.ones((4, 48)))
