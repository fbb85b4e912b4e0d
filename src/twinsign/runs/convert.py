"""The authors' released checkpoints as RUN folders: their tensors under our names, nothing lost without a word."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor, nn

from twinsign.errors import InputError
from twinsign.files import locked, parse_json
from twinsign.nn.classifier import Classifier
from twinsign.nn.graph import SUBSETS
from twinsign.pose.bounds import check_unpacked
from twinsign.runs.models import load_weights
from twinsign.runs.recipe import load_recipe
from twinsign.runs.run import Run, save_run
from twinsign.ssl.pretrain import Pretrainer

BRANCHES = {"joint": "encoder_q", "motion": "encoder_q_motion"}
PARTS = {"hand": "hand", "trunk": "body"}
HEADS = {"fused": "fc", "hand": "hand_fc", "trunk": "body_fc"}
DEAD = re.compile(r"\.(conv2|non_local|fcn)\.")
"""Layers that the released code makes and never calls."""
UNUSED = re.compile(r"(^|\.)(encoder_k(_\w+)?\.|queue|num_batches_tracked$)|_queue")
"""Keys, queues and counters: a RUN keeps what later stages need, the query encoders and heads."""
Rule = tuple[str, str, Callable[[list[Tensor]], Tensor]]


@dataclass(frozen=True)
class Converted:
    """The run, and which tensors of the checkpoint are no part of it, by why."""

    run: Run
    dead: list[str]
    unused: list[str]


def convert(checkpoint: str | PathLike[str], out: Path, labels: Path | None = None) -> Converted:
    """Write a released checkpoint, of pre-training or of a classifier, as a RUN of the recipe `released`.

    `labels` lists a classifier's glosses in order (JSON list, or one a line); without it classes are called by number.
    Raises InputError that lists missing, unknown and ill-shaped tensors by name.
    """
    tensors = read_checkpoint(checkpoint)
    recipe = load_recipe("released")
    dead = sorted(name for name in tensors if DEAD.search(name))
    unused = sorted(name for name in tensors if UNUSED.search(name) and name not in dead)
    kept = {name: value for name, value in tensors.items() if name not in {*dead, *unused}}
    final = kept.get("encoder_q.proj.fc.weight")
    about = {"protocol": "convert", "checkpoint": str(checkpoint), "config": "released", "seed": None}
    if final is None:
        module: nn.Module = Pretrainer(recipe.encoder, recipe.objective).query_weights()
        run = Run(out, "pretrained", recipe, about=about)
    else:
        glosses = _glosses(labels, len(final))
        module = Classifier(recipe.encoder, recipe.finetune.head, len(glosses))
        run = Run(out, "classifier", recipe, glosses, {**about, "protocol": "finetune"})
    load_weights(module, _translated(module, kept, Path(checkpoint)), run)
    with locked(out):
        save_run(run, module)
    return Converted(run, dead, unused)


def read_checkpoint(path: str | PathLike[str]) -> dict[str, Tensor]:
    """A checkpoint's tensors by name without `module.`; only tensors and plain containers are ever built."""
    check_unpacked(Path(path))
    try:
        with warnings.catch_warnings(action="ignore"):
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError("no such file", "a checkpoint (.pth.tar)", file=path) from error
    except Exception as error:  # torch's reader fails in as many ways as files are damaged
        reason = type(error).__name__  # not its own words: they advise to load the file unsafely
        raise InputError(f"no readable checkpoint ({reason})", "tensors saved by torch.save", file=path) from error
    table = loaded.get("state_dict", loaded) if isinstance(loaded, Mapping) else None
    if not isinstance(table, Mapping) or not all(isinstance(value, Tensor) for value in table.values()):
        raise InputError("no table of tensors", "a state dict, bare or under `state_dict`", file=path)
    return {str(name).removeprefix("module."): value for name, value in table.items()}


def _translated(module: nn.Module, kept: Mapping[str, Tensor], file: Path) -> dict[str, Tensor]:
    """The module's tensors out of the checkpoint's; every one of those must be used."""
    converted, used, missing = {}, set(), []
    for name, parameter in module.state_dict().items():
        if name.endswith("num_batches_tracked"):
            converted[name] = parameter
            continue
        sources, change = _sources(name)
        absent = [source for source in sources if source not in kept]
        missing += absent
        used.update(sources)
        if not absent:
            converted[name] = change([kept[source].float() for source in sources]).contiguous()
    # A score's bias cancels in the pooling's softmax, so ours has none.
    unknown = sorted(name for name in kept if name not in used and not re.search(r"proj\.weight_\w+\.bias$", name))
    if missing or unknown:
        problems = "; ".join([f"no {name}" for name in sorted(set(missing))] + [f"unknown {name}" for name in unknown])
        raise InputError(problems, "the tensors of the released network", file=file)
    return converted


