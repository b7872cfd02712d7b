"""Fingerprints: made of what differs from the defaults, of which ``defaults.json`` is a copy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticUndefined, to_jsonable_python

from reid_srdl.config import FORMAT, PLACES, Config, MethodOptions, fingerprint, place, resolve
from reid_srdl.config.section import default_of, keys_of
from reid_srdl.methods import OPTIONS

COPY = Path(__file__).with_name("defaults.json")


def key(**tree: Any) -> str:
    return fingerprint(resolve(tree, OPTIONS))


def assigned(path: str, value: Any) -> str:
    tree: dict[str, Any] = {}
    place(tree, path, value)
    return key(**tree)


def defaults() -> dict[str, Any]:
    """Every default of the schema, and of each method's options."""
    told: dict[str, Any] = {}
    for name, options in OPTIONS.items():
        for path, field in keys_of(Config[options]):  # type: ignore[valid-type]
            value = default_of(field)
            told[f"{name}: {path}" if path.startswith("method.") else path] = (
                "must be given" if value is PydanticUndefined else to_jsonable_python(value)
            )
    return told


def changed_defaults(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Keys whose default has changed or gone; a new key changes no older fingerprint."""
    return [path for path, value in then.items() if path not in now or now[path] != value]


def test_a_changed_default_needs_a_new_format() -> None:
    copy = json.loads(COPY.read_text())
    if changed := changed_defaults(copy["defaults"], defaults()):
        assert copy["format"] < FORMAT, f"raise FORMAT in config/fingerprint.py: {changed}"
    whole = {"format": FORMAT, "defaults": defaults()}
    assert copy == whole, f"renew {COPY.name}: {json.dumps(whole, indent=1)}"


def test_the_watch_sees_changed_and_gone_defaults_and_passes_new_ones() -> None:
    then = {"optim.lr": 0.1, "data.pad": 4}
    assert changed_defaults(then, {**then, "optim.name": "sgd"}) == []
    assert changed_defaults(then, {"optim.lr": 0.2, "data.pad": 4}) == ["optim.lr"]
    assert changed_defaults(then, {"optim.lr": 0.1}) == ["data.pad"]


def test_it_tells_what_is_computed_not_where() -> None:
    elsewhere = {
        "run.dir": "elsewhere",
        "run.name": "other",
        "run.shared": "elsewhere/.phases",
        "data.dir": "/x",
        "data.dirs": ["/x"],
        "train.device": "cpu",
        "train.threads": 1,
        "train.checkpoint_minutes": 0.5,
        "train.graph": False,
        "eval.enabled": False,
        "eval.engine": "faiss",
        "recipe.keys": ["optim.lr"],
        "watch.gradients": True,
    }
    assert elsewhere.keys() == set(PLACES) - {"model.weights"}
    assert {assigned(path, value) for path, value in elsewhere.items()} == {key()}
    begun = [key(model={"init": "imagenet", "weights": file}) for file in (None, "/w.pth")]
    assert begun[0] == begun[1] != key()
    seeds = [resolve({"train": {"seed": seed}}, OPTIONS) for seed in (0, 1)]
    assert fingerprint(seeds[0]) != fingerprint(seeds[1])
    assert len({fingerprint(seed, without=["train.seed"]) for seed in seeds}) == 1


@pytest.mark.parametrize(
    ("path", "other", "default"),
    [
        ("optim.lr", 0.2, 0.1),
        ("optim.milestones", [0.5], [0.5, 0.75]),
        ("optim.warmup", 0.1, 0.0),
        ("eval.expand.method", "aqe", "none"),
        ("method.restart", False, True),
        ("eval.rules", "official", "ours"),
    ],
)
def test_keys_enter_where_they_differ_from_the_defaults(
    path: str, other: Any, default: Any
) -> None:
    assert assigned(path, default) == key()
    assert assigned(path, other) != key()


def test_keys_that_are_left_out_do_not_enter() -> None:
    tree = {"method": {"restart": False}, "eval": {"rerank": {"method": "k-reciprocal"}}}
    config = resolve(tree, OPTIONS)
    assert fingerprint(config, without=["method.restart", "eval.rerank.method"]) == key()
    assert fingerprint(config, without=["method.restart"]) != key()


def test_the_methods_name_and_what_must_be_given_enter() -> None:
    taught = [key(method={"name": "kd", "teacher": name}) for name in ("resnet18", "resnet50")]
    assert len({key(), key(method={"name": "vanilla"}), *taught}) == 4


def test_a_new_key_at_its_default_changes_nothing() -> None:
    class Options(MethodOptions):
        name: str = "mine"

    class More(Options):
        beta: float = 1.0

    tree = {"method": {"name": "mine"}}
    bare, more = (resolve(tree, {"mine": kind}) for kind in (Options, More))
    other = resolve({"method": {"name": "mine", "beta": 2.0}}, {"mine": More})
    assert fingerprint(bare) == fingerprint(more) != fingerprint(other)


def test_the_format_enters(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key()
    monkeypatch.setitem(fingerprint.__globals__, "FORMAT", FORMAT + 1)
    assert key() != before
