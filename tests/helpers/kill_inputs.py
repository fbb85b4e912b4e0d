"""What the killed commands read besides packs and RUNs: pose files, a set, videos, a released checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from helpers.dataset_files import pose_files, written
from helpers.videos import film, make_video
from twinsign.pose.layout import JOINT_COUNT

SHAPES = Path(__file__).parents[1] / "data" / "released_parity.json"
SIGNS = ("tea/1", "tea/2", "milk/1", "milk/2")


def make_files(folder: Path) -> None:
    """Write them all into a folder."""
    pose_files(folder / "poses", SIGNS)
    written(folder / "poses.csv", "file,gloss\n" + "".join(f"{name}.npz,{name.split('/')[0]}\n" for name in SIGNS))
    pose_files(folder / "lsa64", ["001_001_001", "001_010_001", "002_004_005"])
    seen = np.packbits(np.ones((6, JOINT_COUNT), bool), axis=1)
    np.savez(folder / "set.npz", xy=np.full((6, JOINT_COUNT, 2), 0.5, np.float32), seen=seen, offsets=np.arange(7))
    written(folder / "set.csv", "id,gloss,split\n" + "".join(f"{number},g,train\n" for number in range(6)))
    (folder / "films").mkdir()
    made = film(folder / "films")
    if made.parent != folder / "films":
        (folder / "films" / made.name).write_bytes(made.read_bytes())
    make_video(folder / "films" / "second.mp4", 8, size=(64, 48))


def make_checkpoint(path: Path) -> None:
    """A released checkpoint of zeros: 400 MB, so it is no part of what is copied for each kill."""
    shapes = json.loads(SHAPES.read_text(encoding="utf-8"))["pretrain"]
    torch.save({"state_dict": {name: torch.zeros(shape) for name, shape in shapes}}, path)
