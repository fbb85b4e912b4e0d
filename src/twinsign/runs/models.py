"""The networks of a RUN, filled with its weights, and the clips and views they are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from twinsign.distributed import rank_info
from twinsign.errors import InputError
from twinsign.nn.classifier import Classifier
from twinsign.nn.features import Viewer, fixed_views, recalibrate_batchnorm
from twinsign.nn.networks import build_encoder, feature_width
from twinsign.nn.whitening import WHITENING, Whitening
from twinsign.pack.open import Indices, Pack
from twinsign.runs.recipe import ClassifyConfig, Recipe
from twinsign.runs.run import WEIGHTS, Run
from twinsign.views.batches import ClipBatchSampler, ClipLoader, ClipReader

NO_PRETRAINING = "none"
"""As --init: encoders without pre-training."""

STATISTICS_CLIPS = 2048
"""Clips that a random encoder's norms know, at most; of more a seeded sample."""

EVALUATION_BATCH = 128 if torch.cuda.is_available() else 16
"""Clips scored at once: on a CPU few, whose arrays stay in its cache (docs/speed.md)."""


def build_module(make: Callable[[], nn.Module], tensors: Mapping[str, Tensor], run: Run) -> nn.Module:
    """A module with these weights; InputError before any memory is taken where the config is of another size."""
    with torch.device("meta"):
        check_weights(make(), tensors, run)
    module = make()
    module.load_state_dict(dict(tensors))
    return module


def load_weights(module: nn.Module, tensors: Mapping[str, Tensor], run: Run) -> None:
    """Fill a module; InputError as for `check_weights`."""
    check_weights(module, tensors, run)
    module.load_state_dict(dict(tensors))


def check_weights(module: nn.Module, tensors: Mapping[str, Tensor], run: Run) -> None:
    """Missing, unknown and ill-shaped tensors are listed by name in one InputError."""
    expected = module.state_dict()
    wrong = [f"no {name}" for name in expected if name not in tensors]
    wrong += [f"unknown {name}" for name in tensors if name not in expected]
    wrong += [
        f"{name} of shape {tuple(tensors[name].shape)} instead of {tuple(expected[name].shape)}"
        for name in expected
        if name in tensors and tensors[name].shape != expected[name].shape
    ]
    if wrong:
        problems = "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        wanted = "the tensors of this config's network"
        raise InputError(problems, wanted, file=run.path / WEIGHTS, hint="Weights and config.yaml must be of one run.")


def load_encoders(run: Run) -> nn.ModuleDict:
    """The query encoders by branch, in evaluation mode, of a run of either kind."""
    tensors = run.weights("encoders.")

    def encoders() -> nn.Module:
        return nn.ModuleDict(
            {"encoders": nn.ModuleDict({name: build_encoder(run.recipe.encoder) for name in run.branches()})}
        )

    return cast(nn.ModuleDict, build_module(encoders, tensors, run).encoders).eval()


def load_whitening(run: Run) -> nn.Module:
    """What whitens the joint embeddings (N D) of a pre-trained RUN that keeps it; of others, what leaves them alone."""
    tensors = {} if run.kind == "classifier" else run.weights(WHITENING)
    if not tensors:
        return nn.Identity()
    width = encoder_width(run) * len(run.branches())
    found = {name.removeprefix(WHITENING): value for name, value in tensors.items()}
    return build_module(lambda: Whitening(width), found, run).eval()


def encoder_width(run: Run) -> int:
    """D of what each branch adds to a clip's vector: a registered backbone may be wider than its config says."""
    with torch.device("meta"):
        return feature_width(build_encoder(replace(run.recipe.encoder, beside=None)))


def random_encoders(recipe: Recipe, seed: int) -> nn.ModuleDict:
    """Untrained encoders in evaluation mode: the control of every linear and k-NN result."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.ModuleDict({name: build_encoder(recipe.encoder) for name in recipe.objective.branches}).eval()


def head_recipe(run: Run) -> ClassifyConfig:
    """The part of the recipe that made this classifier: finetune or linear."""
    protocol = run.about.get("protocol")
    if protocol not in ("finetune", "linear"):
        raise InputError(f"protocol {protocol!r}", "finetune or linear", file=run.path)
    chosen: ClassifyConfig = getattr(run.recipe, protocol)
    return chosen


def embedded_branches(run: Run) -> tuple[str, ...]:
    """The branches that make a clip's vector: those that a classifier's head embeds, or all."""
    return (head_recipe(run).head.embed if run.kind == "classifier" else ()) or run.branches()


def frames_of(run: Run) -> int:
    """T that a RUN's encoders were last trained at: its classifier's, or that of the pre-training."""
    return head_recipe(run).frames if run.kind == "classifier" else run.recipe.pretrain.frames


def viewer_of(run: Run) -> Viewer:
    """What a RUN's encoders look at in tests and in use."""
    return fixed_views(run.recipe.windows, frames_of(run))


def load_classifier(run: Run) -> Classifier:
    """The classifier of a RUN in evaluation mode; InputError for a run that was only pre-trained."""
    if run.kind != "classifier":
        hint = "Without a classifier signs are named by a dictionary: twinsign enrol, search."
        raise InputError(
            "a pre-trained run without a classifier", "a run of finetune or linear", file=run.path, hint=hint
        )
    head = head_recipe(run).head
    classifier = build_module(lambda: Classifier(run.recipe.encoder, head, len(run.labels)), run.weights(), run)
    return cast(Classifier, classifier).eval()


def evaluation_loader(
    pack: Pack, rows: Indices, recipe: Recipe, labels: Indices | None = None, part: tuple[int, int] = (0, 1)
) -> ClipLoader:
    """These rows' clips in their order, in batches for evaluation; or a process's `part` (rank, processes) of them."""
    reader = ClipReader(pack, rows, recipe.read, None if labels is None else labels.tolist())
    batches = ClipBatchSampler(len(reader), EVALUATION_BATCH * part[1], shuffle=False, part=part)
    return ClipLoader(reader, batches, workers=recipe.trainer.workers)


def control_encoders(recipe: Recipe, reader: ClipReader, seed: int) -> nn.ModuleDict:
    """Random encoders whose norms know the clips' statistics: the fair control of linear and k-NN results."""
    encoders = random_encoders(recipe, seed)
    size = recipe.pretrain.batch_size * rank_info().world_size  # of all processes, each of which sees all clips here
    loader = ClipLoader(reader, ClipBatchSampler(len(reader), size, seed=seed, shuffle=True))
    some = islice(loader, max(1, STATISTICS_CLIPS // size))
    recalibrate_batchnorm(encoders, some, fixed_views(recipe.windows, recipe.pretrain.frames))
    return encoders


def branches_of(encoders: nn.ModuleDict, branches: tuple[str, ...], init: str | Path) -> nn.ModuleDict:
    """These branches' encoders alone; InputError where one is missing."""
    missing = [name for name in branches if name not in encoders]
    if missing:
        raise InputError(f"no {missing[0]} branch", "every branch of the head", file=str(init))
    return nn.ModuleDict({name: encoders[name] for name in branches})
