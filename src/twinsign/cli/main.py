"""The command line: options are a command's parameters and, for trainings, the fields of a recipe."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from inspect import signature
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser

from twinsign import __version__
from twinsign.cli.registry import COMMANDS, FLAGS, GROUPS, NEEDED, POSITIONAL, SINGLE, WORDS, Command, load_attribute
from twinsign.cli.usage import Parser, check_command, plain_words
from twinsign.errors import InputError, StoppedError, TwinsignError
from twinsign.terminal import escape_unknown_letters, plain

NOTHING_WRITTEN = 2
SIGNALLED = 128
INTERRUPTED = SIGNALLED + 2
BEGINNINGS = {"json": ("{", "JSON report"), "html": ("<", "page"), "report": ("<", "page")}
"""What a file starts with that these options may replace, and what such a file is."""


def build_parser(given: Sequence[str] = ()) -> ArgumentParser:
    """The parser of the command that these words begin with, or, where they begin with none, of all."""
    parser = Parser(
        prog="twinsign", allow_abbrev=False, description="Recognise signs; learn mostly from unlabelled recordings."
    )
    parser.add_argument("--version", action="version", version=f"twinsign {__version__}")
    parser.add_argument(
        "--protocols",
        type=str,
        default="",
        help="Further protocols of URLs, joined by commas, such as simplecache: only for data that you trust.",
    )
    parser.words = given
    if list(given) != ["--version"]:
        parser.innermost = _add(parser, COMMANDS, given)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Exit codes: 0 done, 1 the doctor found errors, 2 nothing done, 3 some inputs unreadable.

    A signal's number plus 128: a training that it stopped.
    """
    given = plain_words(sys.argv[1:] if arguments is None else arguments)
    check_command(given)
    name = "twinsign"
    escape_unknown_letters()
    try:
        parser = build_parser(given)
        options = parser.instantiate(parser.parse_args(given))
        if options.protocols:
            from twinsign.pack.locate import ALLOWED

            os.environ[ALLOWED] = options.protocols
        table: Any = COMMANDS
        while not isinstance(table, Command):
            chosen = options.subcommand
            name, table, options = f"{name} {chosen}", table[chosen], options[chosen]
        parameters = _parameters(table, options, given)
        _keep_others(parameters)
        return table.run(**parameters)
    except StoppedError as stopped:
        _tell(name, stopped)
        return SIGNALLED + stopped.by
    except TwinsignError as error:
        _tell(name, error)
        return NOTHING_WRITTEN
    except KeyboardInterrupt:
        _tell(name, "interrupted; the same command goes on where this one stopped")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOTHING_WRITTEN
    except OSError as error:  # a full disk, a read-only folder: what was whole before still is
        _tell(name, error)
        return NOTHING_WRITTEN


def _keep_others(parameters: dict[str, Any]) -> None:
    """InputError where a report would replace an input of the command, or a file that is no such report."""
    for name, (beginning, kind) in BEGINNINGS.items():
        out = parameters.get(name)
        if not isinstance(out, Path) or not out.is_file():
            continue
        for option, value in parameters.items():
            given = value if isinstance(value, (list, tuple)) else [value]
            paths = [Path(one) for one in given if isinstance(one, (str, Path))] if option != name else []
            if any(path.exists() and out.samefile(path) for path in paths):
                raise InputError(f"--{name} and {option} of one file", "another file to write", file=out)
        with out.open("rb") as stream:
            start = stream.read(1024).lstrip()
        if start and not start.startswith(beginning.encode()):
            raise InputError(f"a file that is no {kind}", f"a new name for --{name}, or a {kind} to replace", file=out)


def _tell(name: str, said: object) -> None:
    sys.stderr.write(f"{name}: {plain(said)}\n")


def _add(parser: ArgumentParser, table: dict[str, Any], given: Sequence[str]) -> Parser | None:
    """Add commands; a subcommand's own only after it was added, as jsonargparse wants. The parser of the one given."""
    innermost = None
    subcommands = parser.add_subcommands()
    word = given[0] if given else ""
    for name, command in table.items():
        if word in table and name != word:
            continue
        text = None if isinstance(command, dict) else _description(command)
        sub = Parser(allow_abbrev=False, description=text)
        sub.words = [*getattr(parser, "words", ())]
        innermost = sub if name == word else innermost
        if isinstance(command, dict):
            subcommands.add_subcommand(name, sub, help="Pack the poses of a corpus into one file.")
            innermost = _add(sub, command, given[1:]) or innermost
        else:
            _add_options(sub, command)
            subcommands.add_subcommand(name, sub, help=str(command.run.__doc__).split("\n")[0])
    return innermost


def _description(command: Command) -> str:
    """What a command's docstring says before its parameters."""
    return (inspect.getdoc(command.run) or "").split("Args:")[0].strip()


def _add_options(parser: ArgumentParser, command: Command) -> None:
    if command.recipe:
        from twinsign.cli.recipe_options import add_recipe

        add_recipe(parser)
    for group in command.groups:
        parser.add_class_arguments(load_attribute(GROUPS[group]), nested_key=None, as_group=False)
    for name in command.words:
        if name in SINGLE:
            parser.add_argument(name, type=SINGLE[name], help=WORDS[name])
        elif name in FLAGS:
            parser.add_argument(f"--{name}", action="store_true", help=WORDS[name])
        elif name in POSITIONAL:
            parser.add_argument(name, nargs="*" if name in command.optional else "+", type=str, help=WORDS[name])
        else:
            must = name in NEEDED and name not in command.optional
            needed: dict[str, Any] = {"required": True} if must else {"default": []}
            parser.add_argument(f"--{name}", nargs="+", type=str, help=WORDS[name], **needed)
    skip: set[str | int] = {*command.words, *command.groups, *(("recipe", "config") if command.recipe else ())}
    parser.add_function_arguments(command.run, nested_key=None, as_group=False, skip=skip)


def _parameters(command: Command, options: Any, given: Sequence[str]) -> dict[str, Any]:
    values = vars(options)
    values.pop("config", None)
    if command.recipe:
        from twinsign.cli.recipe_options import config_name, take_recipe

        values["recipe"] = take_recipe(values, given)
        if "config" in signature(command.run).parameters:
            values["config"] = config_name(given)
    for group in command.groups:
        kind = load_attribute(GROUPS[group])
        values[group] = kind(**{field.name: values.pop(field.name) for field in fields(kind)})
    return {name: value for name, value in values.items() if not name.startswith("__")}
