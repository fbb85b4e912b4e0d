"""`.pose` files, through pose-format's numpy reader: joints by component and point name; the header has the size."""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeader
from pose_format.utils.reader import BufferReader

from twinsign.pose.clip_file import ClipFile
from twinsign.pose.layout import HAND_JOINTS, INDEX, JOINT_COUNT, TRUNK_JOINTS
from twinsign.pose.read.signer import signer_of
from twinsign.pose.recording import Recording

_WANTED = "a whole .pose file"
_VERSION_BY_LENGTH = 0.1
_LONGEST_HEADER = 2**18
"""Bytes of a header: one of Holistic with its mesh has 20,000."""
_HOLISTIC_FINGERS = ("INDEX_FINGER", "MIDDLE_FINGER", "RING_FINGER", "PINKY")
_HOLISTIC_HAND = (
    *("WRIST", "THUMB_CMC", "THUMB_MCP", "THUMB_IP", "THUMB_TIP"),
    *(f"{finger}_{level}" for finger in _HOLISTIC_FINGERS for level in ("MCP", "PIP", "DIP", "TIP")),
)
_OPENPOSE_HAND = (
    *("BASE", "T_STT", "T_BCMC", "T_MCP", "T_IP"),
    *(f"{finger}_{level}" for finger in "IMRP" for level in ("CMC", "MCP", "PIP", "DIP")),
)
_OPENPOSE_TRUNK = ("Nose", "LShoulder", "LElbow", "LWrist", "RShoulder", "RElbow", "RWrist")
_NUMBERED_HAND = tuple(f"hand_{number}" for number in range(len(HAND_JOINTS)))


class _Component(NamedTuple):
    """Where a component's points go: the prefix of our joints' names, our joints, its names of them, its estimator."""

    prefix: str
    joints: tuple[str, ...]
    points: tuple[str, ...]
    estimator: str


def _style(
    estimator: str, names: tuple[str, str, str], trunk: tuple[str, ...], hand: tuple[str, ...]
) -> dict[str, _Component]:
    parts = (("", TRUNK_JOINTS, trunk), ("left_hand_", HAND_JOINTS, hand), ("right_hand_", HAND_JOINTS, hand))
    return {name: _Component(*part, estimator) for name, part in zip(names, parts, strict=True)}


_COMPONENTS: dict[str, _Component] = {
    **_style(
        "mediapipe_holistic",
        ("POSE_LANDMARKS", "LEFT_HAND_LANDMARKS", "RIGHT_HAND_LANDMARKS"),
        tuple(name.upper() for name in TRUNK_JOINTS),
        _HOLISTIC_HAND,
    ),
    **_style(
        "openpose",
        ("pose_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d"),
        _OPENPOSE_TRUNK,
        _OPENPOSE_HAND,
    ),
    **_style("coco_wholebody", ("BODY", "LEFT_HAND", "RIGHT_HAND"), TRUNK_JOINTS, _NUMBERED_HAND),
    **_style("coco_wholebody", ("BODY_133", "LEFT_HAND_133", "RIGHT_HAND_133"), TRUNK_JOINTS, _NUMBERED_HAND),
}


def read(clip: ClipFile) -> Recording:
    """Read a `.pose` file of Holistic, OpenPose or COCO-WholeBody components; joints it lacks are unseen.

    Of several persons the signer is followed. Raises InputError on bad bytes, on components of other names, and where
    neither the header nor the caller gives the image's size.
    """
    return from_pose(clip, *_decode(clip))


