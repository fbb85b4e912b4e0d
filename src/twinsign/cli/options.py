"""Options from signatures: a command's parameters, the fields of dataclasses, and the recipe of a training.

A parameter becomes an option by its type, as jsonargparse reads it; `Annotated` types say where it is to be otherwise.
"""

from __future__ import annotations

from argparse import SUPPRESS
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from inspect import signature
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import yaml
from docstring_parser import parse

# ActionConfigFile is public, yet jsonargparse adds it to __all__ only at run time.
from jsonargparse import ActionConfigFile, ArgumentParser, set_parsing_settings  # type: ignore[attr-defined]

from twinsign.extract.config import HOLISTIC, EstimatorConfig
from twinsign.pose.recording import Unit
from twinsign.runs.plain_yaml import recipe_values
from twinsign.runs.recipe import Recipe, check_keys, recipe_path, with_current_names
from twinsign.terminal import errors

set_parsing_settings(docstring_parse_attribute_docstrings=True)
MYPY = False
"""True to mypy. jsonargparse executes `if TYPE_CHECKING` blocks, which here would load torch."""
if MYPY:
    from twinsign.extract.clip import Reader
    from twinsign.pack.selection import ClipSelection

T = TypeVar("T")


class Argument(NamedTuple):
    """How a parameter is added to a parser: what stands before its name, and keywords of `add_argument`."""

    prefix: str = "--"
    keywords: dict[str, Any] = {}  # noqa: RUF012


FIELDS = "fields"
FieldsOf = Annotated[T, FIELDS]
"""A dataclass whose fields are options of the command."""
Positional = Annotated[T, Argument("")]
Positionals = Annotated[list[str], Argument("", {"type": str, "nargs": "+"})]
OptionalPositionals = Annotated[list[str], Argument("", {"type": str, "nargs": "*"})]
Words = Annotated[list[str], Argument("--", {"type": str, "nargs": "+", "required": True})]
OptionalWords = Annotated[list[str], Argument("--", {"type": str, "nargs": "+", "default": []})]
Flag = Annotated[bool, Argument("--", {"type": None, "action": "store_true"})]

SHARED_HELP = {
    "annotations": "The dataset's annotation files, or their folder.",
    "branches": "Branches to use: joint, motion. Default: all of the RUN's.",
    "cluster": "Ray cluster to run on: local, auto or ray://HOST:PORT (docs/scaling.md).",
    "common": "Compare the clips that all files have, where their sets differ.",
    "data": "Packs: files, quoted globs, folders of shards, or URLs that fsspec opens (s3://…).",
    "dataset": "Name of the dataset that the ids come from; the same id in packs of other datasets is another clip.",
    "files": "Pose files, videos, or folders of them.",
    "json": "JSON file to write the report to.",
    "model": "RUN of any kind, or a shipped model (twinsign models).",
    "out": "Folder of the RUN; the same command resumes an unfinished one.",
    "parts": "Parts to use: hand, trunk. Default: all that the RUN uses.",
    "scores": "NPZ file to write every clip's scores to, for `fuse` and `compare`.",
    "seed": "Random seed.",
    "split": "Splits joined by commas, or `all`.",
    "strict": "Refuse clips unlike the RUN's training clips instead of warning.",
    "threads": "CPU threads to answer with.",
    "where": "Only clips for which COLUMN=VALUE holds.",
}
"""Help of options that several commands share; a command's docstring goes before it."""
FREQUENT = ("epochs", "steps", "batch_size", "frames", "optimiser.lr", "select")
"""Fields of a training's own section that its short help shows."""
FREQUENT_OF_ALL = {"trainer.devices", "trainer.precision", "trainer.threads", "trainer.workers"}


@dataclass(frozen=True)
class LabelledClips:
    """The clips to train on.

    Args:
        label_fraction: Share of each gloss's training clips that keep their label.
        labels_per_class: Number of training clips of each gloss that keep their label, instead of a share.
    """

    data: Words
    where: OptionalWords
    strict: Flag
    label_fraction: float = 1.0
    labels_per_class: int | None = None

    def select(self) -> ClipSelection:
        """These clips as the library's dataclass."""
        from twinsign.pack.selection import ClipSelection

        return ClipSelection(self.data, self.where, self.label_fraction, self.labels_per_class, self.strict)


@dataclass(frozen=True)
class PoseFormat:
    """What pose files do not state themselves.

    Args:
        size: Image width and height in pixels, for formats that do not state it.
        fps: Frames per second, for formats that do not state it.
        unit: Unit of the coordinates, pixels or image fractions, where it is not the format's own.
    """

    size: tuple[int, int] | None = None
    fps: float | None = None
    unit: Unit | None = None


@dataclass(frozen=True)
class InputFormat(PoseFormat):
    """How files of poses and videos are read.

    Args:
        estimator: Pose estimator for videos: the one that the model's training poses come from.
    """

    estimator: EstimatorConfig = HOLISTIC

    def reader(self) -> Reader:
        """A reader of files in this format."""
        from twinsign.extract.clip import Reader

        return Reader(self.estimator, size=self.size, fps=self.fps, unit=self.unit)


