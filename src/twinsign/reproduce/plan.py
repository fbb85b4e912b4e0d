"""An experiment of section IV: rows that change a recipe, columns that choose clips, the paper's numbers.

`experiments/*.yaml` are the shipped ones, one per table or figure; a file of the same form is a sweep of your own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from twinsign.errors import InputError
from twinsign.nn.config import PARTS
from twinsign.pack.open import Pack
from twinsign.runs.plain_yaml import recipe_values
from twinsign.runs.recipe import Recipe, checked, recipe_from
from twinsign.views.config import BRANCHES

Protocol = Literal["finetune", "linear", "none"]
"""How a row is evaluated; `none`: it is pre-trained only."""
HEADS: dict[str, tuple[str, ...]] = {"branches": BRANCHES, "parts": PARTS}
MEASURES = tuple(f"{kind}.top{top}" for kind in ("per_instance", "per_class") for top in (1, 2, 5))


@dataclass(frozen=True)
class Row:
    """One row: how it differs from the recipe, how it is evaluated, and the paper's numbers by column."""

    name: str
    change: dict[str, Any] = field(default_factory=dict)
    """Fields of the recipe that differ."""
    neighbours: float | None = None
    """k of Eq. 5 as a share of the bank, at least 1 slot."""
    init: Literal["pretrained", "none"] = "pretrained"
    head: dict[str, list[str]] = field(default_factory=dict)
    """`branches` and `parts` that the classifier sees."""
    label_fraction: float = 1.0
    protocol: Protocol | None = None
    """None: the experiment's."""
    with_rgb: bool = False
    """Late fusion: the scores of the last trained row above, plus those of --rgb (Sec. III-E)."""
    cited: bool = False
    """Another method's row: the paper's numbers only."""
    against: str | None = None
    """The row that this one is compared with; None: the experiment's reference."""
    x: float | None = None
    """Position on the curve."""
    line: str = ""
    """Line of the picture that the row belongs to."""
    paper: dict[str, list[float | None]] = field(default_factory=dict)
    """The paper's numbers by column, in the order of the experiment's measures."""

    def __post_init__(self) -> None:
        if not 0 < self.label_fraction <= 1:
            raise InputError(f"label_fraction {self.label_fraction} of row {self.name!r}", "a number in (0, 1]")
        for name, chosen in self.head.items():
            allowed = HEADS.get(name, ())
            if not chosen or not {*chosen} <= {*allowed}:
                wanted = f"one or more of {', '.join(allowed)}" if allowed else f"one of {', '.join(HEADS)}"
                raise InputError(f"head.{name} {', '.join(chosen)} of row {self.name!r}", wanted)

    @property
    def is_trained(self) -> bool:
        """Whether the row is a training of its own."""
        return not (self.cited or self.with_rgb)


@dataclass(frozen=True)
class Column:
    """Which clips: conditions COLUMN=VALUE on training and evaluated clips, and more on the evaluated ones."""

    train: list[str] = field(default_factory=list)
    evaluate: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Picture:
    """The picture of an experiment."""

    kind: Literal["curve", "map", "parts", "signers"]
    x: str = ""
    """Label of the curve's axis."""
    log: bool = False


@dataclass(frozen=True)
class Experiment:
    """A table or figure of the paper, or a sweep of your own."""

    title: str
    rows: list[Row]
    columns: dict[str, Column] = field(default_factory=dict)
    """The paper's columns, used where the packs are of `dataset`."""
    section: str = ""
    dataset: str = ""
    measures: list[str] = field(default_factory=lambda: ["per_instance.top1", "per_class.top1"])
    protocol: Protocol = "finetune"
    reference: str | None = None
    """The row that the others are compared with."""
    picture: Picture | None = None

    def __post_init__(self) -> None:
        names = [row.name for row in self.rows]
        if len(set(names)) < len(names) or not names:
            raise InputError(f"rows {', '.join(names) or 'none'}", "one row or more, each name once")
        comparable = [row.name for row in self.rows if not row.cited]
        for name in [self.reference, *(row.against for row in self.rows)]:
            if name is not None and name not in comparable:
                raise InputError(f"comparison with {name!r}", f"one of the rows {', '.join(comparable)}")
        self._check_trained_rows()
        for row in self.rows:
            wrong = [name for name, values in row.paper.items() if len(values) != len(self.measures)]
            if wrong:
                raise InputError(f"numbers of {wrong[0]} in row {row.name!r}", f"{len(self.measures)}, one per measure")
        if not self.measures or not {*self.measures} <= {*MEASURES}:
            raise InputError(f"measures {', '.join(self.measures) or 'none'}", f"one or more of {', '.join(MEASURES)}")

    def _check_trained_rows(self) -> None:
        trained = [row for row in self.rows if row.is_trained]
        if not trained or self.rows[0].with_rgb:
            raise InputError("no trained row before one with RGB", "a row that is neither cited nor with_rgb")
        kind = self.picture.kind if self.picture else ""
        if (self.protocol == "none") != (kind == "map"):
            wanted = "protocol none with a map, and only with it"
            raise InputError(f"protocol {self.protocol} with picture {kind or 'none'}", wanted)
        if self.picture and kind == "curve":
            points = [(row.line, row.neighbours or row.x) for row in trained if row.neighbours or row.x is not None]
            xs = [x for _, x in points]
            if not points or len({*points}) < len(points) or (self.picture.log and not all(x and x > 0 for x in xs)):
                raise InputError(f"x of rows: {xs}", "one or more, each once per line, above 0 if log")
        if kind in ("parts", "signers") and len(trained) < 2:
            raise InputError("one row", "two or more, one per model, for a picture of their predictions")
        if kind == "signers" and not {"joint", "motion"} <= {row.name for row in trained}:
            raise InputError(f"rows {', '.join(row.name for row in trained)}", "joint and motion among them")

    def protocol_of(self, row: Row, override: Protocol | None = None) -> Protocol:
        """How a row is evaluated: by `override`, its own protocol or the experiment's; never where that is `none`."""
        return "none" if self.protocol == "none" else override or row.protocol or self.protocol

    def compared_with(self, row: Row) -> Row | None:
        """The row that this one is compared with, if any."""
        name = row.against or (self.reference if row.name != self.reference else None)
        return next((candidate for candidate in self.rows if candidate.name == name), None)