def _sources(name: str) -> tuple[list[str], Callable[[list[Tensor]], Tensor]]:
    """Where a tensor of ours comes from, and what is done to it on the way."""
    for pattern, template, change in RULES:
        match = re.fullmatch(pattern, name)
        if match:
            place = match.groupdict()
            values = {key: _renamed(key, value) for key, value in place.items()}
            values["Part"] = values.get("part", "").capitalize()
            return [template.format(**values, q=q) for q in ("qkv" if "{q}" in template else "-")], change
    raise InputError(f"tensor {name}", "a rule that says where it comes from")


def _renamed(key: str, value: str) -> str:
    """Our word for a branch, part, head or entry as the released code spells it."""
    if key == "number_from_one":
        return str(int(value) + 1)
    words = {"branch": BRANCHES, "part": PARTS, "head": HEADS, "entry": ENTRIES}.get(key, {})
    return words.get(value, value)


def _same(values: list[Tensor]) -> Tensor:
    return values[0]


def _flat(values: list[Tensor]) -> Tensor:
    """A 1x1 convolution's weight as a linear layer's."""
    return values[0].flatten(1)


def _side_by_side(values: list[Tensor]) -> Tensor:
    return torch.cat(values)


def _mixed_first(values: list[Tensor]) -> Tensor:
    """Convolve to 4 x width, then mix: as mix, then one product; weight (4C, c, 1, 1) to (C, 4c)."""
    quarters: Tensor = values[0].flatten(1).unflatten(0, (SUBSETS, -1))  # 4 C c
    return quarters.transpose(0, 1).flatten(1)


def _quarters(values: list[Tensor]) -> Tensor:
    quarters: Tensor = values[0].unflatten(0, (SUBSETS, -1))
    return quarters


def _mixing(values: list[Tensor]) -> Tensor:
    return values[0].permute(2, 0, 1).flatten(0, 1)


def _degree(values: list[Tensor]) -> Tensor:
    return values[0].sum(dim=1).T


