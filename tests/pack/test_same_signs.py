"""Glosses that share a recording."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from helpers.recordings import packed, recording

from twinsign.pack.same_signs import same_signs


def test_pairs_of_glosses_that_share_a_recording(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    first, second, third = (recording(rng, name, 5) for name in ("a", "b", "c"))
    named = [
        (first, "doctor"),
        (first, "physician"),
        (first, ""),
        (second, "doctor"),
        (third, "medic"),
        (third, "doctor"),
    ]
    clips = [replace(clip, id=f"clip{number}") for number, (clip, _) in enumerate(named)]
    pack = packed(tmp_path / "P", clips, [{"gloss": gloss} for _, gloss in named])
    assert same_signs(pack, np.arange(len(pack))) == [["doctor", "medic"], ["doctor", "physician"]]
    assert same_signs(pack, np.array([0, 2, 3, 4])) == []
