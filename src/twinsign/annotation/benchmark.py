"""How well signs are found in recordings joined of a pack's clips, beside simple ways to cut them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from twinsign.annotation.annotate import annotate_pieces
from twinsign.annotation.baselines import BASELINES
from twinsign.annotation.joined import JoinConfig, Sign, join
from twinsign.annotation.metrics import Found, Spotting
from twinsign.annotation.naming import Namer
from twinsign.annotation.network import BoundaryNet
from twinsign.annotation.resampling import frame_times
from twinsign.annotation.segmenter import long_segmenter
from twinsign.annotation.source import PIECE, Piece
from twinsign.annotation.spans import Span
from twinsign.errors import InputError
from twinsign.pose.recording import Recording

CONDITIONS = {
    "with rests": JoinConfig(),
    "without rests": JoinConfig(rest=None),
    "without rests, ends cut": JoinConfig(rest=None, trim=0.15),
}
"""How clips are joined."""
UNKNOWN = "without rests, unknown signs between"
"""Clips of every gloss, whether the model knows it or not."""
SIGNS = 20
"""Signs in a recording."""
OURS = "annotate"


def measure(
    signs: Mapping[str, Sequence[Sign]],
    namer: Namer,
    network: BoundaryNet | None,
    seed: int = 0,
    fps: Sequence[float] = (),
    tick: Callable[[str], object] = lambda name: None,
) -> dict[str, dict[str, Any]]:
    """A report for every condition and way to cut; `signs` are those of each signer.

    Recordings have SIGNS signs, one signer's after another's. The ways of BASELINES name nothing. Raises InputError
    where there are too few clips.
    """
    known = namer.glosses
    pools = {
        name: {who: [sign for sign in pool if sign.gloss in known] for who, pool in signs.items()}
        for name in CONDITIONS
    }
    conditions = {**CONDITIONS, UNKNOWN: JoinConfig(rest=None)}
    reports: dict[str, dict[str, Any]] = {}
    for name, config in conditions.items():
        pool = pools.get(name, signs)
        chosen = replace(config, fps=tuple(fps)) if fps else config
        recordings = list(joined_recordings(pool, chosen, seed))
        if not recordings:
            raise InputError(f"{sum(map(len, pool.values()))} clips of signs that the model knows", f"at least {SIGNS}")
        methods: dict[str, Callable[[Recording], list[Found]]] = {
            OURS: lambda recording: annotated(recording, namer, network),
            **{method: _unnamed(cut) for method, cut in BASELINES.items()},
        }
        for method, find in methods.items():
            spotting = Spotting()
            for recording, truth in recordings:
                spotting.add(truth, find(recording), recording.fps or 1)
            reports.setdefault(name, {})[method] = spotting.report()
            tick(f"{name}: {method}")
    return reports


def compare(
    truth: Mapping[str, Sequence[Span]], found: Mapping[str, Sequence[dict[str, Any]]], fps: float
) -> dict[str, Any]:
    """A report on recordings by name: the segments that people marked, and the rows of JSON lines that were found.

    `fps`: frames a second that boundaries are measured in.
    """
    spotting = Spotting()
    for name, spans in truth.items():
        segments = []
        for row in found[name]:
            first = row["guesses"][0]
            span = Span(row["begin"], row["end"])
            segments.append(Found(span, first["gloss"], first["confidence"], row["sure"]))
        spotting.add(spans, segments, fps)
    return spotting.report()


def joined_recordings(
    signs: Mapping[str, Sequence[Sign]], config: JoinConfig, seed: int
) -> Iterator[tuple[Recording, list[Span]]]:
    """Every sign once but for the last few, in recordings of SIGNS signs, signers in random order."""
    random = np.random.default_rng(seed)
    order: list[Sign] = []
    for who in random.permutation(sorted(signs)):
        pool = signs[str(who)]
        order += [pool[number] for number in random.permutation(len(pool))]
    for number, first in enumerate(range(0, len(order) - SIGNS + 1, SIGNS)):
        yield join(order[first : first + SIGNS], config, random, f"joined {number}")


def annotated(recording: Recording, namer: Namer, network: BoundaryNet | None) -> list[Found]:
    """What `annotate` finds in a recording, piece by piece."""
    found = []
    for segment in annotate_pieces(pieces_of(recording), long_segmenter(network), namer):
        first = segment.name.guesses[0]
        found.append(Found(Span(segment.begin, segment.end), first.gloss, first.confidence, segment.name.sure))
    return found


def pieces_of(recording: Recording, frames: int = PIECE) -> Iterator[Piece]:
    """A recording in memory as pieces."""
    times = frame_times(recording)
    for first in range(0, len(times), frames):
        part = slice(first, first + frames)
        yield Piece(replace(recording, xy=recording.xy[part], score=recording.score[part]), times[part])


def _unnamed(cut: Callable[[Recording], list[Span]]) -> Callable[[Recording], list[Found]]:
    return lambda recording: [Found(span) for span in cut(recording)]
