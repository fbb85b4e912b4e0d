"""The command line: which command, its options, and what its errors and exit codes are."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser

from twinsign import __version__
from twinsign.cli.options import add_options, take_options
from twinsign.cli.registry import COMMANDS, load_command, read_docstrings
from twinsign.cli.usage import Parser, check_command, normalise_words
from twinsign.errors import InputError, StoppedError, TwinsignError
from twinsign.terminal import escape_controls, escape_unknown_letters

NOTHING_WRITTEN = 2
SIGNALLED = 128
INTERRUPTED = SIGNALLED + 2
BEGINNINGS = {"json": ("{", "JSON report"), "html": ("<", "page"), "report": ("<", "page")}
"""What a file starts with that these options may replace, and what such a file is."""


def build_parser(words: Sequence[str] = ()) -> ArgumentParser:
    """The parser of the command that these words begin with; of all commands where they begin with none.

    For `--help` alone, commands are listed without their options, which take long to build.
    """
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
    parser.words = words
    if [*words] != ["--version"]:
        parser.innermost = _add_commands(parser, COMMANDS, words, words)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Exit codes: 0 done, 1 the doctor found errors, 2 nothing done, 3 some inputs unreadable.

    A signal's number plus 128: a training that it stopped.
    """
    if arguments is None:  # at exit the collector would look at all that torch made: a quarter of a short command
        atexit.register(gc.freeze)
    words = normalise_words(sys.argv[1:] if arguments is None else arguments)
    check_command(words)
    name = "twinsign"
    escape_unknown_letters()
    try:
        parser = build_parser(words)
        options = parser.instantiate(parser.parse_args(words))
        if options.protocols:
            from twinsign.pack.locate import PROTOCOLS_VARIABLE

            os.environ[PROTOCOLS_VARIABLE] = options.protocols
        command: Any = COMMANDS
        while isinstance(command, dict):
            chosen = options.subcommand
            name, command, options = f"{name} {chosen}", command[chosen], options[chosen]
        values = {key: value for key, value in vars(options).items() if key != "config" and not key.startswith("__")}
        _check_outputs(values)
        run = load_command(command)
        return run(**take_options(run, values, words)) or 0
    except StoppedError as stopped:
        _print_error(name, stopped)
        return SIGNALLED + stopped.by
    except KeyboardInterrupt:
        _print_error(name, "interrupted; the same command resumes where this one stopped")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOTHING_WRITTEN
    except (TwinsignError, OSError) as error:  # of the latter: a full disk, a read-only folder
        _print_error(name, error)
        return NOTHING_WRITTEN


def _check_outputs(values: dict[str, Any]) -> None:
    """Raise InputError where a report would replace an input of the command, or a file that is no such report."""
    for name, (beginning, kind) in BEGINNINGS.items():
        out = values.get(name)
        if not isinstance(out, Path) or not out.is_file():
            continue
        for option, value in values.items():
            entries = value if isinstance(value, (list, tuple)) else [value]
            paths = [Path(entry) for entry in entries if isinstance(entry, (str, Path))] if option != name else []
            if any(path.exists() and out.samefile(path) for path in paths):
                raise InputError(f"--{name} and {option} of one file", "another file to write", file=out)
        with out.open("rb") as stream:
            start = stream.read(1024).lstrip()
        if start and not start.startswith(beginning.encode()):
            raise InputError(f"a file that is no {kind}", f"a new name for --{name}, or a {kind} to replace", file=out)


def _print_error(name: str, error: object) -> None:
    sys.stderr.write(f"{name}: {escape_controls(error)}\n")


def _add_commands(
    parser: ArgumentParser, table: dict[str, Any], left: Sequence[str], words: Sequence[str]
) -> Parser | None:
    """Add the command that the words `left` begin with, or all of a table; gives the former's parser.

    A subcommand's own subcommands are added after it, as jsonargparse wants.
    """
    innermost = None
    subcommands = parser.add_subcommands()
    chosen = left[0] if left else ""
    for name, command in table.items():
        if chosen in table and name != chosen:
            continue
        text = ""
        if isinstance(command, str):
            module, _, function = command.partition(".")
            text = read_docstrings(module)[function].split("Args:")[0].strip()
        sub = Parser(allow_abbrev=False, description=text)
        sub.words = words
        innermost = sub if name == chosen else innermost
        help_line = text.split("\n")[0] if text else "Pack the poses of a dataset into one file."
        if text and chosen not in ("-h", "--help"):
            add_options(sub, load_command(command), words)
        subcommands.add_subcommand(name, sub, help=help_line)
        if not text:
            innermost = _add_commands(sub, command, left[1:] if name == chosen else left, words) or innermost
    return innermost
