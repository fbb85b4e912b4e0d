"""The 49 joints: their names, order, mirror, graphs and numbers in other layouts."""

from __future__ import annotations

import pytest

from twinsign.pose.layout import (
    BONES,
    COCO_WHOLEBODY,
    HAND_GRAPH,
    HAND_GROUP_GRAPH,
    HAND_JOINTS,
    HAND_WRIST,
    HANDS,
    INDEX,
    JOINT_COUNT,
    JOINTS,
    LEFT_HAND,
    MEDIAPIPE_TRUNK,
    MIRROR,
    OPENPOSE_BODY25_TRUNK,
    RIGHT_HAND,
    SHOULDER_ELBOW_WRIST,
    TRUNK,
    TRUNK_GRAPH,
    TRUNK_GROUP_GRAPH,
    TRUNK_JOINTS,
    Graph,
)

COCO_BODY = "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist"
COCO_NAMES = dict(enumerate([*COCO_BODY.split(), "right_wrist"]))


def test_order() -> None:
    assert (JOINT_COUNT, len(set(JOINTS))) == (49, 49)
    parts = [(part.start, part.stop) for part in (RIGHT_HAND, LEFT_HAND, TRUNK, HANDS)]
    assert parts == [(0, 21), (21, 42), (42, 49), (0, 42)]
    assert all(name.startswith("right_hand_") for name in JOINTS[RIGHT_HAND])
    assert all(name.startswith("left_hand_") for name in JOINTS[LEFT_HAND])
    assert JOINTS[TRUNK] == TRUNK_JOINTS
    assert [name.removeprefix("left_hand_") for name in JOINTS[LEFT_HAND]] == list(HAND_JOINTS)
    assert HAND_JOINTS[:6] == ("wrist", "thumb_1", "thumb_2", "thumb_3", "thumb_4", "index_1")
    assert all(JOINTS[number] == name for name, number in INDEX.items())


def test_the_mirror_swaps_sides() -> None:
    assert sorted(MIRROR) == list(range(JOINT_COUNT))
    for joint, other in enumerate(MIRROR):
        assert MIRROR[other] == joint
        one, two = JOINTS[joint], JOINTS[other]
        assert {one.split("_")[0], two.split("_")[0]} in ({"left", "right"}, {"nose"})
        assert one.split("_")[1:] == two.split("_")[1:]


def test_named_joints() -> None:
    for side, arm in SHOULDER_ELBOW_WRIST.items():
        assert [JOINTS[joint] for joint in arm] == [f"{side}_{part}" for part in ("shoulder", "elbow", "wrist")]
        assert JOINTS[HAND_WRIST[side]] == f"{side}_hand_wrist"


def test_other_layouts_by_their_own_names() -> None:
    assert COCO_WHOLEBODY[RIGHT_HAND] == tuple(range(112, 133))
    assert COCO_WHOLEBODY[LEFT_HAND] == tuple(range(91, 112))
    assert tuple(COCO_NAMES[number] for number in COCO_WHOLEBODY[TRUNK]) == TRUNK_JOINTS
    assert MEDIAPIPE_TRUNK == (0, 11, 13, 15, 12, 14, 16)
    assert OPENPOSE_BODY25_TRUNK == (0, 5, 6, 7, 2, 3, 4)


GRAPHS = {"hand": HAND_GRAPH, "hand groups": HAND_GROUP_GRAPH, "trunk": TRUNK_GRAPH, "trunk groups": TRUNK_GROUP_GRAPH}


@pytest.mark.parametrize("name", GRAPHS)
def test_bones_make_a_tree_and_links_are_no_bones(name: str) -> None:
    graph: Graph = GRAPHS[name]
    assert len(graph.bones) == graph.joints - 1
    assert len({child for _, child in graph.bones}) == graph.joints - 1
    (root,) = set(range(graph.joints)) - {child for _, child in graph.bones}
    reached = {root}
    for _ in graph.bones:
        reached |= {child for parent, child in graph.bones if parent in reached}
    assert reached == set(range(graph.joints))
    bones = {frozenset(bone) for bone in graph.bones}
    assert not bones & {frozenset(link) for link in graph.links}
    assert all(0 <= joint < graph.joints for pair in (*graph.bones, *graph.links) for joint in pair)


def test_the_hand_by_name() -> None:
    bones = {(HAND_JOINTS[a], HAND_JOINTS[b]) for a, b in HAND_GRAPH.bones}
    assert ("wrist", "index_1") in bones
    assert ("little_3", "little_4") in bones
    links = {(HAND_JOINTS[a], HAND_JOINTS[b]) for a, b in HAND_GRAPH.links}
    assert len(links) == 16
    assert all(a.split("_")[1] == b.split("_")[1] for a, b in links)
    assert ("index_2", "middle_2") in links
    assert ("thumb_1", "middle_1") not in links
    groups = [[HAND_JOINTS[joint] for joint in group] for group in HAND_GRAPH.groups]
    assert groups[1] == ["index_2", "index_3", "index_4"]
    assert groups[5] == ["wrist", "thumb_1", "index_1", "middle_1", "ring_1", "little_1"]
    assert sorted(joint for group in HAND_GRAPH.groups for joint in group) == list(range(HAND_GRAPH.joints))
    assert len(HAND_GRAPH.groups) == HAND_GROUP_GRAPH.joints


def test_the_trunk_by_name() -> None:
    assert {(TRUNK_JOINTS[a], TRUNK_JOINTS[b]) for a, b in TRUNK_GRAPH.bones} == {
        (f"{side}_{a}" if a != "nose" else a, f"{side}_{b}")
        for side in ("left", "right")
        for a, b in (("nose", "shoulder"), ("shoulder", "elbow"), ("elbow", "wrist"))
    }
    links = {(TRUNK_JOINTS[a], TRUNK_JOINTS[b]) for a, b in TRUNK_GRAPH.links}
    assert links == {(f"left_{part}", f"right_{part}") for part in ("shoulder", "elbow", "wrist")}
    groups = [{TRUNK_JOINTS[joint] for joint in group} for group in TRUNK_GRAPH.groups]
    assert groups == [{f"{side}_{part}" for part in ("shoulder", "elbow", "wrist")} for side in ("left", "right")] + [
        {"nose"}
    ]
    assert len(groups) == TRUNK_GROUP_GRAPH.joints


def test_all_bones_of_the_body_are_mirrored_bones() -> None:
    assert len(BONES) == 20 + 20 + 6
    assert {(MIRROR[a], MIRROR[b]) for a, b in BONES} == set(BONES)
    assert all(JOINTS[a].split("_")[:2] == JOINTS[b].split("_")[:2] for a, b in BONES[:40])
