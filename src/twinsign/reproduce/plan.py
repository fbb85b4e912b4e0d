"""What an experiment of section IV is: rows that change a recipe, columns that choose clips, the paper's numbers.

`experiments/*.yaml` are the shipped ones, one a table or figure; a file of the same form is a sweep of one's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from twinsign.errors import InputError
from twinsign.pack.open import Pack
from twinsign.recipe import Recipe, checked, recipe_from, recipe_values

Protocol = Literal["finetune", "linear", "none"]
"""How a row is evaluated; `none`: it is pre-trained only."""
KINDS = ("per_instance", "per_class")
MEASURES = tuple(f"{kind}.top{top}" for kind in KINDS for top in (1, 2, 5))


@dataclass(frozen=True)
class Row:
    """One row: how it differs from the recipe, how it is evaluated, and what the paper says by column."""

    name: str
    change: dict[str, Any] = field(default_factory=dict)
    """Fields of the recipe that pre-training takes otherwise."""
    neighbours: float | None = None
    """k of Eq. 5 as a share of the bank, at least 1 slot."""
    init: Literal["pretrained", "none"] = "pretrained"
    head: dict[str, list[str]] = field(default_factory=dict)
    """`branches` and `parts` that the classifier sees."""
    label_fraction: float = 1.0
    protocol: Protocol | None = None
    """Where it differs from the experiment's."""
    with_rgb: bool = False
    """Late fusion: the scores of the row above that has some, plus those of --rgb (Sec. III-E)."""
    cited: bool = False
    """Another method's row: the paper's numbers alone."""
    against: str | None = None
    """The row that this one is compared with, where it is not the experiment's reference."""
    x: float | None = None
    """Where it stands on the curve."""
    line: str = ""
    """Which line of the picture it is on."""
    paper: dict[str, list[float | None]] = field(default_factory=dict)
    """The paper's numbers by column, in the order of the experiment's measures."""


@dataclass(frozen=True)
class Column:
    """Which clips: conditions COLUMN=VALUE on those that train and report, and more on those that report."""

    train: list[str] = field(default_factory=list)
    evaluate: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Picture:
    """What is drawn of an experiment."""

    kind: Literal["curve", "map", "parts", "signers"]
    x: str = ""
    """The curve's axis."""
    log: bool = False


@dataclass(frozen=True)
class Experiment:
    """A table or figure of the paper, or a sweep of one's own."""

    title: str
    rows: list[Row]
    columns: dict[str, Column] = field(default_factory=dict)
    """The paper's columns; ours where the packs are of `dataset`."""
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
        for wanted in [self.reference, *(row.against for row in self.rows)]:
            if wanted is not None and wanted not in names:
                raise InputError(f"comparison with {wanted!r}", f"one of the rows {', '.join(names)}")
        for row in self.rows:
            wrong = [name for name, values in row.paper.items() if len(values) != len(self.measures)]
            if wrong:
                raise InputError(f"numbers of {wrong[0]} in row {row.name!r}", f"{len(self.measures)}, one a measure")
        unknown = [name for name in self.measures if name not in MEASURES]
        if unknown or not self.measures:
            raise InputError(f"measures {', '.join(self.measures) or 'none'}", f"one or more of {', '.join(MEASURES)}")

    def protocol_of(self, row: Row, wish: Protocol | None = None) -> Protocol:
        """How a row is evaluated: as wished, by its own word, or the experiment's."""
        if self.protocol == "none":
            return "none"
        return wish or row.protocol or self.protocol

    def compared_with(self, row: Row) -> Row | None:
        """The row that this one is compared with, if any."""
        name = row.against or (self.reference if row.name != self.reference else None)
        return next((one for one in self.rows if one.name == name), None)


def load_experiment(name: str) -> tuple[str, Experiment]:
    """A shipped experiment by name (table1 … table11, fig3 … fig6), or one in a file; InputError lists the shipped."""
    folder = Path(str(resources.files("twinsign") / "experiments"))
    shipped = folder / f"{name}.yaml"
    file = shipped if shipped.is_file() else Path(name)
    if not file.is_file():
        names = sorted((path.stem for path in folder.glob("*.yaml")), key=lambda one: (one[0] != "t", len(one), one))
        raise InputError(f"experiment {name!r}", f"a YAML file or one of {', '.join(names)}")
    experiment: Experiment = checked(Experiment, recipe_values(file), file)
    return file.stem, experiment


def columns_for(experiment: Experiment, pack: Pack, subsets: list[str]) -> dict[str, Column]:
    """The columns to fill: `subsets` (COLUMN=VALUE, several joined by commas, or `all`), else the paper's, else all.

    The paper's columns are taken where every pack says that it is of the experiment's dataset.
    """
    if subsets:
        return {column_name(subset): _column(subset) for subset in subsets}
    if experiment.columns and set(pack.datasets) == {experiment.dataset}:
        return experiment.columns
    return {"all": Column()}


def column_name(subset: str) -> str:
    """A subset's name: wlasl100=1 is WLASL100, the others stay as they are typed (ours)."""
    name, _, value = subset.partition("=")
    return name.upper() if value == "1" else subset


def _column(subset: str) -> Column:
    if subset == "all":
        return Column()
    conditions = subset.split(",")
    if not all(len(one.split("=")) == 2 for one in conditions):
        raise InputError(f"subset {subset!r}", "COLUMN=VALUE, several joined by commas, or all")
    return Column(conditions)


def recipe_of(row: Row, recipe: Recipe) -> Recipe:
    """The recipe with a row's changes; InputError names a field that is none."""
    change = row.change
    if row.neighbours is not None:
        bank = min(recipe.objective.head_banks.get(head, recipe.objective.bank) for head in recipe.objective.anchors)
        change = merged(change, {"objective": {"neighbours": max(1, round(row.neighbours * bank))}})
    changed = recipe_from(merged(recipe.as_dict(), change), f"row {row.name!r}") if change else recipe
    if not row.head:
        return changed
    unknown = set(row.head) - {"branches", "parts"}
    if unknown:
        raise InputError(f"head of {', '.join(sorted(unknown))}", "branches, parts", file=f"row {row.name!r}")
    own: dict[str, Any] = {name: tuple(value) for name, value in row.head.items()}
    heads = {name: replace(getattr(changed, name).head, **own) for name in ("finetune", "linear")}
    return replace(changed, **{name: replace(getattr(changed, name), head=head) for name, head in heads.items()})


def merged(values: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Nested plain values with some of them changed; mappings are merged, everything else is replaced (ours)."""
    found = dict(values)
    for name, value in change.items():
        both = isinstance(value, dict) and isinstance(found.get(name), dict)
        found[name] = merged(found[name], value) if both else value
    return found
