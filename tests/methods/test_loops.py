"""The plain loops that methods are held to are short, and know nothing of what they test."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import CodeType, ModuleType
from typing import Any

import pytest

from reid_srdl.methods import METHODS
from reid_srdl.methods.srdl import Referenced
from tests.methods import (
    exact,
    test_byot,
    test_dml,
    test_generations,
    test_kd,
    test_teachers,
    test_transfer,
)

TESTED = "reid_srdl.training", "reid_srdl.methods"
TEACHERS = (test_teachers.by_hand, test_kd.by_hand)  # the teacher's own training, too
GENERATIONS = (test_generations.by_hand, test_generations.loss_by_hand)
LOOPS: dict[str, tuple[Any, ...]] = {
    "vanilla": (test_kd.by_hand,),
    "srdl": GENERATIONS,
    "kd": (test_kd.by_hand,),
    "fitnet": (*TEACHERS, test_teachers.hints_by_hand),
    "at": (*TEACHERS, test_teachers.attended),
    "rkd": (*TEACHERS, test_teachers.related),
    "dkd": (*TEACHERS, test_teachers.decoupled),
    "byot": (test_byot.by_hand,),
    "dsn": (test_byot.by_hand,),
    "dml": (test_dml.by_hand,),
    "entropy": (test_dml.penalised_by_hand,),
    "transfer": (test_transfer.by_hand,),
    "ban": GENERATIONS,
    "cwtm": GENERATIONS,
    "dkpp": GENERATIONS,
    "label-refinery": GENERATIONS,
}


def codes(code: CodeType) -> Iterator[CodeType]:
    """Yields a function's code and that of the functions in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes(constant)


def used(function: Any) -> Iterator[Any]:
    """Yields what a function reads of its file and, by a dot, of the tests' files."""
    for code in codes(function.__code__):
        found = [
            function.__globals__[name] for name in code.co_names if name in function.__globals__
        ]
        files = [
            one
            for one in found
            if isinstance(one, ModuleType) and one.__name__.startswith("tests.")
        ]
        yield from found
        yield from (
            vars(file)[name] for file in files for name in code.co_names if name in vars(file)
        )


def home(thing: Any) -> str:
    return str(
        thing.__name__ if isinstance(thing, ModuleType) else getattr(thing, "__module__", "")
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_plain_loop_is_short_and_independent(method: str) -> None:
    for loop in (*LOOPS[method], exact.Descent.down):
        assert len(inspect.getsource(loop).splitlines()) <= 40, loop
        assert not [one for one in used(loop) if home(one).startswith(TESTED)], loop


def test_a_loop_that_is_not_independent_is_seen() -> None:
    def loop() -> Any:
        def inner() -> Any:
            return Referenced

        return inner

    assert [one for one in used(loop) if home(one).startswith(TESTED)] == [Referenced]
