"""Repeated timing, and the choice of a precision by it (train/precision.py)."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch

from twinsign.train import precision
from twinsign.train.precision import faster_precision, gemm_gflops, seconds_of

CPU = torch.device("cpu")


def test_warm_up_runs_do_not_count() -> None:
    runs: list[int] = []
    assert len(seconds_of(lambda: runs.append(1), CPU, 4, 2)) == 4
    assert len(runs) == 6


def test_slow_runs_are_fewer() -> None:
    runs: list[int] = []

    def slow() -> None:
        runs.append(1)
        time.sleep(0.03)

    assert len(seconds_of(slow, CPU, 100, 5, limit=0.001)) == 2
    assert len(runs) == 3, "one run, at least, does not count"
    assert len(seconds_of(lambda: None, CPU, 7, 2, limit=60)) == 7


def test_the_peak_of_slow_products_is_of_small_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    sides: list[int] = []

    def products(run: Any, device: torch.device, runs: int, **_: Any) -> list[float]:
        sides.append(len(run.args[0]))
        return [1e-9 * len(run.args[0]) ** 3 if run.args[0].dtype == torch.float32 else 1e-6 * len(run.args[0]) ** 3]

    monkeypatch.setattr(precision, "seconds_of", products)
    assert gemm_gflops(CPU, 512) == {"float32": 2.0, "bfloat16": 0.0}
    assert sides == [256, 512, 256]
    sides.clear()
    assert list(gemm_gflops(CPU, 512, [torch.float32])) == ["float32"]
    assert sides == [256, 512]


def test_the_peak_is_of_both_types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(precision.SIDE, "cpu", 64)
    monkeypatch.setattr(precision, "seconds_of", lambda run, device, runs, **_: [run() is None or 0.5, 0.25])
    assert gemm_gflops(CPU) == {
        "float32": round(2 * 64**3 / 0.25 / 1e9, 1),
        "bfloat16": round(2 * 64**3 / 0.25 / 1e9, 1),
    }


@pytest.mark.parametrize(("bfloat16", "wanted"), [(85.0, "32-true"), (200.0, "32-true"), (350.0, "bf16-mixed")])
def test_mixed_precision_where_it_pays(bfloat16: float, wanted: str) -> None:
    assert faster_precision({"float32": 166.0, "bfloat16": bfloat16}) == wanted
