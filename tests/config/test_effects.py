"""What does not go together is told with the options that mend it, and every number has bounds."""

from __future__ import annotations

import itertools
import math
import shlex
from typing import Any

import annotated_types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_srdl.config import (
    Config,
    EvalConfig,
    Protocol,
    changed,
    merge,
    parse_assignments,
    place,
    resolve,
)
from reid_srdl.config.section import default_of, keys_of
from reid_srdl.errors import UserError
from reid_srdl.methods import OPTIONS

NUMBERS = {
    (name, path): field
    for name, options in OPTIONS.items()
    for path, field in keys_of(Config[options])  # type: ignore[valid-type]
    if path.startswith("method.") or name == "srdl"
    if field.annotation in (int, float, int | None, float | None)
    or "Annotated[int" in str(field.annotation)
}


def bounds(field: Any) -> tuple[float, float]:
    low, high = -math.inf, math.inf
    marks = [*field.metadata]
    for part in getattr(field.annotation, "__args__", ()):
        marks += getattr(part, "__metadata__", ())
    for mark in marks:
        for one in getattr(mark, "metadata", (mark,)):
            if isinstance(one, annotated_types.Ge | annotated_types.Gt):
                low = float(getattr(one, "ge", getattr(one, "gt", low)))
            if isinstance(one, annotated_types.Le | annotated_types.Lt):
                high = float(getattr(one, "le", getattr(one, "lt", high)))
    return low, high


def test_every_number_has_both_bounds() -> None:
    assert len(NUMBERS) >= 25
    assert not [key for key, field in NUMBERS.items() if not all(map(math.isfinite, bounds(field)))]


@pytest.mark.parametrize(("method", "path"), NUMBERS)
def test_a_number_beyond_its_bounds_is_refused_with_a_value_that_is_not(
    method: str, path: str
) -> None:
    field = NUMBERS[method, path]
    low, high = bounds(field)
    must = {"teacher": "resnet18"} if method == "kd" else {}
    for value in (low - 1, 2 * high + 1, -math.inf, math.inf, math.nan, 10**400):
        tree: dict[str, Any] = {"method": {"name": method, **must}}
        place(tree, path, value)
        with pytest.raises(UserError, match=path) as caught:
            resolve(tree, OPTIONS)
        assert caught.value.exit_status == 2
        if default_of(field) is not None:
            mended = parse_assignments(assignments(caught.value.hint))
            resolve(merge(tree, mended), OPTIONS)


def assignments(hint: str) -> list[str]:
    """What a hint tells to give to ``--set``, read as a shell would."""
    words = shlex.split(hint.replace(",", " , "), posix=True)
    if "[" in hint:  # a comma within a list is no end of words
        words = shlex.split(hint)
    found = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
    assert found, hint
    return [one.rstrip(",") for one in found]


def lists() -> st.SearchStrategy[list[float]]:
    return st.lists(st.floats(-1, 3) | st.sampled_from([0.0, 0.25, 0.5, 1.0]), max_size=4)


@given(lists())
def test_5_milestones_are_ascending_fractions(milestones: list[float]) -> None:
    inside = all(0 < at < 1 for at in milestones)
    ascending = all(one < later for one, later in itertools.pairwise(milestones))
    tree = {"optim": {"milestones": milestones}}
    if inside and ascending:
        assert resolve(tree, OPTIONS).optim.milestones == tuple(milestones)
        return
    with pytest.raises(UserError, match="fractions between 0 and 1, ascending") as caught:
        resolve(tree, OPTIONS)
    resolve(parse_assignments(assignments(caught.value.hint)), OPTIONS)


@pytest.mark.parametrize(
    ("key", "value"),
    [("area", v) for v in ([0, 0.1], [0.2, 0.1], [0.5, 1], [0.1], [0.1, 0.2, 0.3], 0.3)]
    + [("ratio", v) for v in ([0, 1], [2, 1], [1, 101], [1], "x")],
)
def test_bounds_of_erasing_are_two_ascending_numbers(key: str, value: Any) -> None:
    tree = {"data": {"erasing": {"probability": 0.5, key: value}}}
    with pytest.raises(UserError, match=f"data.erasing.{key}") as caught:
        resolve(tree, OPTIONS)
    if "--set" in caught.value.hint:
        resolve(merge(tree, parse_assignments(assignments(caught.value.hint))), OPTIONS)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("neck", "bn"),
        ("last_stride", 2),
        ("pooling", "max"),
        ("ibn", "b"),
        ("bottleneck", 0),
        ("dropout", 1),
    ],
)
def test_changes_of_networks_that_there_are_not(key: str, value: Any) -> None:
    with pytest.raises(UserError, match=f"model.{key}"):
        resolve({"model": {key: value}}, OPTIONS)


@pytest.mark.parametrize(
    ("epochs", "given", "fractions"),
    [
        (200, [60, 120, 160], "[0.3, 0.6, 0.8]"),
        (4, [2, 3], "[0.5, 0.75]"),
        (120, [160, 60, 120], "[0.3, 0.6, 0.8]"),
    ],
)
def test_5_milestones_in_epochs_are_told_as_fractions(
    epochs: int, given: list[int], fractions: str
) -> None:
    with pytest.raises(UserError) as caught:
        resolve({"optim": {"milestones": given}, "train": {"epochs": epochs}}, OPTIONS)
    assert f"--set 'optim.milestones={fractions}'" in caught.value.hint


