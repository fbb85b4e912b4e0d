from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from twinsign.annotation.benchmark import CONDITIONS, joined_recordings, pieces_of
from twinsign.annotation.fit import FitConfig, fit_segmenter
from twinsign.annotation.joined import Sign, load_sign
from twinsign.annotation.metrics import Found, Spotting
from twinsign.annotation.segmenter import LearnedSegmenter
from twinsign.pose.read import open_landmarks

DATA = os.environ.get("TWINSIGN_DATA", "")


def load(split: str, count: int) -> dict[str, list[Sign]]:
    """Some clips' signs by signer."""
    clips = open_landmarks(Path(DATA) / "wlasl300_hands.npz")
    rows = [number for number, row in enumerate(clips.rows) if row["split"] == split]
    signs: dict[str, list[Sign]] = {}
    for number in np.random.default_rng(0).permutation(rows)[:count].tolist():
        sign = load_sign(clips.clip(number), clips.rows[number]["gloss"])
        if sign is not None:
            signs.setdefault(clips.rows[number].get("signer", ""), []).append(sign)
    return signs


@pytest.mark.slow
@pytest.mark.skipif(not DATA, reason="$TWINSIGN_DATA names no folder")
def test_signs_are_found_in_joined_validation_clips() -> None:
    network = fit_segmenter(load("train", 400), FitConfig(steps=60))
    signs, f1 = load("val", 120), {}
    for name, config in CONDITIONS.items():
        spotting = Spotting()
        for recording, truth in joined_recordings(signs, config, seed=0):
            segmenter = LearnedSegmenter(network)
            found = [span for piece in pieces_of(recording, 500) for span in segmenter.push(piece)]
            spotting.add(truth, [Found(span) for span in found + segmenter.finish()], recording.fps or 1)
        f1[name] = spotting.report()["by_overlap"]["0.5"]["f1"]
    assert f1["with rests"] >= 90
    assert f1["without rests"] >= 75
    assert f1["without rests, ends cut"] >= 60