def from_pose(clip: ClipFile, header: PoseHeader, body: NumPyPoseBody) -> Recording:
    """A Recording of a decoded or estimated pose; InputError as for `read`."""
    places = _places(header)
    if not places:
        names = ", ".join(component.name for component in header.components)
        raise clip.error(f"components {names or '(none)'}"[:200], f"points of {', '.join(_COMPONENTS)}")
    lost = _unread_hands(header, places)
    if lost:
        known = "LEFT_HAND_LANDMARKS and RIGHT_HAND_LANDMARKS, or the other names of hands in docs/data.md"
        raise clip.error(f"hands called {', '.join(lost)}"[:200], known)
    data, score = np.ma.getdata(body.data), clip.scores(np.asarray(body.confidence, np.float32))
    if 0 in score.shape:
        raise clip.error(f"{score.shape[0]} frames of {score.shape[1]} persons", "at least 1 of both")
    persons = np.zeros((*score.shape[:2], JOINT_COUNT, 3), np.float32)
    for place in places:
        persons[:, :, INDEX[place.joint], :2] = data[:, :, place.number][:, :, [place.x, place.y]]
        persons[:, :, INDEX[place.joint], 2] = score[:, :, place.number]
    dimensions = (int(header.dimensions.width), int(header.dimensions.height))
    size = dimensions if min(dimensions) > 0 else None
    track = signer_of(clip, persons, clip.extent("pixel", size))
    return clip.recording(
        track.xy,
        track.score,
        unit="pixel",
        size=size,
        fps=float(body.fps) or None,
        estimator=places[0].estimator,
        notes=track.notes,
    )


def _decode(clip: ClipFile) -> tuple[PoseHeader, NumPyPoseBody]:
    content = clip.read_bytes(_WANTED)
    with clip.decoding(_WANTED):
        reader = BufferReader(content[:_LONGEST_HEADER])
        header = PoseHeader.read(reader)
        start = reader.read_offset
        _check_extent(clip, header, content, start)
        reader = BufferReader(content)
        reader.read_offset = start
        body = NumPyPoseBody.read(header, reader)
    # Version 0.1 is read by what bytes are left, so that only the stated count (modulo 2^16) shows a truncation.
    if round(header.version, 3) == _VERSION_BY_LENGTH:
        _fps, stated = struct.unpack_from("<HH", content, start)
        if stated != len(body.data) % 2**16:
            raise clip.error(f"{stated} frames stated and bytes for {len(body.data)}", _WANTED)
    return header, body


def _check_extent(clip: ClipFile, header: PoseHeader, content: bytes, start: int) -> None:
    """TooLargeError where the body that begins at `start` says that it has more than the clip's bounds."""
    bounds = clip.bounds
    points = sum(len(component.points) for component in header.components)
    clip.at_most(points, bounds.points, "points")
    version, values = round(header.version, 3), sum(len(one.points) * len(one.format) for one in header.components)
    if version == 0:  # every frame states its own persons
        _fps, frames = struct.unpack_from("<HH", content, start)
        clip.check_frames(frames)
        place = start + struct.calcsize("<HH")
        for _ in range(frames):
            (persons,) = struct.unpack_from("<H", content, place)
            clip.at_most(persons, bounds.persons, "persons")
            place += struct.calcsize("<H") + persons * (struct.calcsize("<H") + 4 * values)
        return
    layout = "<HHH" if version == _VERSION_BY_LENGTH else "<fIH"
    fps, frames, persons = struct.unpack_from(layout, content, start)
    clip.at_most(persons, bounds.persons, "persons")
    if version == _VERSION_BY_LENGTH:
        left = len(content) - start - struct.calcsize(layout)
        frames = left // max(1, persons * points * (header.num_dims() + 1) * 4)
    clip.check_frames(frames)
    if fps > 0:
        clip.at_most(frames / fps, bounds.seconds, "seconds")


class _Place(NamedTuple):
    """Where one of our joints stands in the body: the point's number, the columns of x and y."""

    joint: str
    number: int
    x: int
    y: int
    estimator: str


def _places(header: PoseHeader) -> list[_Place]:
    places: dict[str, _Place] = {}
    first = 0
    for component in header.components:
        known = _COMPONENTS.get(component.name)
        if known is not None and "X" in component.format and "Y" in component.format:
            x, y = component.format.index("X"), component.format.index("Y")
            for joint, point in zip(known.joints, known.points, strict=True):
                if point in component.points:
                    number = first + component.points.index(point)
                    places[known.prefix + joint] = _Place(known.prefix + joint, number, x, y, known.estimator)
        first += len(component.points)
    return list(places.values())


def _unread_hands(header: PoseHeader, places: list[_Place]) -> list[str]:
    """Components that look like hands, where no hand was read: their poses would be lost."""
    if any("hand_" in place.joint for place in places):
        return []
    return [component.name for component in header.components if "HAND" in component.name.upper()]
