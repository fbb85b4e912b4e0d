"""YAML files of plain values, read within bounds of time and memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from twinsign.errors import InputError
from twinsign.files import writable

YAML_MARKS = (",", "\n", ":", "[", "{", "- ", "? ")
"""What a value of a YAML text begins or ends with."""
MOST_YAML = 50_000
"""Marks of a YAML text: its loader takes twenty microseconds for each."""
MOST_CONTENT = 10**6
"""Letters and values that a YAML file may stand for."""


def recipe_values(file: Path) -> dict[str, Any]:
    """The plain values of a YAML file, not yet checked; InputError where it holds no mapping."""
    try:
        text = file.read_text(encoding="utf-8")
        marks = sum(map(text.count, YAML_MARKS))
        if len(text) > MOST_CONTENT or marks > MOST_YAML:
            raise ValueError(f"{len(text):,} letters and {marks:,} parts; at most {MOST_CONTENT:,} and {MOST_YAML:,}")
        values = yaml.load(text, _Loader)
        _check_content(values)
    except (yaml.YAMLError, ValueError, TypeError, OSError, RecursionError) as error:
        raise InputError(f"no YAML ({error})"[:500].replace("\n", " "), "a mapping in YAML", file=file) from error
    if not isinstance(values, dict):
        raise InputError(f"a {type(values).__name__}", "a mapping", file=file)
    return values


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """The safe loader, for plain values alone; mappings that merge others may not grow without end."""

    left = MOST_CONTENT

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """As the safe loader's own; ValueError where merge keys stand for too many keys."""
        merged = [value for key, value in node.value if key.tag == "tag:yaml.org,2002:merge"]
        for value in merged:
            for item in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if isinstance(item, yaml.MappingNode):
                    self.flatten_mapping(item)
                    self.left -= len(item.value)
        if self.left < 0:
            raise ValueError(f"merge keys of more than {MOST_CONTENT:,} keys")
        super().flatten_mapping(node)


def _check_content(values: Any) -> None:
    """ValueError where aliases make lines stand for gigabytes or themselves, or a text has half a character."""
    left, todo = MOST_CONTENT, [values]
    while todo:
        value = todo.pop()
        left -= 1 + (len(value) if isinstance(value, str | bytes) else 0)
        if left < 0:
            raise ValueError(f"more than {MOST_CONTENT} letters and values, or one within itself")
        if isinstance(value, dict):
            todo += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple | set):
            todo += value
        elif isinstance(value, str) and not writable(value):
            raise ValueError("half a character")
