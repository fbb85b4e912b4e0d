"""The order of clips where several packs take part with weights: which pack's clips come how often, and where."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twinsign.errors import InputError
from twinsign.pack.open import Indices, Pack


class Mixture:
    """Each epoch's places, from (seed, epoch) alone: a group of weight 1 comes once, of 0.5 half, of 2 twice.

    Groups are dealt from decks of their own, shuffled anew when used up: after any number of epochs no clip of a group
    has come more than once oftener than another. They are spread evenly, so that each batch holds each group's share.
    """

    def __init__(self, groups: Indices, weights: Sequence[float], seed: int) -> None:
        wrong = [weight for weight in weights if not 0 < weight < np.inf]
        if wrong:
            raise InputError(f"weight {wrong[0]}", "numbers above 0; leave out a pack that is not to take part")
        self.seed = seed
        self.members = [np.flatnonzero(groups == number) for number in range(len(weights))]
        self.counts = [
            max(1, round(weight * len(mine))) if len(mine) else 0
            for weight, mine in zip(weights, self.members, strict=True)
        ]
        """Places of each group in an epoch."""

    def __len__(self) -> int:
        return sum(self.counts)

    def order(self, epoch: int) -> Indices:
        """The places of one epoch."""
        places, keys = [], []
        for number, (mine, count) in enumerate(zip(self.members, self.counts, strict=True)):
            if count:
                places.append(mine[self._dealt(number, len(mine), epoch * count, count)])
                offset = np.random.default_rng([self.seed, number, 1, epoch]).random()
                keys.append((np.arange(count) + offset) / count)
        return np.concatenate(places)[np.argsort(np.concatenate(keys), kind="stable")]

    def _dealt(self, number: int, size: int, first: int, count: int) -> Indices:
        """`count` cards from card `first` of a group's endless row of shuffled decks."""
        decks = range(first // size, (first + count - 1) // size + 1)
        row = [np.random.default_rng([self.seed, number, 0, deck]).permutation(size) for deck in decks]
        start = first - decks[0] * size
        return np.concatenate(row)[start : start + count]


def mixture_of(pack: Pack, rows: Indices, weights: Sequence[float], seed: int) -> Mixture | None:
    """The mixture of these rows, a weight for each pack as it was named; None without weights."""
    if not weights:
        return None
    if len(weights) != len(pack.given):
        raise InputError(f"{len(weights)} weights", f"{len(pack.given)}, one for each pack of --data")
    groups = pack.given_of(rows)
    empty = sorted(set(range(len(weights))) - set(groups.tolist()))
    if empty:
        raise InputError("no clip to learn from", "clips of every weighted pack", file=pack.given[empty[0]])
    return Mixture(groups, weights, seed)
