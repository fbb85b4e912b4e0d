"""Long recordings joined of a pack's clips, as pose files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from twinsign.annotation.fit import load_signs
from twinsign.annotation.joined import JoinConfig, join
from twinsign.annotation.spans import Span
from twinsign.pack.open import Pack
from twinsign.pose.read import write_npz
from twinsign.pose.recording import Recording


def join_pack(pack: Path, signs: int = 12, seed: int = 0, fps: float = 25.0) -> tuple[Recording, list[Span]]:
    """A recording of a pack's clips with rests between, and where each sign is."""
    opened = Pack(pack)
    pool = [sign for group in load_signs(opened, np.arange(len(opened))).values() for sign in group]
    random = np.random.default_rng(seed)
    chosen = [pool[number] for number in random.permutation(len(pool))[:signs]]
    return join(chosen, JoinConfig(rest=(0.8, 1.5), fps=(fps,)), random)


def write_joined(pack: Path, file: Path, signs: int = 12, seed: int = 0) -> list[Span]:
    """Write such a recording as `.npz`; gives where its signs are."""
    recording, spans = join_pack(pack, signs, seed)
    write_npz(recording, file)
    return spans
