"""Keys of phases: a field at its default is not in them; ``key_defaults.json`` copies these."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass, make_dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reid_srdl.methods as methods_room
from reid_srdl.training.keys import FORMAT, default_of, described, key_of

COPY = Path(__file__).with_name("key_defaults.json")
KEYED = (
    "reid_srdl.data.augmentation",
    "reid_srdl.data.samplers",
    "reid_srdl.training.label_losses",
    "reid_srdl.training.losses",
    "reid_srdl.training.optimisation",
    "reid_srdl.training.phases",
    "reid_srdl.training.schedule",
    "reid_srdl.training.setting",
    "reid_srdl.training.values",
)
PLAIN = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 1.0, 2.5, "", "a"])


@dataclass(frozen=True)
class Older:
    lr: float
    gamma: float = 0.1


def later(default: Any) -> type[Any]:
    """Returns the dataclass as a later version has it, with one more field."""
    made = make_dataclass("Older", [("later", Any, default)], bases=(Older,), frozen=True)
    made.__qualname__ = Older.__qualname__
    return made


@given(default=PLAIN, value=PLAIN)
def test_a_field_that_came_later_changes_a_key_only_where_it_is_set(
    default: Any, value: Any
) -> None:
    then, now = key_of(loss=Older(0.5)), key_of(loss=later(default)(0.5))
    assert now == then
    told = key_of(loss=later(default)(0.5, later=value))
    assert (told == then) == (repr(value) == repr(default))


@given(st.tuples(PLAIN, PLAIN), st.tuples(PLAIN, PLAIN))
def test_other_values_are_other_keys(one: tuple[Any, Any], two: tuple[Any, Any]) -> None:
    same = repr(one) == repr(two)
    assert (key_of(loss=Older(*one)) == key_of(loss=Older(*two))) == same


def test_the_format_is_part_of_each_key(monkeypatch: pytest.MonkeyPatch) -> None:
    then = key_of(T=3.0)
    monkeypatch.setattr("reid_srdl.training.keys.FORMAT", FORMAT + 1)
    assert key_of(T=3.0) != then


def named_by_keys() -> Iterator[type[Any]]:
    """Yields each dataclass that a key may name: of phases, of methods, of batches."""
    methods = [one.name for one in pkgutil.iter_modules(methods_room.__path__)]
    for module in (*KEYED, *(f"reid_srdl.methods.{name}" for name in methods)):
        for kind in vars(importlib.import_module(module)).values():
            if is_dataclass(kind) and isinstance(kind, type) and kind.__module__ == module:
                yield kind


def defaults() -> dict[str, Any]:
    """Returns every default that a key can leave out."""
    told = {}
    for kind in named_by_keys():
        for field in fields(kind):
            frozen = kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
            if frozen and field.init and default_of(field) is not MISSING:
                try:
                    told[f"{kind.__qualname__}.{field.name}"] = described(default_of(field))
                except TypeError:  # then no key can name the dataclass either
                    continue
    return told


def test_a_changed_default_needs_a_new_format() -> None:
    copy = json.loads(COPY.read_text())
    now = defaults()
    changed = [name for name, value in copy["defaults"].items() if now.get(name, "gone") != value]
    if changed:
        assert copy["format"] < FORMAT, f"raise FORMAT in training/keys.py: {changed}"
    whole = {"format": FORMAT, "defaults": now}
    assert copy == whole, f"renew {COPY.name}: {json.dumps(whole, indent=1, sort_keys=True)}"
    assert {"Optimisation.ema", "StepDecay.gamma", "DataFacts.validation"} <= now.keys()
