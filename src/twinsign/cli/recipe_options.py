"""A recipe on the command line: a file, a shipped one's name, each field as an option."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import yaml

# ActionConfigFile is public, yet jsonargparse adds it to __all__ only at run time.
from jsonargparse import ActionConfigFile, ArgumentParser  # type: ignore[attr-defined]

from twinsign.runs.plain_yaml import recipe_values
from twinsign.runs.recipe import Recipe, check_keys, recipe_path, with_current_names
from twinsign.terminal import errors


class RecipeFile(ActionConfigFile):
    """--config takes a shipped recipe's name or a file."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        """Turn a name into its file, its sections checked: jsonargparse would take an empty one for other defaults."""
        file = recipe_path(str(values))
        sections, written = {field.name for field in fields(Recipe)}, recipe_values(file)
        current = with_current_names(written)
        if current != written:
            errors.print(
                f"note: {file} has names of an earlier version; they are still read", markup=False, soft_wrap=True
            )
        check_keys({name: value for name, value in current.items() if name in sections}, file)
        source = str(file) if current == written else yaml.safe_dump(current)
        # jsonargparse leaves this method without annotations.
        super().__call__(parser, namespace, source, option_string)  # type: ignore[no-untyped-call]


def add_recipe(parser: ArgumentParser) -> None:
    """Let a command take a recipe: `--config`, and an option for each of its fields."""
    parser.add_argument("--config", action=RecipeFile, help="A shipped recipe's name, or a YAML file.")
    parser.add_class_arguments(Recipe, nested_key=None, as_group=False)


def take_recipe(values: dict[str, Any], given: Sequence[str]) -> Recipe:
    """Take the recipe out of a command's parsed values; `given` are the words as they were typed."""
    recipe = Recipe(**{field.name: values.pop(field.name) for field in fields(Recipe)})
    if _names(given, "--pretrain.epochs") and not _names(given, "--pretrain.steps"):
        return replace(recipe, pretrain=replace(recipe.pretrain, steps=None))  # what is typed goes first
    return recipe


def config_name(given: Sequence[str]) -> str:
    """What was typed after `--config`, or nothing."""
    for word, following in zip(given, [*given[1:], ""], strict=True):
        if word == "--config":
            return following
        if word.startswith("--config="):
            return word.removeprefix("--config=")
    return ""


def _names(given: Sequence[str], option: str) -> bool:
    return any(word.split("=")[0] == option for word in given)
