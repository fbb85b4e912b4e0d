"""The RUN folder: weights.safetensors, config.yaml and labels.json are all that evaluating and predicting need.

Beside them: metrics.jsonl, report.html, checkpoints/ (what resuming needs).
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import yaml
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from twinsign import __version__
from twinsign.distributed import rank_info
from twinsign.errors import InputError
from twinsign.files import locked, parse_json, sha256, write_bytes, write_json, write_text
from twinsign.runs.metadata import check_about
from twinsign.runs.plain_yaml import recipe_values
from twinsign.runs.quantise import dequantised
from twinsign.runs.recipe import Recipe, recipe_from
from twinsign.runs.shipped import is_shipped, shipped_models, shipped_path
from twinsign.views.config import AugmentConfig
from twinsign.views.reading import EARLIER_CROP, reading_from_statistics

Kind = Literal["pretrained", "classifier"]
WEIGHTS, CONFIG, LABELS, METRICS, REPORT, VAL = (
    "weights.safetensors",
    "config.yaml",
    "labels.json",
    "metrics.jsonl",
    "report.html",
    "val.json",
)
CHECKPOINTS, EVALUATIONS = "checkpoints", "evaluations"
RECORDED = ("torch", "pytorch-lightning", "numpy")
"""Packages whose versions a run records."""
CALIBRATED = "calibrated"
"""Key of `about`: which clips temperature and threshold were fitted on by `calibrate`, and the RUN's hash before."""
TRAINING_STATISTICS = "learnt_from"
"""Key of `about`: what poses the run learnt from, to tell others by (inference/shift.py)."""
SAME_SIGNS = "same_signs"
"""Key of `about`: pairs of glosses under which the training clips have the same recording (pack/same_signs.py)."""


@dataclass(frozen=True)
class Run:
    """A finished run: where it is, what it is, its recipe, label list (classifiers) and facts of its making."""

    path: Path
    kind: Kind
    recipe: Recipe
    labels: list[str] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def augment(self) -> AugmentConfig:
        """The views that the run was trained on."""
        protocol = self.about.get("protocol")
        section = getattr(self.recipe, str(protocol) if protocol in ("finetune", "linear") else "pretrain")
        augment: AugmentConfig = section.augment
        return augment

    def branches(self) -> tuple[str, ...]:
        """The branches whose encoders the run holds: the classifier's, or those that were pre-trained."""
        protocols = {"finetune": self.recipe.finetune.head, "linear": self.recipe.linear.head}
        head = protocols.get(str(self.about.get("protocol")))
        return self.recipe.objective.branches if head is None else head.branches

    def same_signs(self) -> dict[str, tuple[str, ...]]:
        """Of each gloss that is one sign with others, by the training clips: these others."""
        others: dict[str, tuple[str, ...]] = {}
        for one, other in self.about.get(SAME_SIGNS, []):
            others[one] = (*others.get(one, ()), other)
            others[other] = (*others.get(other, ()), one)
        return others

    def weights(self, beginning: str = "") -> dict[str, Tensor]:
        """The run's tensors whose names begin so, by name; InputError where the file is missing or damaged."""
        file = self.path / WEIGHTS
        if not file.is_file():
            raise InputError("no weights", f"{WEIGHTS} of a finished run", file=self.path)
        try:
            with safe_open(file, "pt") as opened:
                names = [name for name in opened.keys() if name.startswith(beginning)]  # noqa: SIM118  # no mapping
                tensors: dict[str, Tensor] = {name: opened.get_tensor(name) for name in names}
        except (SafetensorError, OSError) as error:
            raise InputError(f"damaged weights ({error})", "a safetensors file", file=file) from error
        return dequantised(tensors)

    @property
    def shipped(self) -> bool:
        """Whether the run came with the package: nothing is written into it."""
        return is_shipped(self.path)

    @property
    def reference(self) -> str:
        """What finds the run again: a shipped model's name, or its folder's whole path."""
        return self.path.name if self.shipped else str(self.path.resolve())

    def digest(self) -> str:
        """A hash of config, labels and weights: RUNs of one hash are one model."""
        files = [self.path / name for name in (CONFIG, LABELS, WEIGHTS)]
        return sha256(*(file.read_bytes() for file in files if file.is_file()))

    def vectors_digest(self) -> str:
        """The hash of what makes its vectors: the RUN's, as it was before it was first recalibrated."""
        before: str | None = self.about.get(CALIBRATED, {}).get("digest")
        return before or self.digest()


def save_about(run: Run) -> None:
    """Rewrite `about` and leave the rest of config.yaml, and what software it names, as it is."""
    values = recipe_values(run.path / CONFIG)
    write_text(run.path / CONFIG, yaml.safe_dump({**values, "about": run.about}, sort_keys=False))


