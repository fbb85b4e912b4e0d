"""A recipe: every choice of a run as nested dataclasses; YAML in `recipes/` holds the shipped ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, is_dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_type_hints

from jsonargparse import ArgumentParser

from twinsign.errors import InputError
from twinsign.nn.config import EncoderConfig, HeadConfig
from twinsign.runs.plain_yaml import recipe_values
from twinsign.ssl.config import ObjectiveConfig
from twinsign.views.config import AugmentConfig, ReadConfig, WindowConfig


@dataclass(frozen=True)
class OptimiserConfig:
    """Optimiser and schedule; the defaults are the paper's (Sec. IV-A)."""

    name: Literal["sgd", "adamw"] = "sgd"
    lr: float = 0.01
    """Learning rate at the start."""
    momentum: float = 0.9
    """Of SGD."""
    weight_decay: float = 0.0
    """Not applied to biases and norms under AdamW."""
    schedule: Literal["steps", "cosine"] = "steps"
    milestones: tuple[int, ...] = ()
    """Epochs after which the rate is multiplied by `gamma`, under `steps`."""
    gamma: float = 0.1
    warmup: float = 0.0
    """Share of all steps over which the rate rises from 0."""
    clip: float | None = None
    """Largest norm of the gradient; None: unclipped."""


@dataclass(frozen=True)
class PretrainConfig:
    """Pre-training (Sec. IV-A)."""

    frames: int = 64
    """Frames of a training view: T."""
    epochs: int = 150
    steps: int | None = None
    """Steps in all, rounded to whole epochs, at least one; None: `epochs` decides."""
    batch_size: int = 64
    weights: tuple[float, ...] = ()
    """How often an epoch shows a clip of each pack, in the order of --data; none: each clip once."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optimiser: OptimiserConfig = field(default_factory=lambda: OptimiserConfig(weight_decay=1e-4, milestones=(50, 100)))
    fraction: float = 1.0
    """Share of the clips that take part, drawn by the seed; one seed's shares are nested (Table VI)."""
    monitor_every: int = 10
    """Epochs between online k-NN and health measurements; 0: never."""
    whitening: float | None = None
    """Embeddings of the finished RUN are whitened, with this shrinkage (nn/whitening.py); None: as in the paper."""


@dataclass(frozen=True)
class ClassifyConfig:
    """Fine-tuning, or training a linear layer on frozen encoders."""

    frames: int = 64
    """Frames of a training view: T."""
    epochs: int = 60
    batch_size: int = 64
    augment: AugmentConfig = field(default_factory=lambda: AugmentConfig(rotation=0.0, scale=0.0, mask=0.0, flip=0.0))
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    label_smoothing: float = 0.0
    head: HeadConfig = field(default_factory=HeadConfig)
    select: Literal["best", "last"] = "best"
    """The epoch that is kept: the best by top-1 on val, or the last; test never chooses."""
    views: int = 0
    """Linear only: augmented views of each clip whose features are kept and taken in turn; 0: a fresh one an epoch."""


@dataclass(frozen=True)
class AbstainConfig:
    """When a classifier abstains: what its "not sure" threshold is fitted for."""

    target_accuracy: float = 0.9
    """Share of the sure answers that should be right."""
    unknown_share: float = 1 / 3
    """Expected share of clips whose sign is outside the model's vocabulary."""
    confidence: float = 0.95
    """Confidence level of the lower bound on that accuracy; 0: the accuracy itself, without a bound."""

    def __post_init__(self) -> None:
        if not (0 < self.target_accuracy <= 1 and 0 <= self.unknown_share < 1 and 0 <= self.confidence < 1):
            values = ", ".join(f"{name} {value}" for name, value in vars(self).items())
            raise InputError(f"abstain: {values}", "target_accuracy in (0, 1], the others in [0, 1)")


FORMER_NAMES = {
    "sure": "abstain",
    "abstain.trusted": "abstain.target_accuracy",
    "abstain.unknown": "abstain.unknown_share",
    "objective.bank": "objective.bank_size",
    "objective.head_banks": "objective.head_bank_sizes",
}
"""Sections and fields by the names that they had in earlier versions, which are still read, in this order."""
Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed"]


