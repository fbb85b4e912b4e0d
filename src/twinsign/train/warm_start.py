"""A pre-training that begins where another one ended: with the weights, keys and banks of a finished RUN."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from twinsign.errors import InputError
from twinsign.nn.whitening import WHITENING
from twinsign.runs.models import load_weights
from twinsign.runs.run import CHECKPOINTS, WEIGHTS, load_run
from twinsign.ssl.pretrain import Pretrainer
from twinsign.train.callbacks import LAST

log = logging.getLogger("twinsign")


def load_initial(model: Pretrainer, init: str | Path) -> None:
    """Fill a model with a finished pre-training's weights, keys and banks; its optimiser's state is left behind.

    From a RUN without its last checkpoint (copied, pulled or converted) come the query branches alone: the keys are
    then copies of them and the banks empty. Raises InputError where the RUN is of another kind or size.
    """
    if str(init) == "none":
        return
    source = load_run(init)
    if source.kind != "pretrained" or not (source.path / WEIGHTS).is_file():
        kind = "an unfinished RUN" if source.kind == "pretrained" else "a classifier"
        raise InputError(kind, "a finished RUN of pretrain", file=source.path)
    tensors = _last_state(source.path)
    if tensors is not None:
        load_weights(model, tensors, source)
        return
    learnt = {name: value for name, value in source.weights().items() if not name.startswith(WHITENING)}
    load_weights(model.query_weights(), learnt, source)
    model.key.load_state_dict(model.query.state_dict())
    log.warning("note: %s has no last checkpoint: the banks begin empty", source.path)


def _last_state(out: Path) -> dict[str, Tensor] | None:
    """The tensors of the last checkpoint's model by name, None without one; nothing in it is run."""
    last = out / CHECKPOINTS / LAST
    if not last.is_file():
        return None
    try:
        saved: dict[str, Any] = torch.load(last, map_location="cpu", mmap=True, weights_only=True)
        return {name.removeprefix("module."): value for name, value in saved["state_dict"].items()}
    except Exception as error:  # whatever a damaged pickle raises
        raise InputError(f"a damaged checkpoint ({error})", "a whole checkpoint", file=last) from error