def add_options(parser: ArgumentParser, function: Callable[..., Any], words: Sequence[str] = ()) -> None:
    """Add the parameters of a command, or the fields of a dataclass, to a parser; `words` is the command line."""
    documented = {parameter.arg_name: parameter.description for parameter in parse(function.__doc__ or "").params}
    added: set[str | int] = set()
    groups: list[Callable[..., Any]] = []
    has_recipe = False
    for name, kind, argument in _parameters(function):
        if kind is Recipe:
            has_recipe, added = True, {*added, "config"}
        elif argument == FIELDS:
            groups.append(kind)
        elif argument:
            keywords = {key: value for key, value in ({"type": kind} | argument.keywords).items() if value is not None}
            parser.add_argument(argument.prefix + name, help=documented.get(name) or SHARED_HELP.get(name), **keywords)
        else:
            continue
        added.add(name)
    add = parser.add_class_arguments if isinstance(function, type) else parser.add_function_arguments
    add(function, nested_key=None, as_group=False, skip=added)
    for group in groups:
        add_options(parser, group)
    for action in parser._actions:
        action.help = action.help or SHARED_HELP.get(action.dest)
    if has_recipe:
        add_recipe(parser, words)


def take_options(function: Callable[..., Any], values: dict[str, Any], words: Sequence[str]) -> dict[str, Any]:
    """Arguments of a command, or of a dataclass, from parsed values; `words` is the command line as typed."""
    taken: dict[str, Any] = {}
    for name, kind, argument in _parameters(function):
        if kind is Recipe:
            taken[name] = take_recipe(values, words)
        elif name == "config":
            taken[name] = config_name(words)
        else:
            taken[name] = kind(**take_options(kind, values, words)) if argument == FIELDS else values[name]
    return taken


def _parameters(function: Callable[..., Any]) -> Iterator[tuple[str, Any, Any]]:
    """Name and type of each parameter of a function or dataclass, and what `Annotated` adds to the type or None."""
    hints = get_type_hints(function, include_extras=True)
    for name in signature(function).parameters:
        kind = hints[name]
        yield name, *(get_args(kind)[:2] if get_origin(kind) is Annotated else (kind, None))


class RecipeFile(ActionConfigFile):
    """`--config` takes the name of a shipped recipe or a YAML file."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        """Replace a name by its file; check its sections, since jsonargparse takes an empty one for other defaults."""
        file = recipe_path(str(values))
        sections, written = {field.name for field in fields(Recipe)}, recipe_values(file)
        current = with_current_names(written)
        if current != written:
            errors.print(f"note: {file} has names of an earlier version; they are still read", soft_wrap=True)
        check_keys({name: value for name, value in current.items() if name in sections}, file)
        source = str(file) if current == written else yaml.safe_dump(current)
        # jsonargparse leaves this method without annotations.
        super().__call__(parser, namespace, source, option_string)  # type: ignore[no-untyped-call]


def add_recipe(parser: ArgumentParser, words: Sequence[str] = ()) -> None:
    """Add `--config` and an option for each field of a recipe; `--help` hides those seldom used, `--help_all` none."""
    parser.add_argument("--config", action=RecipeFile, help="Name of a shipped recipe, or a YAML file.")
    parser.add_argument(
        "--help_all", action="help", help="Show the recipe's other options too, over a hundred, and exit."
    )
    sections = {field.name for field in fields(Recipe)}
    shown = FREQUENT_OF_ALL | {f"{word}.{name}" for word in words[:1] for name in FREQUENT}
    only_help = [*words[1:]] in (["-h"], ["--help"])  # without a --config to read, hidden sections need not be built
    built = {name.split(".")[0] for name in shown} if only_help else sections
    parser.add_class_arguments(Recipe, nested_key=None, as_group=False, skip={*(sections - built)})
    if {"-h", "--help"} & {*words} and "--help_all" not in words:
        for action in parser._actions:
            if action.dest.split(".")[0] in sections and action.dest not in shown:
                action.help = SUPPRESS


def take_recipe(values: dict[str, Any], words: Sequence[str]) -> Recipe:
    """The recipe among a command's parsed values; epochs that were typed go before the recipe's steps."""
    recipe = Recipe(**{field.name: values.pop(field.name) for field in fields(Recipe)})
    typed = {word.split("=")[0] for word in words}
    if "--pretrain.epochs" in typed and "--pretrain.steps" not in typed:
        return replace(recipe, pretrain=replace(recipe.pretrain, steps=None))
    return recipe


def config_name(words: Sequence[str]) -> str:
    """The word after the first `--config`, or an empty string."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        option, equals, value = word.partition("=")
        if option == "--config":
            return value if equals else following
    return ""
