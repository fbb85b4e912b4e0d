"""Errors of the command line in three lines: what is wrong, what may have been meant, and where to read on."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from jsonargparse import ArgumentParser

from twinsign.cli.registry import COMMANDS
from twinsign.terminal import errors, escape_controls

STATUS = 2
"""Exit code of a command that was not understood."""
PAIRS = ("size",)
LISTS = ("shares", "val_signers", "val", "test")
FORMER_OPTIONS = {
    "--trusted": "--target_accuracy",
    "--sure.trusted": "--abstain.target_accuracy",
    "--sure.unknown": "--abstain.unknown_share",
    "--sure.confidence": "--abstain.confidence",
    "--objective.bank": "--objective.bank_size",
    "--objective.head_banks": "--objective.head_bank_sizes",
}
"""Options by the names that they had in earlier versions, which still work."""
EXAMPLES = {
    "tuple[int, int]": "WIDTHxHEIGHT in pixels, such as 640x480",
    "tuple[int, ...]": "numbers, such as 3,4",
    "tuple[float, float, float]": "three numbers, such as 0.8,0.1,0.1",
}
KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "Path": "a file or folder"}


class Parser(ArgumentParser):
    """A parser whose errors are three lines."""

    words: Sequence[str] = ()
    """The command line that it is to parse."""
    innermost: Parser | None = None
    """Of the parser of all commands: that of the command in `words`."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print what is wrong and exit with STATUS; raise where jsonargparse tries what fits."""
        if not self.exit_on_error:
            super().error(message, ex)
        actions = (self.innermost or self)._actions
        options = [option for action in actions for option in action.option_strings if option.startswith("--")]
        command, _ = split_command(self.words)
        exit_with(command, *explain(message, command, options))


def exit_with(command: Sequence[str], wrong: str, meant: str = "") -> NoReturn:
    """Print the three lines and exit with STATUS."""
    name = " ".join(("twinsign", *command))
    lines = [f"{name}: {wrong}", *([meant] if meant else []), f"{name} --help shows the usage"]
    sys.stderr.write("\n".join(map(escape_controls, lines)) + "\n")
    raise SystemExit(STATUS)


def split_command(words: Sequence[str]) -> tuple[list[str], Any]:
    """Those of the first words that name a command, such as pack folder, and what `COMMANDS` has under them."""
    entry: Any = COMMANDS
    names: list[str] = []
    for word in words:
        if not isinstance(entry, dict) or word not in entry:
            break
        names.append(word)
        entry = entry[word]
    return names, entry


def check_command(words: Sequence[str]) -> None:
    """Exit where the words name no command, before anything is loaded."""
    names, entry = split_command(words)
    left = words[len(names) :]
    if not isinstance(entry, dict) or (left and left[0].startswith("-")):
        return
    what = "corpus" if names else "command"
    close = get_close_matches(left[0], entry, 3, 0.6) if left else []
    meant = f"did you mean {' or '.join(close)}?" if close else f"wanted one of {', '.join(entry)}"
    exit_with(names, f"no {what} {left[0]!r}" if left else f"which {what}?", meant)


def normalise_words(words: Sequence[str]) -> list[str]:
    """The words with sizes as people write them (640x480; 640 480; 640,480) and lists (0.8,0.1,0.1) in brackets."""
    normalised: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        option, equals, value = word.partition("=")
        if option in FORMER_OPTIONS:
            errors.print(f"note: {option} is now called {FORMER_OPTIONS[option]}")
            option = FORMER_OPTIONS[option]
            word = f"{option}{equals}{value}"
        name = option.removeprefix("--")
        if not option.startswith("--") or name not in PAIRS + LISTS or not (equals or left):
            normalised.append(word)
            continue
        value = value if equals else left.pop(0)
        if name in PAIRS and value.isdigit() and left and left[0].isdigit():
            value = f"{value},{left.pop(0)}"
        pair = re.fullmatch(r"\W*(\d+)\s*(?:[xX\u00d7*:,]|\s)\s*(\d+)\W*", value) if name in PAIRS else None
        if pair:
            value = f"[{pair[1]}, {pair[2]}]"
        elif name in LISTS and re.fullmatch(r"[\d.]+(\s*,\s*[\d.]+)*", value):
            value = f"[{value}]"
        normalised += [f"{option}={value}"] if equals else [option, value]
    return normalised


def explain(message: str, command: Sequence[str], options: Sequence[str]) -> tuple[str, str]:
    """What jsonargparse's message says is wrong, and what may have been meant; `options` are the command's."""
    if unknown := re.match(r"unrecognized arguments: (.*)", message, re.IGNORECASE | re.DOTALL):
        strange = [word.split("=")[0] for word in unknown[1].split() if word.startswith("-")]
        if not strange:
            return f"unexpected arguments: {unknown[1]}", ""
        close = get_close_matches(strange[0], options, 1, 0.6)
        return f"no option {strange[0]}", f"did you mean {close[0]}?" if close else ""
    if needed := re.search(r"required: (.*)", message):
        names = [".".join(name.strip().split(".")[len(command) :]) for name in needed[1].split(",")]
        shown = [f"--{name} {name.upper()}" if f"--{name}" in options else name.upper() for name in names if name]
        return f"{' and '.join(shown)} must be given", ""
    key = re.search(r'[Kk]ey "([\w.]+)"', message)
    value = re.search(r"(?:Given value|Got value): (.*)", message)
    if key and value:
        return f"--{key[1]} {value[1]}", f"wanted {_expected(message)}"
    return " ".join(line.strip() for line in message.strip().split("\n")[:2]), ""


def _expected(message: str) -> str:
    """The types that a message expects, as words and examples."""
    subtypes = re.search(r"Subtypes: \[(.*)\]\n", message)
    types = subtypes[1] if subtypes else "; ".join(re.findall(r"Expected an? (.*?)(?:\. Got|\n|$)", message))
    for name, example in EXAMPLES.items():
        if name in types:
            return example
    choices = [word for choice in re.findall(r"Literal\[(.*?)\]", types) for word in re.findall(r"'(.*?)'", choice)]
    kinds = [words for name, words in KINDS.items() if re.search(rf"\b{name}\b", types)]
    return " or ".join([*choices, *kinds]) or types
