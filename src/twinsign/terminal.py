"""Printing to a terminal: text from outside (labels, names, errors) with its control characters escaped."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""All but tab and newline: C0, DEL, C1, line separators, direction marks, halves of surrogate pairs."""


def escape_controls(text: object) -> str:
    r"""The text with its control characters escaped: ESC becomes `\x1b`, and so on."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), str(text))


def print_json(value: Any) -> None:
    """Print a value as one line of JSON that escapes control characters and what stdout cannot encode."""
    text = _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, ensure_ascii=False))
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value)
    sys.stdout.write(text + "\n")


def escape_unknown_letters() -> None:
    """Let stdout and stderr escape what their encoding cannot express, as under LC_ALL=C; Python would raise."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class Terminal(Console):
    """A rich console that prints text literally, without markup or emoji codes, and `escape_controls`."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments that rich renders, in which only its own control codes are left."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else escape_controls(text), style, control)


console = Terminal()
errors = Terminal(stderr=True)
