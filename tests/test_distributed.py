"""Which process this is, and its share."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from twinsign import distributed
from twinsign.errors import InputError


@given(total=st.integers(0, 200), parts=st.integers(1, 20))
def test_shares_in_order_are_the_whole_and_even(total: int, parts: int) -> None:
    clips = list(range(total))
    mine = [clips[distributed.share(total, rank, parts)] for rank in range(parts)]
    assert [clip for one in mine for clip in one] == clips
    assert [len(one) for one in mine] == distributed.shares(total, parts)
    assert max(map(len, mine)) - min(map(len, mine)) <= 1


def test_alone_everything_is_as_it_was() -> None:
    x = torch.randn(3, 2, requires_grad=True)
    assert distributed.world_size() == 1
    assert all(
        found is x
        for found in (distributed.all_reduce_sum(x), distributed.all_reduce_mean(x), distributed.all_gather(x))
    )
    distributed.broadcast([x])


def test_the_launcher_says_which_process_this_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert distributed.rank_info() == distributed.RankInfo(0, 0, 1)
    assert distributed.rank_info().first
    for name, value in {"SLURM_PROCID": "5", "SLURM_LOCALID": "1", "SLURM_STEP_NUM_TASKS": "8"}.items():
        monkeypatch.setenv(name, value)
    assert distributed.rank_info() == distributed.RankInfo(5, 1, 8)
    for name, value in {"RANK": "3", "LOCAL_RANK": "0", "WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)  # torchrun inside srun
    assert str(distributed.rank_info()) == "process 3 of 4"
    monkeypatch.setenv("RANK", "x")
    with pytest.raises(InputError, match=r"RANK=x.*whole numbers"):
        distributed.rank_info()


def test_a_batch_scripts_own_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without srun the variables of the job are there, those of a step are not."""
    for name, value in {"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NTASKS": "8"}.items():
        monkeypatch.setenv(name, value)
    assert distributed.rank_info().world_size == 1