def _glosses(labels: Path | None, classes: int) -> list[str]:
    if labels is None:
        return [f"{number:0{len(str(classes - 1))}d}" for number in range(classes)]
    try:
        text = labels.read_text(encoding="utf-8")
        is_json = text.lstrip().startswith("[")
        glosses = parse_json(text) if is_json else [line.strip() for line in text.splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise InputError(str(error), "glosses in order: a JSON list, or one a line", file=labels) from error
    if not all(isinstance(gloss, str | int) for gloss in glosses):
        raise InputError("a gloss that is no text", "glosses in order: a JSON list, or one a line", file=labels)
    if len(glosses) != classes or len(set(glosses)) != classes:
        raise InputError(f"{len(set(glosses))} different glosses", f"{classes}, as the classifier has", file=labels)
    return [str(gloss) for gloss in glosses]


ENTRIES = {
    "joint_blocks": "st_gcn_networks",
    "part_blocks": "st_gcn_pool",
    "norm": "tcn.0",
    "out_norm": "tcn.4",
    "five": "conv1d_5",
    "three": "conv1d_3_1",
    "three_more": "conv1d_3_2",
    "out": "proj",
    "widen": "pwff.fc1",
    "narrow": "pwff.fc2",
}
_NET = r"encoders\.(?P<branch>\w+)\.net\.(?P<part>\w+)\."
_BLOCK = _NET + r"(?P<entry>\w+_blocks)\.(?P<number>\d)\."
_GCN = "{branch}.embed.st_gcn_{part}."
_BLOCK_THERE = _GCN + "{entry}.{number}."
_TIME = _NET + r"temporal\.(?P<number_from_one>\d)\."
_TIME_THERE = _GCN + "tcn_full_b{number_from_one}."
_TRANSFORMER = r"encoders\.(?P<branch>\w+)\.transformer\.(?P<part>\w+)\."
_TRANSFORMER_THERE = "{branch}.GCN_Tran_{Part}."
_LEAF = r"(?P<leaf>\w+)"
RULES: list[Rule] = [
    (_NET + rf"input_norm\.{_LEAF}", _GCN + "data_bn.{leaf}", _same),
    (_BLOCK + r"conv\.linear\.weight", _BLOCK_THERE + "gcn.conv.weight", _mixed_first),
    (_BLOCK + r"conv\.bias", _BLOCK_THERE + "gcn.conv.bias", _quarters),
    (_NET + r"joint_blocks\.\d\.conv\.mixing", _GCN + "A", _mixing),
    (_NET + r"joint_blocks\.\d\.conv\.degree", _GCN + "A", _degree),
    (_NET + r"part_blocks\.\d\.conv\.mixing", _GCN + "A_pool", _mixing),
    (_NET + r"part_blocks\.\d\.conv\.degree", _GCN + "A_pool", _degree),
    (_BLOCK + rf"norm\.{_LEAF}", _BLOCK_THERE + "tcn.0.{leaf}", _same),
    (_BLOCK + rf"out_norm\.{_LEAF}", _BLOCK_THERE + "tcn.4.{leaf}", _same),
    (_BLOCK + r"linear\.weight", _BLOCK_THERE + "tcn.3.weight", _flat),
    (_BLOCK + r"linear\.bias", _BLOCK_THERE + "tcn.3.bias", _same),
    (_BLOCK + r"residual\.0\.weight", _BLOCK_THERE + "residual.0.weight", _flat),
    (_BLOCK + rf"residual\.(?P<layer>\d)\.{_LEAF}", _BLOCK_THERE + "residual.{layer}.{leaf}", _same),
    (_NET + r"project\.0\.weight", _GCN + "conv4.0.weight", _flat),
    (_NET + rf"project\.(?P<layer>\d)\.{_LEAF}", _GCN + "conv4.{layer}.{leaf}", _same),
    (_TIME + r"join\.weight", _TIME_THERE + "conv1x1.weight", _flat),
    (_TIME + r"join\.bias", _TIME_THERE + "conv1x1.bias", _same),
    (_TIME + rf"norm\.{_LEAF}", _TIME_THERE + "bn.{leaf}", _same),
    (_TIME + rf"(?P<entry>five|three|three_more)\.{_LEAF}", _TIME_THERE + "{entry}.0.{leaf}", _same),
    (_TRANSFORMER + r"norm\.weight", _TRANSFORMER_THERE + "norm.gamma", _same),
    (_TRANSFORMER + r"norm\.bias", _TRANSFORMER_THERE + "norm.beta", _same),
    (
        _TRANSFORMER + rf"blocks\.(?P<number>\d)\.qkv\.{_LEAF}",
        _TRANSFORMER_THERE + "blocks.{number}.attn.proj_{q}.{leaf}",
        _side_by_side,
    ),
    (_TRANSFORMER + r"blocks\.(?P<number>\d)\.norm\.weight", _TRANSFORMER_THERE + "blocks.{number}.norm1.gamma", _same),
    (_TRANSFORMER + r"blocks\.(?P<number>\d)\.norm\.bias", _TRANSFORMER_THERE + "blocks.{number}.norm1.beta", _same),
    (
        _TRANSFORMER + r"blocks\.(?P<number>\d)\.out_norm\.weight",
        _TRANSFORMER_THERE + "blocks.{number}.norm2.gamma",
        _same,
    ),
    (
        _TRANSFORMER + r"blocks\.(?P<number>\d)\.out_norm\.bias",
        _TRANSFORMER_THERE + "blocks.{number}.norm2.beta",
        _same,
    ),
    (
        _TRANSFORMER + rf"blocks\.(?P<number>\d)\.(?P<entry>out|widen|narrow)\.{_LEAF}",
        _TRANSFORMER_THERE + "blocks.{number}.{entry}.{leaf}",
        _same,
    ),
    (r"encoders\.(?P<branch>\w+)\.pool\.(?P<part>\w+)\.score\.weight", "{branch}.proj.weight_{part}.weight", _same),
    (
        rf"heads\.(?P<branch>\w+)\.(?P<head>\w+)\.layers\.(?P<layer>\d)\.{_LEAF}",
        "{branch}.proj.{head}.{layer}.{leaf}",
        _same,
    ),
    (rf"fc\.(?P<branch>\w+)\.{_LEAF}", "{branch}.proj.fc.{leaf}", _same),
]
