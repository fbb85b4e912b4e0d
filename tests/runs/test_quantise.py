"""Eight bits a weight: how near they stay, and that a RUN of them is read like any other."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from helpers.trained_runs import Trained
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from twinsign.runs.models import load_classifier
from twinsign.runs.quantise import LARGEST, LEAST_SCALE, SCALE, dequantised, quantised
from twinsign.runs.run import WEIGHTS, load_run


@given(st.integers(0, 1000), st.sampled_from([1e-6, 1e-2, 1.0, 300.0]), st.sampled_from([(40, 64), (8, 16, 9)]))
def test_every_weight_is_within_half_a_step_and_a_float16(seed: int, size: float, shape: tuple[int, ...]) -> None:
    weight = size * torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    weight[0] = 0
    stored = quantised({"w": weight})
    found = dequantised(stored)["w"]
    step = stored["w" + SCALE].view(-1, *[1] * (weight.dim() - 1))
    assert (found - weight).abs().le(step / 2 * (1 + 1e-6)).all()
    coarsest = weight.flatten(1).abs().amax(dim=1) / LARGEST * 1.125
    assert stored["w" + SCALE].le(coarsest.clamp(min=LEAST_SCALE) * (1 + 1e-6)).all(), (
        "no coarser than four bits make it"
    )
    assert torch.equal(found.half().float(), found)


def test_vectors_small_matrices_and_whole_numbers_are_not_touched_but_for_float16() -> None:
    given_tensors = {"bias": torch.randn(2000), "tiny": torch.randn(3, 4), "count": torch.tensor(7)}
    stored = quantised(given_tensors)
    assert {name: value.dtype for name, value in stored.items()} == {
        "bias": torch.float16, "tiny": torch.float16, "count": torch.int64,
    }  # fmt: skip
    found = dequantised(stored)
    assert found.keys() == given_tensors.keys()
    assert all(torch.allclose(found[name].float(), value.float(), atol=2e-3) for name, value in given_tensors.items())


def test_a_run_of_such_weights_loads_and_answers_alike(trained: Trained, tmp_path: Path) -> None:
    small = tmp_path / "small"
    shutil.copytree(trained.finetuned, small)
    (small / WEIGHTS).unlink()
    save_file(quantised(load_file(trained.finetuned / WEIGHTS)), small / WEIGHTS)
    assert (small / WEIGHTS).stat().st_size < 0.6 * (trained.finetuned / WEIGHTS).stat().st_size
    whole, eighth = (load_classifier(load_run(path)) for path in (trained.finetuned, small))
    features = {name: torch.randn(5, layer.in_features) for name, layer in whole.fc.items()}
    with torch.no_grad():
        wanted, found = whole.logits(features), eighth.logits(features)
    assert all(
        torch.allclose(found[name], value, atol=0.05 * float(value.abs().max())) for name, value in wanted.items()
    )
    beginning = next(iter(whole.encoders))
    assert (
        load_run(small).weights(f"encoders.{beginning}.").keys()
        == load_run(trained.finetuned).weights(f"encoders.{beginning}.").keys()
    )
