"""The command line: options are a command's parameters and, for trainings, the fields of a recipe."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from inspect import signature
from pathlib import Path
from typing import Any

# ActionConfigFile is public, yet jsonargparse adds it to __all__ only at run time.
from jsonargparse import ActionConfigFile, ArgumentParser  # type: ignore[attr-defined]

from twinsign import (
    __version__,
    commands,
    comparing,
    drawing,
    enrolling,
    exporting,
    extracting,
    packing,
    packing_corpora,
    predicting,
    probing,
    serving,
)
from twinsign.checking import doctor
from twinsign.corpora.matching import Source
from twinsign.demo import demo
from twinsign.errors import StoppedError, TwinsignError
from twinsign.pack.write import Effort
from twinsign.recipe import Recipe, check_keys, recipe_path, recipe_values

NOTHING_WRITTEN = 2
FILES = ("checkpoint", "pack")
"""Words that are one file each, without a name; those of POSITIONAL are one or more."""
POSITIONAL = ("files", "packs", "scores", "videos")
FLAGS = ("json", "common", "strict", "trim")
SIGNALLED = 128
INTERRUPTED = SIGNALLED + 2


@dataclass(frozen=True)
class Command:
    """A function, which of its parameters take several words or stand alone, and which are groups of options."""

    run: Callable[..., int]
    words: tuple[str, ...] = ()
    recipe: bool = False
    groups: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    """Of `words`, those that may be absent where they mostly must be there."""


GROUPS = {"source": Source, "effort": Effort}
"""Parameters whose fields are options."""
CORPUS = ("source", "effort")
ENROL = ("files", "data", "where", "delete", "strict")
WORDS = {
    "data": "Packs: files, quoted globs, folders of shards, URLs that fsspec opens (s3://…).",
    "annotations": "The corpus's annotation files, or their folder.",
    "where": "Only rows for which COLUMN=VALUE holds.",
    "keep_out": "Packs whose val and test clips stay out, by id and by identical poses.",
    "branches": "Branches to embed: joint, motion; all that the RUN has unless told.",
    "parts": "Parts to embed: hand, trunk; all that the RUN uses unless told.",
    "strict": "Refuse clips unlike those that the RUN learnt from, instead of warning.",
    "files": "Pose files or videos.",
    "delete": "Ids, and glosses with all of their recordings, to take out of the dictionary.",
    "videos": "Videos, or folders of them; of several persons in a picture Holistic takes one.",
    "trim": "Leave out frames at both ends in which the hands are out of sight, or lowered and still.",
    "packs": "Packs.",
    "json": "One JSON line a file instead of words.",
    "names": "Names, besides localhost, under which browsers reach the server, as behind a proxy.",
    "scores": "Score files (evaluate --scores), or another model's NPZ or CSV with the clips' ids.",
    "against": "Score files of B, where each side has several seeds; the files before it are then A's.",
    "weights": "A weight a file, 1 each unless told: of its scores, or how often an epoch shows its clips.",
    "temperatures": "Divide each file's logits before the softmax; 1 each unless told.",
    "tune": "Score files of val, in the same order, that choose temperatures and weights.",
    "common": "Take the clips that all files have, where their sets differ.",
    "glosses": "Glosses to colour.",
    "kinds": "Kinds of damage: noise, joints, hands, frames, rate, rotation, mirror, swap; all unless told.",
    "pack": "A pack.",
    "checkpoint": "A .pth.tar of the authors' released code, of pre-training or of a classifier.",
}
COMMANDS: dict[str, Command | dict[str, Command]] = {
    "demo": Command(demo),
    "pack": {
        "landmarks": Command(packing.pack_landmarks, groups=("effort",)),
        "set": Command(packing.pack_set, groups=("effort",)),
        "folder": Command(packing.pack_folder, groups=("effort",)),
        "synthetic": Command(packing.pack_synthetic, groups=("effort",)),
        "wlasl": Command(packing_corpora.pack_wlasl, ("annotations",), groups=CORPUS),
        "msasl": Command(packing_corpora.pack_msasl, ("annotations",), groups=CORPUS),
        "slr500": Command(packing_corpora.pack_slr500, ("annotations",), groups=CORPUS),
        "nmfs_csl": Command(packing_corpora.pack_nmfs_csl, ("annotations",), groups=CORPUS),
        "autsl": Command(packing_corpora.pack_autsl, ("annotations",), groups=CORPUS),
        "lsa64": Command(packing_corpora.pack_lsa64, ("annotations",), groups=CORPUS),
        "include": Command(packing_corpora.pack_include, ("annotations",), groups=CORPUS),
        "asl_citizen": Command(packing_corpora.pack_asl_citizen, ("annotations",), groups=CORPUS),
        "semlex": Command(packing_corpora.pack_semlex, ("annotations",), groups=CORPUS),
    },
    "doctor": Command(doctor, ("packs",)),
    "pretrain": Command(commands.pretrain, ("data", "where", "keep_out", "weights"), recipe=True),
    "finetune": Command(commands.finetune, ("data", "where", "strict"), recipe=True),
    "linear": Command(commands.linear, ("data", "where", "strict"), recipe=True),
    "evaluate": Command(commands.evaluate, ("data", "where", "strict")),
    "knn": Command(probing.knn, ("data", "where", "strict"), recipe=True),
    "retrieve": Command(probing.retrieve, ("data", "where")),
    "fuse": Command(comparing.fuse, ("scores", "weights", "temperatures", "tune", "common")),
    "compare": Command(comparing.compare, ("scores", "against", "common")),
    "robustness": Command(probing.robustness, ("data", "where", "kinds")),
    "map": Command(drawing.map_clips, ("data", "where", "glosses")),
    "view": Command(drawing.view, ("pack",), recipe=True),
    "predict": Command(predicting.predict, ("files", "json", "strict"), optional=("files",)),
    "enrol": Command(enrolling.enrol, ENROL, optional=("files", "data")),
    "search": Command(enrolling.search, ("files", "json", "strict")),
    "extract": Command(extracting.extract, ("videos", "trim")),
    "serve": Command(serving.serve, ("names",)),
    "convert": Command(commands.convert, ("checkpoint",)),
    "embed": Command(exporting.embed, ("data", "where", "branches", "parts")),
    "export": Command(exporting.export),
}


class RecipeFile(ActionConfigFile):
    """--config takes a shipped recipe's name or a file."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        """Turn a name into its file, its sections checked: jsonargparse would take an empty one for other defaults."""
        file = recipe_path(str(values))
        sections = {field.name for field in fields(Recipe)}
        check_keys({name: value for name, value in recipe_values(file).items() if name in sections}, file)
        # jsonargparse leaves this method without annotations.
        super().__call__(parser, namespace, str(file), option_string)  # type: ignore[no-untyped-call]