@dataclass(frozen=True)
class TrainerConfig:
    """Where and how training runs."""

    accelerator: str = "auto"
    devices: int = 1
    """Devices of this machine that train, a process each; `batch_size` is that of one of them."""
    num_nodes: int = 1
    """Machines that train, with `devices` each; more than one are started by torchrun or srun (docs/scaling.md)."""
    sync_norms: bool = True
    """Whether BatchNorms take the clips of all devices together, while training."""
    accumulate: int = 1
    """Batches that make one step: their gradients are averaged, and the banks wait for the step's end."""
    precision: Precision = "32-true"
    """`auto`: bf16-mixed where this machine multiplies it faster, else 32-true; a run going on keeps what it had."""
    compile: bool = False
    """Whether torch compiles the encoders while training: minutes at first, and no gain on CPUs (docs/results.md)."""
    threads: int | None = None
    """CPU threads of each process; None: torch's own choice, shared between this machine's processes."""
    workers: int = 0
    """Processes that read and crop clips."""
    save_every: int = 200
    """Steps between checkpoints, beside one at each epoch's end."""
    progress: bool = True
    """Whether bars are shown."""

    def __post_init__(self) -> None:
        for name in ("devices", "num_nodes", "accumulate"):
            if getattr(self, name) < 1:
                raise InputError(f"trainer.{name} {getattr(self, name)}", "1 or more")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a run besides its data, split and seed.

    Examples:
        >>> from dataclasses import replace
        >>> import twinsign as ts
        >>> recipe = ts.Recipe()  # the paper's settings
        >>> replace(recipe, encoder=ts.nn.EncoderConfig(depth=1)).encoder.depth
        1
    """

    read: ReadConfig = field(default_factory=ReadConfig)
    windows: WindowConfig = field(default_factory=WindowConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)
    finetune: ClassifyConfig = field(default_factory=ClassifyConfig)
    linear: ClassifyConfig = field(
        default_factory=lambda: ClassifyConfig(epochs=70, optimiser=OptimiserConfig(milestones=(50,)))
    )
    abstain: AbstainConfig = field(default_factory=AbstainConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)

    def in_precision(self, precision: Precision) -> Recipe:
        """The same recipe, trained in this precision where its own is `auto`."""
        chosen = precision if self.trainer.precision == "auto" else self.trainer.precision
        return replace(self, trainer=replace(self.trainer, precision=chosen))

    def as_dict(self) -> dict[str, Any]:
        """Plain containers, ready for YAML."""
        values = asdict(self)  # without `beside: null`, as in earlier versions, so that hashes stay as they were
        values["encoder"] = {name: value for name, value in values["encoder"].items() if value is not None}
        return dict(_lists(values))


def recipe_path(name: str) -> Path:
    """A shipped recipe's name, or a file, to the file; InputError lists the shipped ones."""
    folder = Path(str(resources.files("twinsign") / "runs" / "recipes"))
    for file in (folder / f"{name}.yaml", Path(name)):
        if file.is_file():
            return file
    names = sorted(path.stem for path in folder.glob("*.yaml"))
    raise InputError(f"recipe {name!r}", f"a YAML file or one of {', '.join(names)}")


def recipe_from(values: Any, source: str | Path = "recipe") -> Recipe:
    """Check plain values against the dataclasses; unknown or ill-typed ones are an InputError that names them."""
    recipe: Recipe = checked(Recipe, with_current_names(values), source)
    return recipe


def with_current_names(values: Any) -> Any:
    """Plain values of a recipe in which sections and fields of earlier versions carry the names of today."""
    if not isinstance(values, dict):
        return values
    for old, new in FORMER_NAMES.items():
        (section, _, name), renamed = old.partition("."), new.rpartition(".")[2]
        inside = values.get(section)
        if not name and section in values and new not in values:
            values = {new if key == old else key: value for key, value in values.items()}
        elif isinstance(inside, dict) and name in inside and renamed not in inside:
            inside = {renamed if key == name else key: value for key, value in inside.items()}
            values = {**values, section: inside}
    return values


def checked(kind: type, values: Any, source: str | Path) -> Any:
    """Plain values as nested dataclasses; unknown or ill-typed ones are an InputError that names them."""
    check_keys(values, source, kind)
    parser = _parser(kind)
    try:
        return parser.instantiate(parser.parse_object({"given": values})).given
    except InputError:
        raise
    except Exception as error:
        wanted = f"fields of {kind.__module__}.{kind.__name__}"
        raise InputError(str(error).replace("\n", " ")[:500], wanted, file=source) from error


@cache
def _parser(kind: type) -> ArgumentParser:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--given", type=kind)
    return parser


def load_recipe(name: str) -> Recipe:
    """A shipped recipe by name, or one in a file; InputError where there is none or it does not fit."""
    return recipe_from(recipe_values(recipe_path(name)), name)


def check_keys(values: Any, source: str | Path, kind: type = Recipe, place: str = "") -> None:
    """Every key of nested plain values is a field of the dataclass, every section a mapping; else InputError."""
    if not isinstance(values, dict):
        problem = f"{place.rstrip('.') or kind.__name__.lower()} = {values!r}"[:200]
        raise InputError(problem, "a mapping; leave a section out to keep its defaults", file=source)
    kinds = get_type_hints(kind)
    for name, value in values.items():
        if name not in kinds:
            raise InputError(f"key {place}{name}", f"one of {', '.join(kinds)}", file=source)
        if is_dataclass(kinds[name]):
            check_keys(value, source, kinds[name], f"{place}{name}.")


def _lists(value: Any) -> Any:
    """Tuples as lists, for YAML's plain loader; keys in one order, for hashes."""
    if isinstance(value, dict):
        return {key: _lists(value[key]) for key in sorted(value)}
    return [_lists(item) for item in value] if isinstance(value, tuple | list) else value
