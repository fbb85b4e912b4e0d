"""SPOTER's tables: a CSV with a row a clip, a column a coordinate (nose_X, leftWrist_Y, indexDIP_left_X ...) that holds
a list of numbers, one a frame, in image fractions; 0 where a joint was not found. Beside them labels, video_fps,
video_size_width, video_size_height.

Tables by Apple's Vision count y upwards, as SPOTER's own code expects; others of this form, by MediaPipe, downwards.
The nose, which is above the shoulders, tells which.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from twinsign.pose.clip_file import ClipFile
from twinsign.pose.layout import FINGERS, INDEX, JOINT_COUNT
from twinsign.pose.read.pose_set import PoseSet
from twinsign.pose.recording import FloatArray, Recording

_WANTED = "a CSV with a row a clip and columns such as nose_X, leftWrist_Y, indexDIP_left_X that hold lists of numbers"
_LEVELS = {"thumb": ("CMC", "MP", "IP", "Tip")} | dict.fromkeys(FINGERS[1:], ("MCP", "PIP", "DIP", "Tip"))
COLUMNS = {"nose": "nose"}
"""The columns' names, without _X and _Y, of the 49 joints."""
for _side in ("left", "right"):
    COLUMNS |= {f"{_side}_{joint}": f"{_side}{joint.title()}" for joint in ("shoulder", "elbow", "wrist")}
    COLUMNS[f"{_side}_hand_wrist"] = f"wrist_{_side}"
    for _finger, _names in _LEVELS.items():
        COLUMNS |= {f"{_side}_hand_{_finger}_{level}": f"{_finger}{_names[level - 1]}_{_side}" for level in range(1, 5)}
_EARLIER_SIDES = {"Left": "left", "Right": "right", "0": "left", "1": "right"}
"""Sides in the columns' names of earlier tables."""
_ROW = {"labels": "gloss", "gloss": "gloss", "split": "split", "signer": "signer", "signer_id": "signer"}
_IDS = ("id", "video_id", "name")
_UPRIGHT_ROWS = 50
"""Clips that are asked which way y counts: it is one way throughout a table."""
_UPRIGHT = 0.9
"""The share of frames that must agree on it: 99.7 % of 469,175 real frames do."""
_MAX_FIELD = 2**24
"""Characters of a field: an hour's frames take fewer."""


@dataclass(frozen=True)
class Table(PoseSet):
    """The rows of a table, read from their places in the file; `upwards`: y counts from the bottom."""

    columns: list[str]
    places: list[int]
    upwards: bool

    def _read(self, number: int, clip: ClipFile) -> Recording:
        _, fields = next(_read_records(clip, self.places[number]), (0, []))
        row = _name_fields(clip, self.columns, fields)
        xy, score = _parse_joints(clip, row, self.upwards)
        names = ("video_size_width", "video_size_height", "video_fps")
        with clip.decoding(f"numbers as {', '.join(names)}"):
            width, height, fps = (float(row[name]) if row.get(name) else None for name in names)
        stated = {"size": (width, height) if width and height else None, "fps": fps}
        return clip.recording(xy, score, unit="fraction", stated=stated)


def open_table(file: ClipFile) -> Table:
    """Open a table; InputError if its columns are others, a row is cut off, or y counts neither way throughout."""
    records = _read_records(file, 0)
    _, header = next(records, (0, []))
    columns = [re.sub("_(Left|Right|0|1)_", lambda side: f"_{_EARLIER_SIDES[side[1]]}_", name) for name in header]
    if "wrist_left_X" not in columns and "wrist_right_X" not in columns:
        raise file.error(f"columns {', '.join(header) or '(none)'}"[:200], _WANTED)
    if len(set(columns)) != len(columns):
        raise file.error("a column twice", _WANTED)
    rows: list[dict[str, str]] = []
    places: list[int] = []
    heights: list[FloatArray] = []
    for place, fields in records:
        row = _name_fields(file, columns, fields)
        id = next((row[key] for key in _IDS if row.get(key)), f"{file.path.stem}_{len(rows):05d}")
        if len(rows) < _UPRIGHT_ROWS:
            heights.append(_nose_over_shoulders(replace(file, clip_id=id), row))
        rows.append({"id": id} | {_ROW[key]: value for key, value in row.items() if key in _ROW})
        places.append(place)
    upwards = _counts_upwards(file, np.concatenate(heights)) if rows else False
    notes: tuple[str, ...] = ("y counts upwards in the file: turned",) if upwards else ()
    absent = [name for name in COLUMNS.values() if not {f"{name}_X", f"{name}_Y"} <= {*columns}]
    if absent:
        notes += (f"no columns of {len(absent)} joints, such as {absent[0]}_X: those are unseen",)
    return Table(file, rows, columns, places, upwards, notes=notes)


