"""Recipes: files of keys that say how to train, whatever the data set and the method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from reid_srdl.config.hints import way_out
from reid_srdl.config.option import WHAT, Option
from reid_srdl.config.section import Section
from reid_srdl.config.source import at_home
from reid_srdl.config.tree import read_yaml
from reid_srdl.errors import UserError, did_you_mean

SECTIONS = ("data", "sampler", "model", "loss", "optim")
_ENDINGS = (".yaml", ".yml")

# What is trained on what, at which size and from which weights is no recipe's business.
_NOT_OURS = {
    "data": (
        "name",
        "dir",
        "dirs",
        "joint",
        "height",
        "width",
        "identities",
        "images",
        "split",
        "validation",
        "labelled",
    ),
    "model": ("name", "init", "weights", "weights_digest", "start"),
}


class RecipeConfig(Section):
    """Which recipe lies between the data set's defaults and the user's own keys."""

    name: Annotated[
        str | None,
        Option(
            "--recipe",
            "{recipes}, or a YAML file of keys of data, sampler, model, loss and optim; keys and "
            "options that you give override it.",
            WHAT,
            metavar="NAME|FILE",
        ),
    ] = None
    keys: tuple[str, ...] = Field(
        (), description="that it sets and nobody else; filled in, never given"
    )


@dataclass(frozen=True)
class Recipe:
    """A recipe as read.

    Attributes:
        name: its file's, without folder and ending.
        tree: its keys.
    """

    name: str
    tree: dict[str, Any]


def recipe_files() -> dict[str, Path]:
    """Returns the recipes that come with the package, by name.

    They stand in ``configs/recipes`` of a checkout, and inside of an installed package.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "recipes", package.parent / "configs" / "recipes"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return {}


def read_recipe(name_or_file: str, keys: list[str]) -> Recipe:
    """Reads a recipe: one that comes with the package by its name, or any file.

    Args:
        name_or_file: which.
        keys: every path of the schema.

    Raises:
        UserError: no such recipe, or keys that are unknown or none of a recipe; all are told.
    """
    path = _find(name_or_file)
    tree = read_yaml(path)
    problems, hints = [], []
    for key in _paths(tree):
        section, _, leaf = key.partition(".")
        if section not in SECTIONS or not leaf:
            problems.append(f"{key}: not a key of a recipe")
            hints.append(f"a recipe has keys of {', '.join(SECTIONS)}")
        elif leaf.partition(".")[0] in _NOT_OURS.get(section, ()):
            problems.append(f"{key}: not a key of a recipe")
            hints.append(f"give {key} beside the recipe, by --set or in a --config file")
        elif key not in keys:
            problems.append(f"{key}: no such key")
            hints.append(f"{key}: {way_out(key, keys)}")
    if problems:
        told = "; ".join(problems)
        raise UserError(f"{path}: {told}", "; ".join(dict.fromkeys(hints)), usage=True)
    return Recipe(path.stem, tree)


def _find(name_or_file: str) -> Path:
    known = recipe_files()
    if name_or_file in known:
        return known[name_or_file]
    path = at_home(Path(name_or_file))
    if path.is_file():
        return path
    hint = f"{did_you_mean(path.stem, known)} (or give a .yaml file)"
    file = path.suffix in _ENDINGS
    what = f"{path}: no such file" if file else f"{name_or_file}: no such recipe"
    raise UserError(f"--recipe {what}", hint, usage=True)


def _paths(tree: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Yields the path of each value; an empty section has none but its own."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _paths(value, f"{above}{key}.")
        else:
            yield f"{above}{key}"


def keys_of_recipe(recipe: Recipe, over: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the keys that a recipe sets and that lie under no key of a tree.

    >>> keys_of_recipe(Recipe("r", {"optim": {"lr": 1, "gamma": 1}}), {"optim": {"lr": 2}})
    ('optim.gamma',)
    """
    above = set(_paths(over))
    return tuple(sorted(key for key in _paths(recipe.tree) if key not in above))
