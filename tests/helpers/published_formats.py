"""Recordings in the layouts in which others publish poses, written from descriptions of those layouts alone.

Joint numbers and column names are written out here, so that a slip in the package's own tables shows.
"""

from __future__ import annotations

import csv
import io
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from twinsign.pose.layout import JOINTS
from twinsign.pose.recording import Recording

HAND = ["wrist", *(f"{finger}_{n}" for finger in ("thumb", "index", "middle", "ring", "little") for n in (1, 2, 3, 4))]
BODY = {"nose": 0, "left_shoulder": 5, "right_shoulder": 6, "left_elbow": 7, "right_elbow": 8, "left_wrist": 9}
WHOLE_BODY = {
    **BODY,
    "right_wrist": 10,
    **{f"left_hand_{joint}": 91 + number for number, joint in enumerate(HAND)},
    **{f"right_hand_{joint}": 112 + number for number, joint in enumerate(HAND)},
}
SAM_SLR = (0, 5, 6, 7, 8, 9, 10, *(91, 95, 96, 99, 100, 103, 104, 107, 108, 111))
SAM_SLR += (112, 116, 117, 120, 121, 124, 125, 128, 129, 132)
POSE = {"nose": 0, "left_shoulder": 11, "right_shoulder": 12, "left_elbow": 13, "right_elbow": 14}
POSE |= {"left_wrist": 15, "right_wrist": 16}
Floats = NDArray[np.floating[Any]]


COLUMN = {name: number for number, name in enumerate(JOINTS)}
SIZE = (640, 480)


def signer(number: int, frames: int) -> Recording:
    """A person upright in front of the camera, hands at chest height; some joints unseen, no two coordinates alike."""
    rng = np.random.default_rng(number)
    xy = rng.uniform(0.3, 0.7, (frames, len(JOINTS), 2))
    for joint, y in (("nose", 0.2), ("left_shoulder", 0.4), ("right_shoulder", 0.4)):
        xy[:, COLUMN[joint], 1] = y + rng.uniform(0, 0.05, frames)
    score = np.round(rng.uniform(0.3, 1, (frames, len(JOINTS))), 3)
    score[:, COLUMN["left_elbow"]] = 0
    score[-1, COLUMN["right_hand_index_4"]] = 0
    return Recording(f"signer{number}", xy.astype(np.float32), score.astype(np.float32), "fraction", SIZE)


def signers() -> list[Recording]:
    """Three clips of 5, 3 and 4 frames, in image fractions with a size."""
    return [signer(number, frames) for number, frames in enumerate((5, 3, 4))]


def unmasked(one: Recording) -> Recording:
    """The same with every joint of the trunk seen, for layouts in which each has a place."""
    xy, score = one.xy.copy(), one.score.copy()
    xy[:, COLUMN["left_elbow"]], score[:, COLUMN["left_elbow"]] = (0.6, 0.5), 1
    return replace(one, xy=xy, score=score)


def in_pixels(one: Recording) -> Recording:
    """The same recording in pixels of its image."""
    return replace(one, xy=one.xy * np.asarray(one.size, np.float32), unit="pixel")


def whole_body(one: Recording) -> Floats:
    """(T 133 3) of x, y in pixels, score; joints that are not ours are noise."""
    rng, one = np.random.default_rng(0), in_pixels(one)
    points = rng.uniform(0, 1, (len(one.xy), 133, 3)) * [*SIZE, 1]
    for name, column in COLUMN.items():
        points[:, WHOLE_BODY[name], :2] = one.xy[:, column]
        points[:, WHOLE_BODY[name], 2] = one.score[:, column]
    return points.astype(np.float32)


def nla_slr(ones: Sequence[Recording], nested: bool = True, protocol: int = 4) -> bytes:
    return pickle.dumps(
        {one.id: {"keypoints": whole_body(one)} if nested else whole_body(one) for one in ones}, protocol
    )


def uni_sign(one: Recording) -> bytes:
    points = whole_body(one).astype(np.float64)
    frames = [frame[None, :, :2] / np.array(SIZE)[None, None] for frame in points]
    return pickle.dumps({"keypoints": frames, "scores": [frame[None, :, 2].astype(np.float32) for frame in points]})


def annotation(one: Recording, label: int, **more: Any) -> dict[str, Any]:
    points = whole_body(one)
    width, height = one.size or (1, 1)
    return {
        "frame_dir": one.id,
        "label": label,
        "img_shape": (height, width),
        "original_shape": (height, width),
        "total_frames": len(points),
        "keypoint": points[None, ..., :2].astype(np.float16),
        "keypoint_score": points[None, ..., 2].astype(np.float16),
        **more,
    }


def pyskl(annotations: Sequence[Mapping[str, Any]], split: Mapping[str, Sequence[str]] | None = None) -> bytes:
    return pickle.dumps({"split": dict(split or {}), "annotations": list(annotations)})


