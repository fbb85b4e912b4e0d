"""Holistic's files without what signs do not need: the face, and models that its graph never runs.

Of the face nothing is used here, and neither hands nor body depend on it (MediaPipe's holistic_landmark_gpu.pbtxt):
without it fewer megabytes are loaded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from twinsign.errors import InputError

LOADER = "holistic/holistic_solution_packed_assets_loader.js"
PACKED = "holistic/holistic_solution_packed_assets.data"
GRAPH = "holistic/holistic.binarypb"
BODY = "holistic/pose_landmark_full.tflite"
MODELS = (
    "hand_landmark_full.tflite",
    "handedness.txt",
    "hand_recrop.tflite",
    "pose_detection.tflite",
    "geometry_pipeline_metadata_landmarks.binarypb",
)
"""The packed files that the graph without the face opens; the body's own model is a file beside them."""
WHOLE, TEXT = "HolisticLandmarkGpu", 2
"""The node of the whole graph, and protobuf's wire type of text and messages."""
NODE = 1
CALCULATOR, INPUT, OUTPUT, SIDE_INPUT = range(2, 6)
"""Field numbers of CalculatorGraphConfig.node and of a node's own fields."""
TICK, GATE_OPEN = "SidePacketToStreamCalculator", "face_geometry_on"
POSE_OPTIONS = ("MODEL_COMPLEXITY", "SMOOTH_LANDMARKS", "ENABLE_SEGMENTATION", "SMOOTH_SEGMENTATION")


def trim_package(loader: bytes, packed: bytes) -> tuple[bytes, bytes]:
    """The loader and the packed files with MODELS alone; InputError where the loader is another one."""
    text = loader.decode()
    found = re.search(r'loadPackage\((\{"files": .*?"remote_package_size": \d+\})\)', text)
    if found is None:
        raise InputError("no list of packed files", "the loader of MediaPipe's packed files", file=LOADER)
    files, content = [], b""
    for file in json.loads(found[1])["files"]:
        if file["filename"].rsplit("/", 1)[1] in MODELS:
            piece = packed[file["start"] : file["end"]]
            files.append({**file, "start": len(content), "end": len(content) + len(piece)})
            content += piece
    listed = json.dumps({"files": files, "remote_package_size": len(content)})
    return (text[: found.start(1)] + listed + text[found.end(1) :]).encode(), content


def graph_without_face(config: bytes) -> bytes:
    """The serialized graph with body and hands in place of the whole; face streams stay, and are always empty."""
    kept = []
    for field, value in _fields(config):
        if field != NODE:
            kept.append(_tagged(field, value))
            continue
        parts = list(_fields(value))
        name = next(text for number, text in parts if number == CALCULATOR).decode()
        if name == WHOLE:
            kept += [_tagged(NODE, node) for node in _body_and_hands()]
        elif name == TICK:
            kept.append(_tagged(NODE, value.replace(_tagged(INPUT, b"TICK:face_landmarks"), _TICKS)))
        else:
            kept.append(_tagged(NODE, value))
    return b"".join(kept)


def _body_and_hands() -> Iterator[bytes]:
    sides = ("LEFT", "RIGHT")
    hands = [f"{side}_HAND_LANDMARKS:{side.lower()}_hand_landmarks" for side in sides]
    body = ["LANDMARKS:pose_landmarks", "WORLD_LANDMARKS:world_landmarks", "SEGMENTATION_MASK:segmentation_mask"]
    options = [f"{name}:{name.lower()}" for name in POSE_OPTIONS]
    yield _node("PoseLandmarkGpu", ["IMAGE:image_transformed"], body, options)
    yield _node("HandLandmarksLeftAndRightGpu", ["IMAGE:image_transformed", "POSE_LANDMARKS:pose_landmarks"], hands)
    # A gate that is never open: the page's library listens to the face's stream.
    yield _node("GateCalculator", ["pose_landmarks", f"ALLOW:{GATE_OPEN}"], ["face_landmarks"])


def _node(calculator: str, inputs: Sequence[str], outputs: Sequence[str], options: Sequence[str] = ()) -> bytes:
    lists = ((CALCULATOR, [calculator]), (INPUT, inputs), (OUTPUT, outputs), (SIDE_INPUT, options))
    return b"".join(_tagged(number, text.encode()) for number, texts in lists for text in texts)


def _tagged(field: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return _varint(field << 3) + _varint(value)
    return _varint(field << 3 | TEXT) + _varint(len(value)) + value


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Number and content of each field; numbers of the graph's own options are yielded as they are."""
    position = 0
    while position < len(message):
        tag, position = _read_varint(message, position)
        value, position = _read_varint(message, position)
        if tag & 7 == TEXT:
            yield tag >> 3, message[position : position + value]
            position += value
        elif tag & 7 == 0:
            yield tag >> 3, value
        else:
            raise InputError(f"a field of wire type {tag & 7}", "text, messages and whole numbers", file=GRAPH)


def _varint(value: int) -> bytes:
    low, rest = value & 127, value >> 7
    return bytes([low]) if not rest else bytes([low | 128]) + _varint(rest)


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        value, shift, position = value | (byte & 127) << shift, shift + 7, position + 1
        if not byte & 128:
            return value, position


_TICKS = _tagged(INPUT, b"TICK:pose_landmarks")
