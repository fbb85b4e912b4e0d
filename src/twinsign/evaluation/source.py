"""By what means the clips of an evaluation came: who estimated their poses, what these show, file or live stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from twinsign.evaluation.metrics import percent
from twinsign.inference.shift import estimators_of
from twinsign.pack.open import Indices, Pack
from twinsign.pose.layout import JOINT_COUNT, TRUNK
from twinsign.pose.recording import Recording

SAMPLE = 256
"""Clips that are looked at, drawn by a fixed seed."""


def source_of(pack: Pack, rows: Indices, stream: bool) -> dict[str, Any]:
    """Estimators of these rows, percent of the clips that show a trunk, and whether a live stream was made of them."""
    sample = np.sort(np.random.default_rng(0).permutation(rows)[:SAMPLE])
    flat = pack.flat(sample)
    clip = np.repeat(np.arange(len(sample)), flat.length)
    trunk = np.zeros(len(sample), bool)
    trunk[clip[(flat.score[:, TRUNK] > 0).any(axis=1)]] = True
    return {"estimators": estimators_of(pack, rows), "trunk": percent(trunk.mean()), "stream": stream}


def source_in_words(source: Mapping[str, Any] | None) -> str:
    """ "hands alone by mediapipe_hands, as a live stream"; nothing where an earlier version did not say."""
    if not source:
        return ""
    trunk = source["trunk"]
    shown = "hands and body" if trunk >= 90 else "hands alone" if trunk <= 10 else f"hands, {trunk:.0f} % with the body"
    seen_by = f" by {', '.join(source['estimators'])}" if source["estimators"] else ""
    return shown + seen_by + (", as a live stream" if source["stream"] else "")


def nothing() -> Recording:
    """What stands for a clip in which the segmenter finds no sign: a frame that shows no joint."""
    return Recording("nothing", np.zeros((1, JOINT_COUNT, 2), np.float32), np.zeros((1, JOINT_COUNT), np.float32))
