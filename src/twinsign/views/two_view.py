"""Pairs of augmented views for a training loop of your own."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike

import torch

from twinsign.pack.open import Indices, Pack
from twinsign.pack.selection import select_pretraining
from twinsign.views.augment import random_view
from twinsign.views.batches import ClipBatchSampler, ClipLoader, ClipReader, seeded_generator
from twinsign.views.clips import View
from twinsign.views.config import AugmentConfig, ReadConfig


class TwoViewLoader:
    """Batches of two augmented views (query, key) of the same clips, in another order each epoch (paper, Sec. III-B).

    Iterating once is one epoch; the same seed gives the same views. Clips of val and test, and copies of them, stay
    out unless `rows` names what takes part. A last batch of fewer clips is dropped.

    Examples:
        >>> import twinsign as ts
        >>> loader = ts.TwoViewLoader("packs/signs.pack", batch_size=8, frames=16)
        >>> query, key = next(iter(loader))
        >>> query.xy.shape, key.seen.shape
        (torch.Size([8, 16, 49, 2]), torch.Size([8, 16, 49]))
    """

    def __init__(
        self,
        pack: Pack | str | PathLike[str],
        batch_size: int = 64,
        frames: int = 64,
        *,
        rows: Indices | None = None,
        augment: AugmentConfig | None = None,
        read: ReadConfig | None = None,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        """Read `rows` of a pack (None: all that pre-training may see), `frames` frames a view, on `device`."""
        pack = pack if isinstance(pack, Pack) else Pack([pack])
        reader = ClipReader(pack, select_pretraining(pack) if rows is None else rows, read or ReadConfig())
        self.batches = ClipBatchSampler(len(reader), batch_size, seed=seed, shuffle=True, drop_last=True)
        self.loader = ClipLoader(reader, self.batches)
        self.augment, self.frames, self.seed, self.device = augment or AugmentConfig(), frames, seed, device

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[View, View]]:
        """Yield pairs of views, each with xy (B T 49 2) and seen (B T 49)."""
        first = self.batches.epoch * len(self.batches)
        for number, clips in enumerate(self.loader, first):
            draws, clips = seeded_generator(self.seed, 1, number), clips.to(self.device)
            query, key = (random_view(clips, self.augment, self.frames, draws) for _ in range(2))
            yield query, key