def _read_records(file: ClipFile, start: int) -> Iterator[tuple[int, list[str]]]:
    """The place in bytes and the fields of every record from the byte `start`."""
    end = start

    def read_lines() -> Iterator[str]:
        nonlocal end
        with file.path.open("rb") as stream:
            stream.seek(start)
            for line in stream:
                end += len(line)
                yield line.decode("utf-8-sig" if end == len(line) else "utf-8")

    with file.decoding(_WANTED):
        csv.field_size_limit(max(csv.field_size_limit(), _MAX_FIELD))
        place = start
        for fields in csv.reader(read_lines(), strict=True):
            if fields:
                yield place, fields
            place = end


def _name_fields(clip: ClipFile, columns: list[str], fields: list[str]) -> dict[str, str]:
    if len(fields) != len(columns):
        raise clip.error(f"a row of {len(fields)} fields", f"{len(columns)}, as the header")
    return dict(zip(columns, fields, strict=True))


def _parse_list(clip: ClipFile, row: dict[str, str], name: str) -> FloatArray:
    """The numbers of a field such as "[0.1, 0.2]"; None and nan stand for joints that were not found."""
    text = row[name].strip()
    if not (text.startswith("[") and text.endswith("]")):
        raise clip.error(f"{name} {row[name][:40]!r}", "a list of numbers, one a frame")
    words = [word.strip() for word in text[1:-1].split(",")] if text[1:-1].strip() else []
    with clip.decoding(f"numbers in {name}"):
        return clip.numbers([0.0 if word in ("None", "nan") else float(word) for word in words], name)


def _parse_joints(clip: ClipFile, row: dict[str, str], upwards: bool) -> tuple[FloatArray, FloatArray]:
    """xy (T 49 2) and score (T 49): a joint at (0, 0) was not found."""
    lists = {
        joint: [_parse_list(clip, row, f"{column}_{axis}") for axis in "XY"]
        for joint, column in COLUMNS.items()
        if f"{column}_X" in row and f"{column}_Y" in row
    }
    lengths = {len(values) for pair in lists.values() for values in pair}
    if len(lengths) != 1:
        raise clip.error(f"lists of {min(lengths)} to {max(lengths)} frames", "as many in each column")
    xy = np.zeros((lengths.pop(), JOINT_COUNT, 2), np.float32)
    for joint, pair in lists.items():
        xy[:, INDEX[joint]] = np.stack(pair, axis=-1)
    score = (xy != 0).any(axis=-1).astype(np.float32)
    xy[..., 1] = 1 - xy[..., 1] if upwards else xy[..., 1]
    return xy, score


def _nose_over_shoulders(clip: ClipFile, row: dict[str, str]) -> FloatArray:
    """How much greater the nose's y is than the shoulders' in each frame that shows them."""
    names = [f"{column}_Y" for column in ("nose", "leftShoulder", "rightShoulder")]
    lists = [_parse_list(clip, row, name) for name in names if name in row]
    if len(lists) < len(names) or len({*map(len, lists)}) > 1:
        return np.zeros(0, np.float32)
    nose, left, right = lists
    heights: FloatArray = (2 * nose - left - right)[(nose != 0) & (left != 0) & (right != 0)]
    return heights


def _counts_upwards(file: ClipFile, heights: FloatArray) -> bool:
    share = float((heights > 0).mean()) if len(heights) else 0.5
    if 1 - _UPRIGHT < share < _UPRIGHT:
        problem = f"the nose at a larger y than the shoulders in {share:.0%} of {len(heights)} frames"
        wanted = "nose and shoulders of people upright, which tell whether y counts upwards or downwards"
        raise file.error(problem, wanted)
    return share >= _UPRIGHT
