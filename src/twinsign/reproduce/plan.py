"""What an experiment of section IV is: rows that change a recipe, columns that choose clips, the paper's numbers.

`experiments/*.yaml` are the shipped ones, one a table or figure; a file of the same form is a sweep of one's own.
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
KINDS = ("per_instance", "per_class")
HEADS: dict[str, tuple[str, ...]] = {"branches": BRANCHES, "parts": PARTS}
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

    def __post_init__(self) -> None:
        if not 0 < self.label_fraction <= 1:
            raise InputError(f"label_fraction {self.label_fraction} of row {self.name!r}", "a number in (0, 1]")
        for name, chosen in self.head.items():
            known = HEADS.get(name, ())
            if not chosen or not {*chosen} <= {*known}:
                wanted = f"one or more of {', '.join(known)}" if known else f"one of {', '.join(HEADS)}"
                raise InputError(f"head.{name} {', '.join(chosen)} of row {self.name!r}", wanted)

    @property
    def ours(self) -> bool:
        """Whether the row is a training of its own."""
        return not (self.cited or self.with_rgb)


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
        own = [row.name for row in self.rows if not row.cited]
        for wanted in [self.reference, *(row.against for row in self.rows)]:
            if wanted is not None and wanted not in own:
                raise InputError(f"comparison with {wanted!r}", f"one of the rows {', '.join(own)}")
        self._check_rows()
        for row in self.rows:
            wrong = [name for name, values in row.paper.items() if len(values) != len(self.measures)]
            if wrong:
                raise InputError(f"numbers of {wrong[0]} in row {row.name!r}", f"{len(self.measures)}, one a measure")
        unknown = [name for name in self.measures if name not in MEASURES]
        if unknown or not self.measures:
            raise InputError(f"measures {', '.join(self.measures) or 'none'}", f"one or more of {', '.join(MEASURES)}")

    def _check_rows(self) -> None:
        ours = [row for row in self.rows if row.ours]
        if not ours or (not self.rows[0].ours and self.rows[0].with_rgb):
            raise InputError("no row of ours before one with RGB", "a row that is neither cited nor with_rgb")
        kind = self.picture.kind if self.picture else ""
        if (self.protocol == "none") != (kind == "map"):
            raise InputError(f"protocol {self.protocol} with picture {kind or 'none'}", "protocol none for a map alone")
        if kind == "curve":
            places = [(row.line, row.neighbours or row.x) for row in ours if row.neighbours or row.x is not None]
            low = [x for _, x in places if self.picture and self.picture.log and not (x and x > 0)]
            if not places or low or len({*places}) < len(places):
                raise InputError(
                    f"x of rows: {[x for _, x in places]}", "one or more, each once a line, above 0 if log"
                )
        if kind in ("parts", "signers") and len(ours) < 2:
            raise InputError("one row", "a row a model, two or more, for a picture of what they say")
        if kind == "signers" and not {"joint", "motion"} <= {row.name for row in ours}:
            raise InputError(f"rows {', '.join(row.name for row in ours)}", "joint and motion among them")

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
    folder = Path(str(resources.files("twinsign") / "reproduce" / "experiments"))
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
    """A subset's name: wlasl100=1 is WLASL100, the others stay as they are typed."""
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
        objective = recipe.objective
        bank = min(objective.head_bank_sizes.get(head, objective.bank_size) for head in objective.anchors)
        change = merged(change, {"objective": {"neighbours": max(1, round(row.neighbours * bank))}})
    changed = recipe_from(merged(recipe.as_dict(), change), f"row {row.name!r}") if change else recipe
    if not row.head:
        own_heads = {name: getattr(changed, name).head.branches for name in ("finetune", "linear")}
        if row.init != "none" and not all({*one} <= {*changed.objective.branches} for one in own_heads.values()):
            found = f"a head of other branches than the pre-trained {', '.join(changed.objective.branches)}"
            raise InputError(found, "head: {branches: …}", file=f"row {row.name!r}")
        return changed
    own: dict[str, Any] = {name: tuple(value) for name, value in row.head.items()}
    if row.init != "none" and not {*own.get("branches", ())} <= {*changed.objective.branches}:
        found = f"head.branches {', '.join(own['branches'])} of row {row.name!r}"
        raise InputError(found, f"of the pre-trained {', '.join(changed.objective.branches)}")
    heads = {name: replace(getattr(changed, name).head, **own) for name in ("finetune", "linear")}
    return replace(changed, **{name: replace(getattr(changed, name), head=head) for name, head in heads.items()})


def merged(values: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Nested plain values with some of them changed; mappings are merged, everything else is replaced."""
    found = dict(values)
    for name, value in change.items():
        both = isinstance(value, dict) and isinstance(found.get(name), dict)
        found[name] = merged(found[name], value) if both else value
    return found