def sam_slr(ones: Sequence[Recording], frames: int, repeat: bool = True) -> Floats:
    """(N 3 T 27 1): each clip over again up to `frames`, or zeros after it."""
    out = np.zeros((len(ones), frames, 27, 3, 1), np.float32)
    for number, one in enumerate(ones):
        points = whole_body(one)[:, list(SAM_SLR)]
        times = -(-frames // len(points)) if repeat else 1
        filled = np.concatenate([points] * times)[:frames]
        out[number, : len(filled), ..., 0] = filled
    return out.transpose(0, 3, 1, 2, 4)


def npy(array: Floats) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def holistic(one: Recording) -> dict[str, Floats]:
    """face (T 468 3), left_hand, pose, right_hand; a hand that is not wholly seen in a frame is NaN there."""
    rng = np.random.default_rng(0)
    parts = {name: rng.uniform(0, 1, (len(one.xy), n, 3)) for name, n in (("face", 468), ("pose", 33))}
    for name, number in POSE.items():
        parts["pose"][:, number, :2] = one.xy[:, COLUMN[name]]
    for side in ("left", "right"):
        joints = [COLUMN[f"{side}_hand_{joint}"] for joint in HAND]
        hand = np.concatenate([one.xy[:, joints], rng.uniform(0, 1, (len(one.xy), 21, 1))], axis=-1)
        hand[~one.seen[:, joints].all(axis=1)] = np.nan
        parts[f"{side}_hand"] = hand
    return {name: parts[name].astype(np.float32) for name in ("face", "left_hand", "pose", "right_hand")}


def isolated(one: Recording, first: int = 20, frames: Sequence[int] | None = None) -> pa.Table:
    """A row a point: frame, row_id, type, landmark_index, x, y, z."""
    columns: dict[str, list[Any]] = {name: [] for name in ("frame", "row_id", "type", "landmark_index", "x", "y", "z")}
    parts = holistic(one)
    for t in range(len(one.xy)):
        number = first + t if frames is None else frames[t]
        for kind, points in parts.items():
            for index, point in enumerate(points[t].tolist()):
                row = (number, f"{number}-{kind}-{index}", kind, index, *point)
                for name, value in zip(columns, row, strict=True):
                    columns[name].append(value)
    types = [("frame", pa.int16()), ("row_id", pa.string()), ("type", pa.string()), ("landmark_index", pa.int16())]
    return pa.table(columns, pa.schema(types + [(axis, pa.float64()) for axis in "xyz"]))


def sequences(ones: Mapping[int, Recording]) -> pa.Table:
    """A row a frame: sequence_id, frame, x_face_0 ... z_right_hand_20."""
    parts = [holistic(one) for one in ones.values()]
    ids = np.concatenate([np.full(len(one.xy), name) for name, one in ones.items()])
    columns: dict[str, Any] = {"sequence_id": ids.astype(np.int64)}
    columns["frame"] = np.concatenate([np.arange(len(one.xy)) for one in ones.values()]).astype(np.int16)
    for a, axis in enumerate("xyz"):
        for kind in parts[0]:
            whole = np.concatenate([part[kind] for part in parts])
            columns |= {f"{axis}_{kind}_{point}": whole[:, point, a] for point in range(whole.shape[1])}
    return pa.table(columns)


def parquet_bytes(table: pa.Table, rows: int | None = None) -> bytes:
    stream = pa.BufferOutputStream()
    parquet.write_table(table, stream, row_group_size=rows)
    return bytes(stream.getvalue())


SPOTER_HAND = {
    "wrist": "wrist",
    "thumb_1": "thumbCMC",
    "thumb_2": "thumbMP",
    "thumb_3": "thumbIP",
    "thumb_4": "thumbTip",
}
SPOTER_HAND |= {
    f"{finger}_{n}": f"{finger}{joint}"
    for finger in ("index", "middle", "ring", "little")
    for n, joint in ((1, "MCP"), (2, "PIP"), (3, "DIP"), (4, "Tip"))
}
SPOTER = {"nose": "nose", "left_shoulder": "leftShoulder", "right_shoulder": "rightShoulder", "left_elbow": "leftElbow"}
SPOTER |= {"right_elbow": "rightElbow", "left_wrist": "leftWrist", "right_wrist": "rightWrist"}
SPOTER |= {f"{side}_hand_{a}": f"{b}_{side}" for side in ("left", "right") for a, b in SPOTER_HAND.items()}


def spoter_row(one: Recording, label: object, upwards: bool = True) -> dict[str, str]:
    """A clip's fields: lists of numbers, 0 where a joint was not found."""
    row = {"labels": str(label), "video_fps": str(one.fps or ""), "neck_X": str([0.5] * len(one.xy))}
    if one.size:
        row |= {"video_size_width": f"{one.size[0]}.0", "video_size_height": f"{one.size[1]}.0"}
    for name, column in COLUMN.items():
        x, y = one.xy[:, column].T.astype(np.float64)
        seen = one.seen[:, column]
        row[f"{SPOTER[name]}_X"] = str(np.where(seen, x, 0.0).tolist())
        row[f"{SPOTER[name]}_Y"] = str(np.where(seen, 1 - y if upwards else y, 0.0).tolist())
    return row


def spoter(rows: Sequence[Mapping[str, str]]) -> bytes:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()
