"""Hostile requests, uploads and live messages as the server reads them: further targets for fuzz_targets.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np

from helpers import fuzz_targets, mutate, mutate_text
from helpers.recordings import recording
from twinsign.extract.config import EstimatorConfig
from twinsign.serve.live import parse_message
from twinsign.serve.options import Limits
from twinsign.serve.reader_process import Reader, Task
from twinsign.serve.schemas import parse_frame, poses_to_dict

READER = Reader(Limits(), EstimatorConfig())
CLIP = poses_to_dict(recording(np.random.default_rng(0), "any", 3))
CLIP["xy"] = [[joint or [None, None] for joint in frame] for frame in CLIP["xy"]]
BODIES = {"clip": CLIP, "batch": {"clips": [CLIP, CLIP], "top": 3}, "sign": {"gloss": "a", "signer": "b", "clip": CLIP}}
FRAME = {"type": "pose", "time": 0.5, "xy": CLIP["xy"][0]}
UPLOADS = ("twinsign.npz", "wholebody.npz", "holistic.npz", "mmpose.json", "coco.pose")


def _read(kind: Literal["clip", "batch", "sign", "file"], path: Path) -> None:
    READER(Task(kind, path.name), path.read_bytes())


def _body(kind: Literal["clip", "batch", "sign"]) -> fuzz_targets.Target:
    content = json.dumps(BODIES[kind]).encode()
    return fuzz_targets.Target(
        {"b.json": content}, {"b.json": mutate_text.json_text}, lambda at: _read(kind, at / "b.json")
    )


def _upload(name: str) -> fuzz_targets.Target:
    content, how = fuzz_targets.CLIPS[name]
    mutators: dict[str, mutate.Mutator] = {name: how}
    return fuzz_targets.Target({name: content}, mutators, lambda folder: _read("file", folder / name))


TARGETS: dict[str, fuzz_targets.Target] = {
    "request.clip": _body("clip"),
    "request.batch": _body("batch"),
    "request.sign": _body("sign"),
    "live.frame": fuzz_targets.Target(
        {"m.json": json.dumps(FRAME).encode()},
        {"m.json": mutate_text.json_text},
        lambda folder: parse_frame(parse_message((folder / "m.json").read_bytes().decode("utf-8", "replace"))),
    ),
    **{f"upload.{name}": _upload(name) for name in UPLOADS},
}
