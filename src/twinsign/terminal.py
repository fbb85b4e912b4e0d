"""What reaches a terminal: text from outside (labels, names, errors) with its control characters spelled out."""

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
"""All but tab and newline: C0, DEL, C1, line separators, what turns the direction of writing, halves of characters."""


def plain(text: object) -> str:
    r"""Text that commands a terminal nothing: ESC becomes `\x1b`, and so on."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


def print_json(value: Any) -> None:
    """Print a value as one line of JSON that escapes control characters and what stdout cannot encode."""
    text = _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value)
    sys.stdout.write(text + "\n")


def escape_unknown_letters() -> None:
    """Let stdout and stderr escape what their encoding lacks, as under LC_ALL=C, where Python would raise."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class Terminal(Console):
    """A rich console that prints text as it is, without markup or emoji codes, and `plain`."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What rich makes of it; only rich's own control codes are left."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else plain(text), style, control)


console = Terminal()
errors = Terminal(stderr=True)
