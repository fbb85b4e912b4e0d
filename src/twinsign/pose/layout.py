"""The 49 joints by name: where each sits, its mirror image, the graphs that join them, and other layouts' numbers.

The only file that holds joint numbers. Order: right hand 0-20, left hand 21-41, trunk 42-48 (paper, Sec. IV-A).
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

LAYOUT_VERSION = 1
FINGERS = ("thumb", "index", "middle", "ring", "little")
HAND_JOINTS = ("wrist", *(f"{finger}_{level}" for finger in FINGERS for level in range(1, 5)))
_ARM = ("shoulder", "elbow", "wrist")
TRUNK_JOINTS = ("nose", *(f"{side}_{joint}" for side in ("left", "right") for joint in _ARM))
JOINTS = (*(f"{side}_hand_{joint}" for side in ("right", "left") for joint in HAND_JOINTS), *TRUNK_JOINTS)
JOINT_COUNT = len(JOINTS)
INDEX = {name: number for number, name in enumerate(JOINTS)}

RIGHT_HAND = slice(0, len(HAND_JOINTS))
LEFT_HAND = slice(len(HAND_JOINTS), 2 * len(HAND_JOINTS))
HANDS = slice(0, 2 * len(HAND_JOINTS))
TRUNK = slice(2 * len(HAND_JOINTS), JOINT_COUNT)
_OPPOSITE = {"left": "right", "right": "left", "nose": "nose"}
MIRROR = tuple(INDEX["_".join([_OPPOSITE[side], *words])] for side, *words in (name.split("_") for name in JOINTS))
"""Joint MIRROR[i] of a mirrored person stands where joint i of the person stood."""


class Graph(NamedTuple):
    """A part's skeleton: joints, bones (parent, child) away from the centre joint 0, links, and pooled groups."""

    joints: int
    bones: tuple[tuple[int, int], ...]
    links: tuple[tuple[int, int], ...]
    groups: tuple[tuple[int, ...], ...]


def _hand_graph() -> Graph:
    chains = [[1 + 4 * finger + level for level in range(4)] for finger in range(len(FINGERS))]
    bones = [bone for chain in chains for bone in pairwise([0, *chain])]
    links = [pair for finger, neighbour in pairwise(chains) for pair in zip(finger, neighbour, strict=True)]
    palm = (0, *(chain[0] for chain in chains))
    fingers = [tuple(chain[1:]) for chain in chains]
    return Graph(len(HAND_JOINTS), tuple(bones), tuple(links), (*fingers, palm))


HAND_GRAPH = _hand_graph()
"""Five chains from the wrist; neighbouring fingers linked at equal level; groups: the fingers
beyond their bases, and the palm of wrist and bases (method, Encoder)."""
HAND_GROUP_GRAPH = Graph(6, tuple((5, finger) for finger in range(5)), tuple((f, f + 1) for f in range(4)), ())
"""The pooled hand: five fingers around the palm, neighbours linked."""
TRUNK_GRAPH = Graph(
    len(TRUNK_JOINTS),
    ((0, 1), (1, 2), (2, 3), (0, 4), (4, 5), (5, 6)),
    ((1, 4), (2, 5), (3, 6)),
    ((1, 2, 3), (4, 5, 6), (0,)),
)
"""Nose, shoulder, elbow, wrist on both sides, left and right linked; groups: left arm, right arm, nose."""
TRUNK_GROUP_GRAPH = Graph(3, ((2, 0), (2, 1)), ((0, 1),), ())
"""The pooled trunk: two arms around the nose, linked to each other."""

# Other layouts' numbers of the 49 joints, in the order of JOINTS (method, Input).
COCO_WHOLEBODY_POINTS = 133
COCO_WHOLEBODY = (*range(112, 133), *range(91, 112), 0, 5, 7, 9, 6, 8, 10)
_SAM_SLR_HAND = ("wrist", "thumb_4", *(f"{finger}_{level}" for finger in FINGERS[1:] for level in (1, 4)))
SAM_SLR = (
    INDEX["nose"],
    *(INDEX[f"{side}_{joint}"] for joint in _ARM for side in ("left", "right")),
    *(INDEX[f"{side}_hand_{joint}"] for side in ("left", "right") for joint in _SAM_SLR_HAND),
)
"""The numbers of the 27 joints of SAM-SLR, in its order: the trunk and ten joints of each hand."""
MEDIAPIPE_POSE_POINTS = 33
MEDIAPIPE_FACE_POINTS = 468
MEDIAPIPE_TRUNK = (0, 11, 13, 15, 12, 14, 16)
OPENPOSE_BODY25_POINTS = 25
OPENPOSE_COCO18_POINTS = 18
OPENPOSE_BODY25_TRUNK = (0, 5, 6, 7, 2, 3, 4)
SHOULDER_ELBOW_WRIST = {side: tuple(INDEX[f"{side}_{joint}"] for joint in _ARM) for side in ("right", "left")}
OFTEN_UNSEEN = tuple(INDEX[f"{side}_{joint}"] for side in ("right", "left") for joint in ("elbow", "wrist"))
"""Joints of the trunk that a picture of head and shoulders does not show."""
HAND_WRIST = {side: INDEX[f"{side}_hand_wrist"] for side in ("right", "left")}
_PARTS = ((HAND_GRAPH, RIGHT_HAND.start), (HAND_GRAPH, LEFT_HAND.start), (TRUNK_GRAPH, TRUNK.start))
BONES = tuple((a + first, b + first) for graph, first in _PARTS for a, b in graph.bones)
"""All bones as pairs of the 49 joints' numbers, for drawing."""
WHOLE_GRAPH = Graph(
    JOINT_COUNT,
    (*BONES, *((INDEX[f"{side}_wrist"], HAND_WRIST[side]) for side in ("right", "left"))),
    tuple((a + first, b + first) for graph, first in _PARTS for a, b in graph.links),
    (),
)
"""All 49 joints as one body, each hand at its wrist (for the baseline `st_gcn`)."""
