"""What every corpus yields: clips to pack, each read only when its turn comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from twinsign.pose.recording import Recording


@dataclass(frozen=True)
class Sample:
    """One clip to pack: its id, how to read it (may raise InputError), its annotation row (gloss, split, signer, …)."""

    id: str
    read: Callable[[], Recording]
    row: Mapping[str, str] = field(default_factory=dict)
