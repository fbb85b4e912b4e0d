"""`.pose` files, through pose-format's numpy reader: joints by component and point name; the header has the size."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeader
from pose_format.utils.reader import BufferReader

from twinsign.pose.clip_file import ClipFile
from twinsign.pose.layout import HAND_JOINTS, HANDS, JOINT_COUNT, LEFT_HAND, RIGHT_HAND, TRUNK, TRUNK_JOINTS
from twinsign.pose.read.frames import record_signer
from twinsign.pose.recording import Recording

_WANTED = "a whole .pose file"
_VERSION_BY_LENGTH = 0.1
_MAX_HEADER_BYTES = 2**18
"""Far above a header of Holistic with its mesh, which has 20,000."""
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
_RIGHT, _LEFT, _BODY = (range(JOINT_COUNT)[part] for part in (RIGHT_HAND, LEFT_HAND, TRUNK))
_COMPONENTS: dict[str, tuple[range, tuple[str, ...], str]] = {
    "POSE_LANDMARKS": (_BODY, tuple(name.upper() for name in TRUNK_JOINTS), "mediapipe_holistic"),
    "LEFT_HAND_LANDMARKS": (_LEFT, _HOLISTIC_HAND, "mediapipe_holistic"),
    "RIGHT_HAND_LANDMARKS": (_RIGHT, _HOLISTIC_HAND, "mediapipe_holistic"),
    "pose_keypoints_2d": (_BODY, _OPENPOSE_TRUNK, "openpose"),
    "hand_left_keypoints_2d": (_LEFT, _OPENPOSE_HAND, "openpose"),
    "hand_right_keypoints_2d": (_RIGHT, _OPENPOSE_HAND, "openpose"),
}
"""By component: the 49 joints that it holds, its names of them, and the estimator that writes it."""
for _ending in ("", "_133"):
    _COMPONENTS[f"BODY{_ending}"] = (_BODY, TRUNK_JOINTS, "coco_wholebody")
    _COMPONENTS[f"LEFT_HAND{_ending}"] = (_LEFT, _NUMBERED_HAND, "coco_wholebody")
    _COMPONENTS[f"RIGHT_HAND{_ending}"] = (_RIGHT, _NUMBERED_HAND, "coco_wholebody")


def read(clip: ClipFile) -> Recording:
    """Read a `.pose` file of Holistic, OpenPose or COCO-WholeBody components; joints it lacks are unseen.

    Of several persons the signer is followed. Raises InputError on bad bytes, on components of other names, and where
    neither the header nor the caller states the image's size.
    """
    return from_pose(clip, *_decode(clip))


def read_pieces(clip: ClipFile, frames: int) -> Iterator[Recording]:
    """The recording in consecutive pieces of `frames` frames, the last one shorter, of which one is held at a time.

    Raises InputError as `read` does, for a piece when its turn comes.
    """
    first, length = 0, 1
    while first < length:
        header, body, length = _decode_part(clip, first, first + frames)
        yield replace(from_pose(clip, header, body), id=clip.id)
        first += frames


def rate_and_length(clip: ClipFile) -> tuple[float | None, int]:
    """Frames a second, None where unknown, and how many frames the file has."""
    _, body, length = _decode_part(clip, 0, 1)
    return float(body.fps) or clip.fps, length


def read_part(clip: ClipFile, first: int, stop: int) -> Recording:
    """The frames [first, stop) alone, with a note; InputError as for `read`."""
    header, body, length = _decode_part(clip, first, stop)
    recording = from_pose(clip, header, body)
    return replace(recording, notes=(*recording.notes, f"frames {first} to {stop - 1} of {length} taken"))


def _decode_part(clip: ClipFile, first: int, stop: int) -> tuple[PoseHeader, NumPyPoseBody, int]:
    """Header, the body of frames [first, stop), and how many frames the file has."""
    if clip.content is not None:
        raise clip.error("bytes in memory", "a file on disk")
    with clip.decoding(_WANTED), clip.path.open("rb") as stream:
        if not clip.byte_count:
            raise clip.error("an empty file", _WANTED)
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            reader = BufferReader(content[:_MAX_HEADER_BYTES])
            header = PoseHeader.read(reader)
            start = reader.read_offset
            length = _check_bounds(clip, header, content, start)
            reader = BufferReader(content)
            reader.read_offset = start
            if round(header.version, 3) == 0:  # frames of unequal length: all are read to find one
                body = NumPyPoseBody.read(header, reader)
                part = NumPyPoseBody(body.fps, body.data[first:stop], body.confidence[first:stop])
                return header, part, len(body.data)
            body = NumPyPoseBody.read(header, reader, start_frame=first, end_frame=min(stop, length))
    return header, body, length


def from_pose(clip: ClipFile, header: PoseHeader, body: NumPyPoseBody) -> Recording:
    """The Recording of a decoded or estimated pose; InputError as for `read`."""
    columns: dict[int, tuple[int, int, int]] = {}
    estimators: list[str] = []
    first = 0
    for component in header.components:
        joints, names, estimator = _COMPONENTS.get(component.name, (range(0), (), ""))
        if "X" in component.format and "Y" in component.format:
            x, y = component.format.index("X"), component.format.index("Y")
            for joint, name in zip(joints, names, strict=True):
                if name in component.points:
                    columns[joint] = (first + component.points.index(name), x, y)
                    estimators.append(estimator)
        first += len(component.points)
    _check_components(clip, header, columns)
    data, score = np.ma.getdata(body.data), clip.scores(np.asarray(body.confidence, np.float32))
    if 0 in score.shape:
        raise clip.error(f"{score.shape[0]} frames of {score.shape[1]} persons", "at least 1 of both")
    persons = np.zeros((*score.shape[:2], JOINT_COUNT, 3), np.float32)
    for joint, (point, x, y) in columns.items():
        persons[:, :, joint, :2] = data[:, :, point][:, :, [x, y]]
        persons[:, :, joint, 2] = score[:, :, point]
    size = (int(header.dimensions.width), int(header.dimensions.height))
    stated = {"size": size if min(size) > 0 else None, "fps": float(body.fps) or None}
    return record_signer(clip, persons, unit="pixel", stated=stated, estimator=estimators[0])


def _check_components(clip: ClipFile, header: PoseHeader, joints: Collection[int]) -> None:
    """InputError if no joint was recognised, or no hand where a component looks like one, whose poses would be lost."""
    names = [component.name for component in header.components]
    if not joints:
        raise clip.error(f"components {', '.join(names) or '(none)'}"[:200], f"points of {', '.join(_COMPONENTS)}")
    hands = [name for name in names if "HAND" in name.upper()]
    if hands and min(joints) >= HANDS.stop:
        wanted = "LEFT_HAND_LANDMARKS and RIGHT_HAND_LANDMARKS, or the other names of hands in docs/data.md"
        raise clip.error(f"hands called {', '.join(hands)}"[:200], wanted)


def _decode(clip: ClipFile) -> tuple[PoseHeader, NumPyPoseBody]:
    content = clip.read_bytes(_WANTED)
    with clip.decoding(_WANTED):
        reader = BufferReader(content[:_MAX_HEADER_BYTES])
        header = PoseHeader.read(reader)
        start = reader.read_offset
        _check_bounds(clip, header, content, start)
        reader = BufferReader(content)
        reader.read_offset = start
        body = NumPyPoseBody.read(header, reader)
    # Version 0.1 is read by what bytes are left, so that only the stated count (modulo 2^16) shows a truncation.
    if round(header.version, 3) == _VERSION_BY_LENGTH:
        _fps, stated = struct.unpack_from("<HH", content, start)
        if stated != len(body.data) % 2**16:
            raise clip.error(f"{stated} frames stated and bytes for {len(body.data)}", _WANTED)
    return header, body


def _check_bounds(clip: ClipFile, header: PoseHeader, content: bytes | mmap.mmap, start: int) -> int:
    """The body's frames; TooLargeError if header, or the body that begins at `start`, states more than the bounds."""
    points = sum(len(component.points) for component in header.components)
    clip.at_most(points, clip.bounds.points, "points")
    version = round(header.version, 3)
    if version == 0:  # every frame states its own persons
        values = sum(len(component.points) * len(component.format) for component in header.components)
        fps, frames = struct.unpack_from("<HH", content, start)
        clip.check_frames(frames)
        place = start + struct.calcsize("<HH")
        for _ in range(frames):
            (persons,) = struct.unpack_from("<H", content, place)
            clip.at_most(persons, clip.bounds.persons, "persons")
            place += struct.calcsize("<H") + persons * (struct.calcsize("<H") + 4 * values)
        return int(frames)
    layout = "<HHH" if version == _VERSION_BY_LENGTH else "<fIH"
    fps, frames, persons = struct.unpack_from(layout, content, start)
    clip.at_most(persons, clip.bounds.persons, "persons")
    if version == _VERSION_BY_LENGTH:
        frame_bytes = max(1, persons * points * (header.num_dims() + 1) * 4)
        frames = (len(content) - start - struct.calcsize(layout)) // frame_bytes
    clip.check_frames(frames)
    if fps > 0:
        clip.at_most(frames / fps, clip.bounds.seconds, "seconds")
    return int(frames)