TOGETHER = [
    ["data.pad=128"],
    ["data.height=16", "data.width=20", "data.pad=16"],
    ["data.pad=0", "data.pad_with=zero"],
    ["data.erasing.area=[0.1, 0.2]"],
    ["data.erasing.ratio=[0.5, 2.0]"],
    ["data.erasing.probability=0.5", "data.erasing.area=[0.9, 0.9]", "data.erasing.ratio=[1, 1]"],
    ["data.erasing.probability=1", "data.erasing.area=[0.1, 0.2]", "data.erasing.ratio=[90, 99]"],
    ["optim.momentum=0"],
    ["optim.milestones=[]", "optim.gamma=0.5"],
    ["optim.gamma=1", "optim.milestones=[0.3]"],
    ["optim.warmup=0.5"],
    ["optim.warmup=0.3", "optim.milestones=[0.3, 0.9]"],
    ["optim.schedule=cosine", "optim.gamma=0.5"],
    ["optim.schedule=cosine", "optim.milestones=[0.3]"],
    ["optim.betas=[0.5, 0.9]"],
    ["optim.name=adam", "optim.momentum=0.5"],
    ["optim.name=adamw", "optim.nesterov=false"],
    ["optim.decay_norms=false", "optim.weight_decay=0"],
    ["optim.ema_teaches=true"],
    ["optim.frozen=0.1"],
    ["eval.every=1"],
    ["loss.triplet.margin=0.5"],
    ["loss.circle.gamma=64"],
    ["loss.centre.lr=0.1"],
    ["sampler.identities=8", "sampler.images=4", "optim.batch_size=16"],
    ["eval.rerank.k1=9"],
    ["eval.rerank.k2=9"],
    ["eval.rerank.lambda=0.9"],
    ["eval.rerank.method=k-reciprocal", "eval.rerank.k2=30"],
    ["eval.rerank.method=k-reciprocal", "eval.rerank.k1=1"],
    ["eval.rerank.method=k-reciprocal", "eval.index=Flat", "eval.engine=faiss"],
    ["eval.expand.n=9"],
    ["eval.expand.alpha=9"],
    ["eval.expand.method=aqe", "eval.expand.alpha=9"],
    ["eval.trials=9"],
    ["eval.trial_seed=9"],
    ["eval.index=Flat"],
    ["eval.retrieved=9"],
    ["method.name=kd", "method.teacher=resnet18", "method.alpha=0.5"],
    ["method.name=kd", "method.teacher=./r", "method.teacher_epochs=5"],
]


@pytest.mark.parametrize("given", TOGETHER, ids=" ".join)
def test_what_does_not_go_together_is_refused_and_its_hint_mends_it(given: list[str]) -> None:
    tree = parse_assignments(given)
    with pytest.raises(UserError) as caught:
        resolve(tree, OPTIONS)
    error = caught.value
    key = error.what.partition(":")[0]
    assert any(key in one for one in given) or key == "optim.nesterov" or "rerank" in key
    assert error.exit_status == 2
    if "--set" in error.hint:
        resolve(merge(tree, parse_assignments(assignments(error.hint))), OPTIONS)
    else:
        assert error.hint == f"leave {key} out"
        resolve(parse_assignments([one for one in given if not one.startswith(key)]), OPTIONS)


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"rerank": {"k1": 20}}, "add --rerank k-reciprocal, or leave eval.rerank.k1 out"),
        ({"trials": 100}, "add --gallery single-shot, or leave eval.trials out"),
        ({"index": "Flat"}, "add --engine faiss, or leave eval.index out"),
        ({"rerank": {"method": "k-reciprocal", "k2": 22}}, "add --rerank-k2 21"),
    ],
)
def test_a_command_without_set_is_told_its_options(changes: dict[str, Any], hint: str) -> None:
    """What was given now counts, even at its default."""
    with pytest.raises(UserError) as caught:
        changed(EvalConfig(), changes, "eval")
    assert caught.value.hint == hint


def test_what_a_run_asked_for_long_ago_does_not_bind_later_changes() -> None:
    own = resolve(parse_assignments(["eval.gallery=single-shot", "eval.trials=7"]), OPTIONS).eval
    later = changed(own, {"gallery": "all"}, "eval")
    assert (later.gallery, later.trials) == ("all", 7)
    assert changed(Protocol(), {"retrieved": 5}, "eval", elsewhere=["retrieved"]).retrieved == 5


@pytest.mark.parametrize("value", ["1e-30", "1e-39", ".inf", "0.009", "1001", "-3"])
@pytest.mark.parametrize("method", ["srdl", "kd"])
def test_9_temperatures_that_float32_cannot_carry(method: str, value: str) -> None:
    given = [f"method.name={method}", f"method.temperature={value}", "method.teacher=resnet18"]
    with pytest.raises(UserError, match=r"method\.temperature"):
        resolve(parse_assignments(given[: 3 if method == "kd" else 2]), OPTIONS)
