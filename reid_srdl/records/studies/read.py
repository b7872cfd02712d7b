"""Finds and reads a study's YAML; everything that is wrong with it is reported together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from reid_srdl import version
from reid_srdl.config import Section, merge, read_yaml
from reid_srdl.errors import UserError, did_you_mean
from reid_srdl.records.studies.schema import Cell, Contrast, Quotation, Study, WidthStudy

_ENDINGS = (".yaml", ".yml")


def study_files() -> dict[str, Path]:
    """Returns the studies that come with the package, by name.

    They stand in ``configs/studies`` of a checkout, and inside of an installed package.
    """
    package = Path(version.__file__).parent
    for folder in (package / "studies", package.parent / "configs" / "studies"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return {}


def find_study(name_or_file: str) -> Path:
    """Returns the file of a study: one that comes with the package by its name, or any file.

    Raises:
        UserError: no such study.
    """
    known = study_files()
    if name_or_file in known:
        return known[name_or_file]
    path = Path(name_or_file)
    if path.is_file():
        return path
    known_or_file = f"{did_you_mean(path.stem, known)} (or give a .yaml file)"
    if path.suffix in _ENDINGS:
        raise UserError(f"{path}: no such file", known_or_file, usage=True)
    raise UserError(f"no such study: {name_or_file!r}", known_or_file, usage=True)


def read_study(path: Path) -> Study:
    """Reads a study.

    ``extends`` names another study, or a file beside this one, whose keys lie under its own.

    Raises:
        UserError: the file cannot be read, or does not hold a study; one line for every error.
    """
    tree = _read(path, ())
    try:
        return Study.model_validate({"name": path.stem, **tree})
    except ValidationError as error:
        problems, hints = [], []
        for item in error.errors():
            place = ".".join(str(part) for part in item["loc"] if part != "[key]")
            text = item["msg"].removeprefix("Value error, ")
            if item["type"] == "extra_forbidden":
                text = "no such key"
                hints.append(f"{place}: {did_you_mean(str(item['loc'][-1]), _keys(item['loc']))}")
            problems.append(f"{place}: {text}" if place else text)
        hint = "; ".join(hints) or "mend the file; configs/studies holds examples"
        raise UserError(f"{path}: {'; '.join(problems)}", hint, usage=True) from None


def _read(path: Path, extended: tuple[Path, ...]) -> dict[str, Any]:
    """Returns a study's keys, over those of the study that it extends."""
    tree = read_yaml(path)
    if "name" in tree:
        raise UserError(f"{path}: name: no such key", "a study is called as its file", usage=True)
    if path in extended:
        raise UserError(f"{path}: extends: it extends itself", "mend the file", usage=True)
    if (base := tree.pop("extends", None)) is None:
        return tree
    return merge(_read(_extended(path, str(base)), (*extended, path)), tree)


def _extended(path: Path, base: str) -> Path:
    """Returns the file that a study extends: one beside it, or a study by its name."""
    for beside in (path.parent / base, path.parent / f"{base}.yaml"):
        if beside.is_file():
            return beside
    try:
        return find_study(base)
    except UserError as error:
        raise UserError(f"{path}: extends: {error.what}", error.hint, usage=True) from None


def _keys(place: tuple[int | str, ...]) -> list[str]:
    """Returns the keys that may stand where one is wrong."""
    kinds: dict[str, type[Section]] = {
        "cells": Cell,
        "contrasts": Contrast,
        "quotations": Quotation,
        "width": WidthStudy,
    }
    kind = kinds.get(str(place[0]), Study) if len(place) > 1 else Study
    return [key for key in kind.model_fields if key != "name"]
