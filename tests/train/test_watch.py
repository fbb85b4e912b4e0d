"""A loss that explodes or is no number, a gradient that breaks the weights: the batch is named, and nothing kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.trained_runs import Trained

from twinsign.errors import InputError
from twinsign.pack.open import Pack
from twinsign.runs.recipe import recipe_from, recipe_values
from twinsign.ssl.pretrain import Pretrainer
from twinsign.train import protocols
from twinsign.train.monitor import Monitor
from twinsign.train.tasks import PretrainModule

BROKEN = 3
"""The batch that breaks, of five an epoch, from 0."""


def exploded(loss: torch.Tensor) -> torch.Tensor:
    return loss * 1e6


def no_number(loss: torch.Tensor) -> torch.Tensor:
    return loss * float("nan")


def broken_gradient(loss: torch.Tensor) -> torch.Tensor:
    loss.register_hook(lambda gradient: gradient * float("nan"))
    return loss


@pytest.mark.parametrize(
    ("harm", "found"),
    [(exploded, "a loss of "), (no_number, "a loss of nan"), (broken_gradient, "weights that are no numbers")],
)
def test_the_batch_is_named_and_the_last_good_checkpoint_goes_on(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: Any, found: str
) -> None:
    monkeypatch.setattr(protocols, "write_pretraining_page", lambda *_: None)
    monkeypatch.setattr(Monitor, "__call__", lambda _: {})
    recipe = recipe_from(recipe_values(trained.recipe))
    recipe = replace(
        recipe,
        pretrain=replace(recipe.pretrain, batch_size=4),
        trainer=replace(recipe.trainer, save_every=1),
    )
    shown: list[list[int]] = []
    step, forward = PretrainModule.training_step, Pretrainer.forward

    def noting(self: PretrainModule, batch: Any, batch_idx: int) -> Any:
        shown.append(batch.index.tolist())
        return step(self, batch, batch_idx)

    def harmed(self: Pretrainer, *views: Any) -> Any:
        out = forward(self, *views)
        return out._replace(loss=harm(out.loss)) if len(shown) == BROKEN + 1 else out

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(PretrainModule, "training_step", noting)
        patch.setattr(Pretrainer, "forward", harmed)
        with pytest.raises(InputError, match=rf"{found}.*at batch {BROKEN};") as caught:
            protocols.pretrain(recipe, [trained.pack], out)
    told, pack = json.loads((out / "bad_batch.json").read_text()), Pack(trained.pack)
    assert told["found"].startswith(found)
    assert str(out / "bad_batch.json") in caught.value.hint
    # Weights are looked at as they are saved, after the batch: the one before has passed that look.
    numbers = [BROKEN] if harm is broken_gradient else [BROKEN, BROKEN - 1]
    assert [one["batch"] for one in told["batches"]] == numbers
    for number, one in zip(numbers, told["batches"], strict=True):
        assert one["clips"] == [pack.name_of(row) for row in shown[number]]
    kept = torch.load(out / "checkpoints" / "last.ckpt", weights_only=False)
    assert kept["global_step"] == BROKEN
    assert all(value.isfinite().all() for value in kept["state_dict"].values() if value.is_floating_point())
    protocols.pretrain(recipe, [trained.pack], out)
    assert (out / "weights.safetensors").is_file()
    assert not (out / "bad_batch.json").exists()