def build_parser() -> ArgumentParser:
    """The parser of all commands."""
    parser = ArgumentParser(prog="twinsign", description="Recognise signs; learn mostly from unlabelled recordings.")
    parser.add_argument("--version", action="version", version=f"twinsign {__version__}")
    _add(parser, COMMANDS)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Exit codes: 0 done, 1 the doctor found errors, 2 nothing done, 3 some inputs unreadable (ours).

    A signal's number plus 128: a training that it stopped.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    name = "twinsign"
    try:
        parser = build_parser()
        options = parser.instantiate(parser.parse_args(given))
        table: Any = COMMANDS
        while not isinstance(table, Command):
            chosen = options.subcommand
            name, table, options = f"{name} {chosen}", table[chosen], options[chosen]
        return table.run(**_parameters(table, options, given))
    except StoppedError as stopped:
        sys.stderr.write(f"{name}: {stopped}\n")
        return SIGNALLED + stopped.by
    except TwinsignError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return NOTHING_WRITTEN
    except KeyboardInterrupt:
        sys.stderr.write(f"{name}: interrupted; the same command goes on where this one stopped\n")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOTHING_WRITTEN
    except OSError as error:  # a full disk, a read-only folder: what was whole before still is
        sys.stderr.write(f"{name}: {error}\n")
        return NOTHING_WRITTEN


def _add(parser: ArgumentParser, table: dict[str, Any]) -> None:
    """Add commands; a subcommand's own commands only after it was added, as jsonargparse wants."""
    subcommands = parser.add_subcommands()
    for name, command in table.items():
        sub = ArgumentParser(description=None if isinstance(command, dict) else _description(command))
        if isinstance(command, dict):
            subcommands.add_subcommand(name, sub, help="Pack the poses of a corpus into one file.")
            _add(sub, command)
        else:
            _add_options(sub, command)
            subcommands.add_subcommand(name, sub, help=str(command.run.__doc__).split("\n")[0])


def _description(command: Command) -> str:
    """What a command's docstring says before its parameters."""
    return (inspect.getdoc(command.run) or "").split("Args:")[0].strip()


def _add_options(parser: ArgumentParser, command: Command) -> None:
    if command.recipe:
        parser.add_argument("--config", action=RecipeFile, help="A shipped recipe's name, or a YAML file.")
        parser.add_class_arguments(Recipe, nested_key=None, as_group=False)
    for group in command.groups:
        parser.add_class_arguments(GROUPS[group], nested_key=None, as_group=False)
    for name in command.words:
        needs_annotations = name == "annotations" and command.run is not packing_corpora.pack_lsa64
        if name in FILES:
            parser.add_argument(name, type=Path, help=WORDS[name])
        elif name in FLAGS:
            parser.add_argument(f"--{name}", action="store_true", help=WORDS[name])
        elif name in POSITIONAL:
            parser.add_argument(name, nargs="*" if name in command.optional else "+", type=str, help=WORDS[name])
        else:
            must = (name == "data" and name not in command.optional) or needs_annotations
            needed: dict[str, Any] = {"required": True} if must else {"default": []}
            parser.add_argument(f"--{name}", nargs="+", type=str, help=WORDS[name], **needed)
    skip: set[str | int] = {*command.words, *command.groups, *(("recipe", "config") if command.recipe else ())}
    parser.add_function_arguments(command.run, nested_key=None, as_group=False, skip=skip)


def _parameters(command: Command, options: Any, given: Sequence[str]) -> dict[str, Any]:
    values = vars(options)
    values.pop("config", None)
    if command.recipe:
        recipe = Recipe(**{field.name: values.pop(field.name) for field in fields(Recipe)})
        if _names(given, "--pretrain.epochs") and not _names(given, "--pretrain.steps"):
            recipe = replace(recipe, pretrain=replace(recipe.pretrain, steps=None))  # what is typed goes first
        values["recipe"] = recipe
        if "config" in signature(command.run).parameters:
            values["config"] = _config_name(given)
    for group in command.groups:
        values[group] = GROUPS[group](**{field.name: values.pop(field.name) for field in fields(GROUPS[group])})
    return {name: value for name, value in values.items() if not name.startswith("__")}


def _names(given: Sequence[str], option: str) -> bool:
    return any(word.split("=")[0] == option for word in given)


def _config_name(given: Sequence[str]) -> str:
    for word, following in zip(given, [*given[1:], ""], strict=True):
        if word == "--config":
            return following
        if word.startswith("--config="):
            return word.removeprefix("--config=")
    return ""