def load_experiment(name: str) -> tuple[str, Experiment]:
    """A shipped experiment by name (table1 … table11, fig3 … fig6), or one in a file; InputError lists the shipped."""
    folder = Path(str(resources.files("twinsign") / "reproduce" / "experiments"))
    shipped = folder / f"{name}.yaml"
    file = shipped if shipped.is_file() else Path(name)
    if not file.is_file():
        names = sorted(
            (path.stem for path in folder.glob("*.yaml")), key=lambda stem: (stem[0] != "t", len(stem), stem)
        )
        raise InputError(f"experiment {name!r}", f"a YAML file or one of {', '.join(names)}")
    experiment: Experiment = checked(Experiment, recipe_values(file), file)
    return file.stem, experiment


def columns_for(experiment: Experiment, pack: Pack, subsets: list[str]) -> dict[str, Column]:
    """The columns to fill: `subsets` (COLUMN=VALUE, several joined by commas, or `all`), else the paper's, else all.

    The paper's columns are taken where every pack is of the experiment's dataset.
    """
    columns = {}
    for subset in subsets:
        conditions = [] if subset == "all" else subset.split(",")
        if not all(condition.count("=") == 1 for condition in conditions):
            raise InputError(f"subset {subset!r}", "COLUMN=VALUE, several joined by commas, or all")
        columns[column_name(subset)] = Column(conditions)
    if not columns and experiment.columns and set(pack.datasets) == {experiment.dataset}:
        return experiment.columns
    return columns or {"all": Column()}


def column_name(subset: str) -> str:
    """A subset's name: wlasl100=1 is WLASL100, others stay as they are."""
    name, _, value = subset.partition("=")
    return name.upper() if value == "1" else subset


def row_recipe(row: Row, recipe: Recipe) -> Recipe:
    """The recipe with a row's changes; InputError names an unknown field, or branches that are not pre-trained."""
    change = row.change
    if row.neighbours is not None:
        objective = recipe.objective
        bank = min(objective.head_bank_sizes.get(head, objective.bank_size) for head in objective.anchors)
        change = merge_values(change, {"objective": {"neighbours": max(1, round(row.neighbours * bank))}})
    changed = recipe_from(merge_values(recipe.as_dict(), change), f"row {row.name!r}") if change else recipe
    chosen: dict[str, Any] = {name: tuple(values) for name, values in row.head.items()}
    sections = {name: getattr(changed, name) for name in ("finetune", "linear")}
    sections = {name: replace(section, head=replace(section.head, **chosen)) for name, section in sections.items()}
    pretrained = changed.objective.branches
    for section in sections.values() if row.init != "none" else ():
        if not {*section.head.branches} <= {*pretrained}:
            branches = f"head branches {', '.join(section.head.branches)} of row {row.name!r}"
            raise InputError(branches, f"branches of the pre-trained {', '.join(pretrained)}, by head: {{branches: …}}")
    return replace(changed, **sections)


def merge_values(values: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Nested plain values with some of them changed; mappings are merge_values, everything else is replaced."""
    nested = {name for name in change if isinstance(change[name], dict) and isinstance(values.get(name), dict)}
    return values | {name: merge_values(values[name], new) if name in nested else new for name, new in change.items()}
