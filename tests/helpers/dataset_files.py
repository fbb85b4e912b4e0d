"""Miniature corpora: pose files under given names, and annotation files as their publishers write them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from helpers.recordings import recording
from twinsign.pose.read import write_npz


def pose_files(root: Path, names: Iterable[str], frames: int = 10, **about: Any) -> Path:
    """A folder with a pose file of so many frames under each name."""
    rng = np.random.default_rng(0)
    for name in names:
        path = root / f"{name}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_npz(recording(rng, "any", frames, **about), path)
    return root


def written(path: Path, content: object) -> Path:
    """A file of this text, or of this value as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path
