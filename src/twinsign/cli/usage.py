"""Wrong words on the command line: what was wrong, what may have been meant, and where to read on, in three lines."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from jsonargparse import ArgumentParser

from twinsign.cli.registry import COMMANDS, POSITIONAL, SINGLE
from twinsign.terminal import errors, plain

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
_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "Path": "a file or folder"}
_EXAMPLES = {"tuple[int, int]": "WIDTHxHEIGHT in pixels, such as 640x480", "tuple[int, ...]": "numbers, such as 3,4"}
_EXAMPLES |= {"tuple[float, float, float]": "three numbers, such as 0.8,0.1,0.1"}


class Parser(ArgumentParser):
    """A parser whose errors are three lines; `words` are those of the command line that it is to parse."""

    words: Sequence[str] = ()
    innermost: Parser | None = None
    """Of the parser of all commands: that of the command that was named."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say what is wrong and exit with STATUS; raise where jsonargparse tries what fits."""
        if not self.exit_on_error:
            super().error(message, ex)
        options = re.findall(r"--[\w.]+", (self.innermost or self).format_help())
        complain(named(self.words), *explained(message, named(self.words), list(dict.fromkeys(options))))


def complain(command: Sequence[str], wrong: str, meant: str = "") -> NoReturn:
    """Write the three lines and exit."""
    name = " ".join(("twinsign", *command))
    lines = [f"{name}: {wrong}", *([meant] if meant else []), f"{name} --help lists what there is"]
    sys.stderr.write("\n".join(map(plain, lines)) + "\n")
    raise SystemExit(STATUS)


def named(words: Sequence[str]) -> list[str]:
    """Those of the first words that name a command, such as pack folder."""
    table: Any = COMMANDS
    found: list[str] = []
    for word in words:
        if not isinstance(table, dict) or word not in table:
            break
        found.append(word)
        table = table[word]
    return found


def check_command(words: Sequence[str]) -> None:
    """Exit where the words name no command, before anything is loaded."""
    table: Any = COMMANDS
    known = named(words)
    for word in known:
        table = table[word]
    rest = words[len(known) :]
    if not isinstance(table, dict) or (rest and rest[0].startswith("-")):
        return
    what = "corpus" if known else "command"
    close = get_close_matches(rest[0], table, 3, 0.6) if rest else []
    meant = f"did you mean {' or '.join(close)}?" if close else f"wanted one of {', '.join(table)}"
    complain(known, f"no {what} {rest[0]!r}" if rest else f"which {what}?", meant)


def plain_words(words: Sequence[str]) -> list[str]:
    """The words with sizes as people write them (640x480; 640 480; 640,480) and lists (0.8,0.1,0.1) in brackets."""
    plain: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        option, equals, value = word.partition("=")
        if option in FORMER_OPTIONS:
            errors.print(f"note: {option} is now called {FORMER_OPTIONS[option]}", markup=False)
            option = FORMER_OPTIONS[option]
            word = f"{option}{equals}{value}"
        name = option.removeprefix("--")
        if not option.startswith("--") or name not in PAIRS + LISTS or not (equals or rest):
            plain.append(word)
            continue
        value = value if equals else rest.pop(0)
        if name in PAIRS and value.isdigit() and rest and rest[0].isdigit():
            value = f"{value},{rest.pop(0)}"
        pair = re.fullmatch(r"\W*(\d+)\s*(?:[xX\u00d7*:,]|\s)\s*(\d+)\W*", value) if name in PAIRS else None
        if pair:
            value = f"[{pair[1]}, {pair[2]}]"
        elif name in LISTS and re.fullmatch(r"[\d.]+(\s*,\s*[\d.]+)*", value):
            value = f"[{value}]"
        plain += [f"{option}={value}"] if equals else [option, value]
    return plain


def explained(message: str, command: Sequence[str], options: Sequence[str]) -> tuple[str, str]:
    """jsonargparse's message in words, and what may have been meant."""
    unknown = re.match(r"unrecognized arguments: (.*)", message, re.IGNORECASE | re.DOTALL)
    if unknown:
        strange = [word.split("=")[0] for word in unknown[1].split() if word.startswith("-")]
        if not strange:
            return f"words to spare: {unknown[1]}", ""
        close = get_close_matches(strange[0], options, 1, 0.6)
        return f"no option {strange[0]}", f"did you mean {close[0]}?" if close else ""
    needed = re.search(r"required: (.*)", message)
    if needed:
        names = [".".join(name.strip().split(".")[len(command) :]) for name in needed[1].split(",")]
        shown = [
            name.upper() if name in (*POSITIONAL, *SINGLE) else f"--{name} {name.upper()}" for name in names if name
        ]
        return f"{' and '.join(shown)} must be given", ""
    key = re.search(r'[Kk]ey "([\w.]+)"', message)
    value = re.search(r"(?:Given value|Got value): (.*)", message)
    if key and value:
        return f"--{key[1]} {value[1]}", f"wanted {_kinds(message)}"
    first = message.strip().split("\n")
    return " ".join(line.strip() for line in first[:2]), ""


def _kinds(message: str) -> str:
    """The types that a message expects, as words and examples."""
    expected = re.search(r"Subtypes: \[(.*)\]\n", message)
    types = expected[1] if expected else "; ".join(re.findall(r"Expected an? (.*?)(?:\. Got|\n|$)", message))
    for name, example in _EXAMPLES.items():
        if name in types:
            return example
    words = [word for choice in re.findall(r"Literal\[(.*?)\]", types) for word in re.findall(r"'(.*?)'", choice)]
    kinds = _plain(_KINDS, types)
    return " or ".join([*words, *kinds]) or types


def _plain(kinds: Mapping[str, str], types: str) -> list[str]:
    return [words for name, words in kinds.items() if re.search(rf"\b{name}\b", types)]
