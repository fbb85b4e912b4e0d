from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from PIL import Image

from twinsign.errors import InputError
from twinsign.pose.layout import BONES, HANDS, INDEX, JOINT_COUNT, LEFT_HAND, RIGHT_HAND, TRUNK
from twinsign.report.skeletons import PARTS, animate, clip_panel, draw_skeleton, draw_strips, skeleton_strip, view_panel

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


def test_views_stand_apart_whatever_hangs_out() -> None:
    xy, seen = GENERATOR.uniform(0, 1, (4, JOINT_COUNT, 2)), np.ones((4, JOINT_COUNT), bool)
    xy[2, INDEX["left_wrist"], 1] = 1.7
    panel = view_panel(xy, seen)
    assert panel.points[:, HANDS, 1].min() > 1.7
    assert panel.points[:, TRUNK] == pytest.approx(xy[:, TRUNK])
    right, left = panel.points[:, RIGHT_HAND], panel.points[:, LEFT_HAND]
    assert right[..., 0].max() <= 0.5 <= left[..., 0].min()
    assert right[..., 0] == pytest.approx(xy[:, RIGHT_HAND, 0] / 2)
    assert left[..., 0] == pytest.approx(0.5 + (1 - xy[:, LEFT_HAND, 0]) / 2)  # stored mirrored, drawn as seen
    assert xy[0, 0, 0] <= 1  # what was given is left as it was


def test_strips_of_several_panels_have_titles_and_a_legend() -> None:
    one, other = clip_panel(*clip(9), title="one $x$"), clip_panel(*clip(3), title="other")
    figure = draw_strips([one, other], frames=4)
    assert [axes.get_title() for axes in figure.axes] == [
        *(f"frame {number} of 9" for number in (1, 4, 6, 9)),
        *(f"frame {number} of 3" for number in (1, 2, 3)),
    ]
    assert [part.get_suptitle() for part in figure.subfigs] == [r"one \$x\$", "other"]
    assert [text.get_text() for text in figure.legends[0].texts] == ["trunk", "left hand", "right hand"]


def frames_of(gif: bytes) -> list[np.ndarray]:
    image = Image.open(io.BytesIO(gif))
    found = []
    for number in range(image.n_frames):
        image.seek(number)
        found.append(np.asarray(image.convert("RGB")))
    return found


def has(picture: np.ndarray, colour: str) -> bool:
    return bool((np.abs(picture.astype(int) - np.round(255 * np.array(to_rgb(colour)))).max(axis=-1) < 3).any())


def test_a_gif_moves_and_shows_each_hand_while_it_is_seen() -> None:
    xy, seen = clip(3)
    seen[1, LEFT_HAND] = False
    pictures = frames_of(animate([clip_panel(xy, seen)], fps=10))
    assert len(pictures) == 3
    body = [picture[: int(0.85 * len(picture))] for picture in pictures]  # without the legend
    blue, orange = PARTS["left hand"][1], PARTS["right hand"][1]
    assert [has(picture, blue) for picture in body] == [True, False, True]
    assert all(has(picture, orange) for picture in body)
    assert all(has(picture, blue) for picture in pictures)  # the legend keeps its colours
    assert not (pictures[0] == pictures[2]).all()


@pytest.mark.parametrize(("fps", "wait"), [(25, 40), (10, 100), (1000, 20), (24, 40)])
def test_a_gif_plays_at_its_rate(fps: float, wait: int) -> None:
    image = Image.open(io.BytesIO(animate([clip_panel(*clip(2))], fps)))
    assert (image.info["duration"], image.info["loop"]) == (wait, 0)


def test_a_gif_of_nothing_says_so() -> None:
    nothing = clip_panel(np.zeros((3, JOINT_COUNT, 2)), np.zeros((3, JOINT_COUNT), bool))
    assert len(frames_of(animate([nothing]))) == 1
