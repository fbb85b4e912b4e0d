"""Pairs of views for a training loop: which clips, how many, and the same ones again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.tiny_configs import pack_of, sample

from twinsign.pack.open import Pack
from twinsign.views.two_view import TwoViewLoader


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    """Ten clips to train on, and one each of val and test."""
    splits = ["train"] * 10 + ["val", "test"]
    return pack_of(tmp_path / "P", *(sample(f"clip{n}", split=split, look=n) for n, split in enumerate(splits)))


def test_an_epoch_has_every_clip_once_in_two_views(pack: Pack) -> None:
    loader = TwoViewLoader(pack, batch_size=5, frames=12)
    pairs = list(loader)
    assert len(pairs) == len(loader) == 2
    for query, key in pairs:
        assert query.xy.shape == key.xy.shape == (5, 12, 49, 2)
        assert query.seen.shape == (5, 12, 49)
        assert query.seen.dtype == torch.bool
        assert not torch.equal(query.xy, key.xy)
    assert sorted(loader.loader.reader.rows.tolist()) == list(range(10)), "neither val nor test"


def test_a_seed_repeats_the_views_and_epochs_differ(pack: Pack) -> None:
    first, again, other = (TwoViewLoader(pack, 5, 12, seed=seed) for seed in (3, 3, 4))
    epochs = [list(first), list(first)]
    repeated = [list(again), list(again)]
    for epoch, same in zip(epochs, repeated, strict=True):
        for (query, key), (query_again, key_again) in zip(epoch, same, strict=True):
            assert torch.equal(query.xy, query_again.xy)
            assert torch.equal(key.xy, key_again.xy)
    assert not torch.equal(epochs[0][0][0].xy, epochs[1][0][0].xy)
    assert not torch.equal(epochs[0][0][0].xy, next(iter(other))[0].xy)


def test_rows_and_a_path_may_be_given(pack: Pack) -> None:
    loader = TwoViewLoader(pack.paths[0], batch_size=64, frames=8, rows=np.array([10, 11]))
    ((query, _),) = list(loader)
    assert len(query.xy) == 2
