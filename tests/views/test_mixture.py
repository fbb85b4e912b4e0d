"""Mixtures of packs: every clip as often as its pack's weight says, in every epoch and in every batch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from helpers.recordings import packed, recording
from hypothesis import given
from hypothesis import strategies as st

from twinsign.errors import InputError
from twinsign.pack.open import Pack
from twinsign.views.batches import ClipBatchSampler, ClipLoader, ClipReader, Mixture, build_mixture
from twinsign.views.config import ReadConfig

groups = st.lists(st.tuples(st.integers(1, 30), st.sampled_from([0.1, 0.5, 1.0, 1.7, 3.0])), min_size=1, max_size=4)


def mixture(parts: list[tuple[int, float]], seed: int = 0) -> tuple[Mixture, np.ndarray]:
    owner = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(parts)), [size for size, _ in parts]))
    return Mixture(owner, [weight for _, weight in parts], seed), owner


@given(groups, st.integers(0, 5), st.integers(1, 9))
def test_an_epoch_holds_each_groups_share(parts: list[tuple[int, float]], seed: int, epochs: int) -> None:
    found, owner = mixture(parts, seed)
    times: Counter[int] = Counter()
    for epoch in range(epochs):
        order = found.order(epoch)
        assert len(order) == len(found)
        shares = Counter(owner[order].tolist())
        assert all(shares[number] == max(1, round(weight * size)) for number, (size, weight) in enumerate(parts))
        times.update(order.tolist())
    for number in range(len(parts)):
        mine = [times[place] for place in np.flatnonzero(owner == number).tolist()]
        assert max(mine) - min(mine) <= 1, "no clip comes oftener than another of its pack"


@given(groups, st.integers(0, 3), st.integers(1, 20))
def test_every_batch_holds_the_shares(parts: list[tuple[int, float]], epoch: int, size: int) -> None:
    found, owner = mixture(parts)
    order = found.order(epoch)
    for first in range(0, len(order) - size + 1, size):
        batch = Counter(owner[order[first : first + size]].tolist())
        for number, count in enumerate(found.counts):
            assert abs(batch[number] - size * count / len(order)) <= len(parts)


def test_orders_follow_seed_and_epoch_alone() -> None:
    parts = [(20, 1.0), (30, 0.5)]
    owner = mixture(parts)[1]
    orders = {
        (seed, epoch): Mixture(owner, [1.0, 0.5], seed).order(epoch).tolist() for seed in (0, 1) for epoch in (0, 1, 2)
    }
    assert len({tuple(order) for order in orders.values()}) == 6
    again = Mixture(owner, [1.0, 0.5], 1)
    assert again.order(2).tolist() == orders[1, 2]


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("mixture")
    for name, clips in (("a", 8), ("b", 20)):
        packed(folder / name, [recording(rng, f"{name}{n}", 2) for n in range(clips)])
    return [folder / "a", folder / "b"]


def test_a_loader_goes_on_in_a_mixture(packs: list[Path]) -> None:
    pack = Pack(packs)
    rows = np.arange(len(pack))
    found = build_mixture(pack, rows, [2.0, 0.5], seed=3)
    assert found is not None
    assert found.counts == [16, 10]

    def loader() -> ClipLoader:
        batches = ClipBatchSampler(len(found), 4, seed=3, shuffle=True, drop_last=True, mixture=found)
        return ClipLoader(ClipReader(pack, rows, ReadConfig()), batches)

    whole = loader()
    order = [clips.index.tolist() for _ in range(3) for clips in whole]
    assert len(order) == 3 * (26 // 4)
    assert sum(pack.given_of(np.asarray(batch)).tolist().count(0) for batch in order[:6]) in (14, 15, 16)
    second = loader()
    second.go_to(8)
    rest = [clips.index.tolist() for _ in range(2) for clips in second]
    assert rest == order[8:]


@pytest.mark.parametrize(
    ("weights", "found"), [([1.0], "1 weights"), ([1.0, 0.0], "weight 0.0"), ([1.0, float("nan")], "weight nan")]
)
def test_weights_that_mean_nothing(packs: list[Path], weights: list[float], found: str) -> None:
    pack = Pack(packs)
    with pytest.raises(InputError, match=found):
        build_mixture(pack, np.arange(len(pack)), weights, 0)


def test_a_pack_without_a_clip_to_learn_from(packs: list[Path]) -> None:
    pack = Pack(packs)
    assert build_mixture(pack, np.arange(len(pack)), [], 0) is None
    with pytest.raises(InputError, match="no clip to learn from") as caught:
        build_mixture(pack, np.arange(8), [1.0, 1.0], 0)
    assert caught.value.file == packs[1]