def save_config(run: Run) -> None:
    """Write labels.json and config.yaml; without weights the run counts as unfinished."""
    run.path.mkdir(parents=True, exist_ok=True)
    if run.kind == "classifier":
        write_json(run.path / LABELS, run.labels)
    software = {"python": platform.python_version(), **{name: version(name) for name in RECORDED}}
    about = {"twinsign": __version__, "software": software, "kind": run.kind, "about": run.about}
    about["recipe"] = run.recipe.as_dict()
    write_text(run.path / CONFIG, yaml.safe_dump(about, sort_keys=False))


def save_run(run: Run, module: nn.Module) -> None:
    """Write config, labels and, last, weights; each whole or not at all."""
    save_config(run)
    tensors = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    # By way of memory: safetensors' own temporary file would stay behind a process that is killed.
    write_bytes(run.path / WEIGHTS, save(tensors))


def load_run(path: str | PathLike[str]) -> Run:
    """Read a RUN folder's, or a shipped model's, config and labels; InputError says what is missing or wrong."""
    folder = shipped_path(path) or Path(path)
    if not (folder / CONFIG).is_file():
        names = ", ".join(model.name for model in shipped_models())
        hint = f"Models that come with twinsign: {names}." if names else ""
        raise InputError(f"no {CONFIG}", "a RUN folder written by pretrain, finetune or linear", file=folder, hint=hint)
    values = recipe_values(folder / CONFIG)
    kind = values.get("kind")
    if kind not in ("pretrained", "classifier"):
        raise InputError(f"kind {kind!r}", "pretrained or classifier", file=folder / CONFIG)
    about = check_about(values.get("about"), folder / CONFIG)
    stored = values.get("recipe")
    completed = _as_before(stored)
    recipe = recipe_from(completed, folder / CONFIG)
    run = Run(folder, kind, recipe, _labels(folder) if kind == "classifier" else [], about)
    return run if completed is stored else _with_reading(run)


def _as_before(recipe: Any) -> Any:
    """A stored recipe, with what an earlier version did where it records nothing of the crop."""
    read = recipe.get("read") if isinstance(recipe, dict) else None
    crop = read.get("crop") if isinstance(read, dict) else None
    if not isinstance(crop, dict) or "ignore" in crop:
        return recipe
    return {**recipe, "read": {**recipe["read"], "crop": {**EARLIER_CROP, **crop}}}


def _with_reading(run: Run) -> Run:
    """A run of an earlier version that leaves out the joints that it never learnt from, by what it remembers."""
    statistics, read = run.about.get(TRAINING_STATISTICS), run.recipe.read
    if not isinstance(statistics, Mapping):
        return run
    ignore, shape = reading_from_statistics(statistics, run.augment.mirrors)
    crop = replace(read.crop, ignore=ignore, shape=shape)
    return replace(run, recipe=replace(run.recipe, read=replace(read, crop=crop)))


def keep_report(path: str | PathLike[str], report: Mapping[str, Any]) -> Path | None:
    """Leave a report in a RUN's `evaluations`, named by its splits and their hash; None where it cannot be written."""
    if is_shipped(path) or not os.access(path, os.W_OK):
        return None
    name = "+".join(report["split"] or ["all"])
    besides = "-stream" * bool(report.get("source", {}).get("stream")) + "-unknown" * ("unknown" in report)
    file = Path(path) / EVALUATIONS / f"{name}-{report['split_hash']}{besides}.json"
    try:
        write_json(file, dict(report))
    except OSError:
        return None
    return file


def read_metrics(path: str | PathLike[str]) -> list[dict[str, Any]]:
    """Rows of a RUN's metrics.jsonl; none where it was never written. A last line that was cut off is none."""
    file = Path(path) / METRICS
    lines = [line for line in file.read_bytes().splitlines() if line.strip()] if file.is_file() else []
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(parse_json(line))
        except ValueError as error:
            if number < len(lines):
                raise InputError(f"no JSON in line {number} ({error})", "a JSON object a line", file=file) from error
    return rows


def _labels(folder: Path) -> list[str]:
    file = folder / LABELS
    if not file.is_file():
        raise InputError(f"no {LABELS}", "the label list of a classifier", file=folder)
    try:
        labels = parse_json(file.read_bytes())
    except ValueError as error:
        raise InputError(f"no JSON ({error})", "a list of glosses", file=file) from error
    if not (isinstance(labels, list) and labels and all(isinstance(label, str) for label in labels)):
        raise InputError("something else", "a list of glosses", file=file)
    if len(set(labels)) < len(labels):
        raise InputError("a gloss twice", "every gloss once", file=file)
    return labels


@contextmanager
def run_lock(out: Path) -> Iterator[None]:
    """Hold a RUN folder for this training, by its first process; InputError where another one has it."""
    with locked(out) if rank_info().first else nullcontext():
        yield
