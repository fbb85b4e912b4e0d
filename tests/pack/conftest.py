"""What the pack's tests share: recordings of every kind, and a pack of them in several record batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.recordings import packed, recording

from twinsign.pack import write
from twinsign.pack.open import Pack
from twinsign.pose.layout import HANDS
from twinsign.pose.recording import Recording

ROWS = [
    {"gloss": f"sign{number % 3}", "split": ("train", "val", "test")[number % 3], "signer": f"s{number % 2}"}
    | {"subset": str(number % 2), "note": "ü" if number == 7 else ""}
    for number in range(8)
]


@pytest.fixture(scope="session")
def recordings() -> list[Recording]:
    """Eight clips: scored and unscored in turn, with and without size and rate; `clip5` shows no hand."""
    rng = np.random.default_rng(0)
    about = [{}, {"size": (640, 480), "fps": 25.0, "source": "a.pose", "estimator": "holistic"}]
    found = [
        recording(rng, f"clip{number}", frames, scored=number % 2 == 0, **about[number // 2 % 2])
        for number, frames in enumerate([3, 1, 7, 2, 5, 4, 1, 6])
    ]
    handless = found[5].score.copy()
    handless[:, HANDS] = 0
    found[5] = Recording("clip5", found[5].xy, handless)
    return found


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three clips a record batch."""
    monkeypatch.setattr(write, "BATCH_CLIPS", 3)
    monkeypatch.setattr(write, "BATCH_FRAMES", 0)


@pytest.fixture
def pack(recordings: list[Recording], tmp_path: Path, small_batches: None) -> Pack:
    """The recordings in three record batches."""
    return packed(tmp_path / "all.pack", recordings, ROWS)
