from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from reid_srdl.config import (
    EvalConfig,
    MethodOptions,
    Rerank,
    changed,
    known_keys,
    merge,
    parse_assignments,
    place,
    read_yaml,
    resolve,
    run_of,
    to_yaml,
)
from reid_srdl.errors import UserError
from reid_srdl.methods import OPTIONS
from reid_srdl.methods.kd import KDOptions
from reid_srdl.methods.srdl import SRDLOptions

ROOT = Path(__file__).parents[2]


def test_defaults_are_the_papers() -> None:
    config = resolve({}, OPTIONS)
    assert (config.optim.lr, config.optim.momentum, config.optim.nesterov) == (0.1, 0.9, True)
    assert (config.optim.weight_decay, config.optim.batch_size) == (2e-4, 32)
    assert (config.optim.milestones, config.optim.gamma) == ((0.5, 0.75), 0.1)
    assert (config.train.epochs, config.data.height, config.data.width) == (120, 256, 128)
    assert isinstance(config.method, SRDLOptions)
    assert config.method.temperature == 3.0


def test_option_goes_before_yaml_before_default(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("optim:\n  lr: 0.5\n  momentum: 0.8\n")
    tree = merge(read_yaml(file), parse_assignments(["optim.lr=0.05"]))
    config = resolve(tree, OPTIONS)
    assert (config.optim.lr, config.optim.momentum, config.optim.gamma) == (0.05, 0.8, 0.1)


def test_a_resolved_configuration_reads_back(tmp_path: Path) -> None:
    config = resolve({"method": {"name": "srdl", "restart": False}}, OPTIONS)
    file = tmp_path / "config.yaml"
    file.write_text(to_yaml(config))
    assert resolve(read_yaml(file), OPTIONS) == config


@pytest.mark.parametrize(
    ("tree", "named", "hinted"),
    [
        ({"optim": {"lrr": 1}}, "optim.lrr", "optim.lr"),
        ({"lr": 1}, "lr", "optim.lr"),
        ({"optmi": {"lr": 1}}, "optmi", "optim"),
        ({"method": {"name": "srdl", "temprature": 1}}, "method.temprature", "method.temperature"),
        ({"method": {"name": "vanilla", "temperature": 1}}, "method.temperature", "method.name"),
        ({"method": {"name": "slrd"}}, "method.name", "srdl"),
        ({"data": {"name": "market-1501"}}, "data.name", "market1501"),
        ({"train": {"epochs": -3}}, "train.epochs", "mend"),
        ({"train": {"epochs": "many"}}, "train.epochs", "mend"),
        ({"optim": {"lr": "fast"}}, "optim.lr", "mend"),
        ({"optim": {"momentum": 0}}, "optim.nesterov", "--set optim.nesterov=false"),
        ({"optim": 3}, "optim", "optim.lr"),
        ({"run": {"name": "../x"}}, "run.name", "mend"),
    ],
)
def test_wrong_keys_and_values_are_named_with_a_way_out(
    tree: dict[str, Any], named: str, hinted: str
) -> None:
    with pytest.raises(UserError) as caught:
        resolve(tree, OPTIONS, names={"data": ["market1501", "walkers"]})
    assert named in caught.value.what
    assert hinted in caught.value.hint
    assert "\n" not in caught.value.what + caught.value.hint
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("words", "what", "hint"),
    [
        (
            ["method.name=dml", "method.networks=resnet32"],
            "method.networks: Input should be a valid integer, unable to parse string as an "
            "integer; or: Input should be a valid tuple (got resnet32)",
            "method.networks: did you mean --set 'method.networks=[\"resnet32\"]'?",
        ),
        (
            ["method.name=kd", "method.teacher=[1,2]"],
            "method.teacher: Input should be a valid string (got 2)",
            "method.teacher: mend the value, or leave it out",
        ),
        (
            ["method.name=kd"],
            "method.teacher: Field required",
            "method.teacher: give it: --set method.teacher=VALUE",
        ),
        (
            ["optim.milestones=[0.5,late]"],
            "optim.milestones: Input should be a valid number, unable to parse string as a number "
            "(got late)",
            "optim.milestones: mend the value, e.g. --set 'optim.milestones=[0.5, 0.75]'",
        ),
        (
            ["data.erasing.probability=0.5", "data.erasing.area=[0.1]"],
            "data.erasing.area: a value is missing (got [0.1])",
            "data.erasing.area: mend the value, e.g. --set 'data.erasing.area=[0.02, 0.4]'",
        ),
    ],
)
def test_a_key_of_several_types_or_values_is_told_once_by_its_name(
    words: list[str], what: str, hint: str
) -> None:
    with pytest.raises(UserError) as caught:
        resolve(parse_assignments(words), OPTIONS)
    assert (caught.value.what, caught.value.hint) == (what, hint)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("eval.rerank=k-reciprocal", "eval.rerank.method"),
        ("eval.rerank_k1=20", "eval.rerank.k1"),
        ("eval.rerank_k2=6", "eval.rerank.k2"),
        ("eval.rerank_lambda=0.3", "eval.rerank.lambda"),
        ("eval.expand=aqe", "eval.expand.method"),
        ("eval.expand_n=10", "eval.expand.n"),
        ("eval.expand_alpha=3", "eval.expand.alpha"),
    ],
)
def test_an_old_key_is_an_error_that_names_the_new_one(old: str, new: str) -> None:
    with pytest.raises(UserError) as caught:
        resolve(parse_assignments([old]), OPTIONS)
    key = old.partition("=")[0]
    assert caught.value.what.startswith(f"{key}: ")
    assert caught.value.hint == f"{key}: it is {new!r} now"
    assert new in known_keys(MethodOptions)


def test_nested_keys_are_keys_like_any_other(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("eval:\n  rerank: {method: k-reciprocal, k1: 9}\n")
    tree = merge(read_yaml(file), parse_assignments(["eval.rerank.lambda=0.5", "eval.expand.n=10"]))
    settings = resolve(tree, OPTIONS).eval
    rerank = settings.rerank
    assert (rerank.method, rerank.k1, rerank.k2, rerank.lambda_) == ("k-reciprocal", 9, 6, 0.5)
    assert (settings.expand.method, settings.expand.n) == ("none", 10)
    written = to_yaml(resolve(tree, OPTIONS))
    assert "    lambda: 0.5\n" in written
    file.write_text(written)
    assert resolve(read_yaml(file), OPTIONS).eval == settings
    with pytest.raises(UserError, match="lamda") as caught:
        resolve({"eval": {"rerank": {"lamda": 0.5}}}, OPTIONS)
    assert "did you mean 'eval.rerank.lambda'" in caught.value.hint


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    "key", ["optim.lr", "train.checkpoint_minutes", "eval.rerank.lambda", "method.temperature"]
)
def test_numbers_that_are_not_finite_are_refused_in_every_section(key: str, value: float) -> None:
    tree: dict[str, Any] = {}
    place(tree, key, value)
    with pytest.raises(UserError, match=key):
        resolve(tree, OPTIONS)


def test_a_change_is_validated_and_keeps_the_rest() -> None:
    own = EvalConfig(distance="cosine", rerank=Rerank(k1=9))
    new = changed(own, {"rules": "official", "rerank": {"method": "k-reciprocal", "k2": 3}}, "eval")
    assert (new.rules, new.normalize, new.distance) == ("official", True, "cosine")
    assert (new.rerank.k1, new.rerank.k2) == (9, 3)
    for changes, told in (
        ({"trials": 0}, "eval.trials: Input should be greater"),
        ({"pooling": "median"}, "eval.pooling: Input should be 'mean' or 'max'"),
        ({"trails": 3}, "eval.trails: no such key"),
    ):
        with pytest.raises(UserError, match=told):
            changed(own, changes, "eval")


def test_a_runs_folder_becomes_absolute_and_a_name_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for given, kept in (
        ("resnet50", "resnet50"),
        ("timm:resnet26", "timm:resnet26"),
        ("./resnet50", str(tmp_path / "resnet50")),
        ("runs/../a", str(tmp_path / "a")),
        ("~/b", str(tmp_path / "home/b")),
    ):
        method = resolve({"method": {"name": "kd", "teacher": given}}, OPTIONS).method
        assert isinstance(method, KDOptions)
        assert method.teacher == kept
        assert run_of(given) == (Path(given) if "/" in given else None)


def test_all_errors_are_told_at_once() -> None:
    with pytest.raises(UserError) as caught:
        resolve({"optim": {"lr": -1, "lrr": 2}, "train": {"epochs": 0}}, OPTIONS)
    assert all(key in caught.value.what for key in ("optim.lr:", "optim.lrr", "train.epochs"))


@pytest.mark.parametrize("text", ["optim.lr", "=3", "optim.lr=[1"])
def test_what_is_no_assignment_is_told(text: str) -> None:
    with pytest.raises(UserError, match="--set"):
        parse_assignments([text])


@pytest.mark.parametrize("content", ["a: [1", "- 1", "\0"])
def test_what_is_no_configuration_file_is_told(tmp_path: Path, content: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(content)
    with pytest.raises(UserError, match=r"a\.yaml"):
        read_yaml(file)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        read_yaml(tmp_path / "none.yaml")


def test_known_keys_follow_the_method() -> None:
    class Options(MethodOptions):
        beta: float = Field(1.0, gt=0)

    assert "method.beta" in known_keys(Options)
    assert "method.beta" not in known_keys(SRDLOptions)


OTHERS = ("studies", "recipes")  # no whole experiments: they have tests of their own


def test_every_yaml_in_configs_loads() -> None:
    from reid_srdl.models import MODELS

    configs = ROOT / "configs"
    files = [path for path in sorted(configs.rglob("*.yaml")) if path.parent.name not in OTHERS]
    assert len(files) >= 6
    for file in files:
        config = resolve(read_yaml(file), OPTIONS, names={"model": MODELS})
        assert config.method.name in file.name, file
        header = file.read_text().split("\n\n")[0]
        assert "reid-srdl train --config" in header, file
        assert "expected" in header.lower(), file


def test_a_value_in_place_of_a_section_is_told_whatever_is_laid_over_it() -> None:
    for tree in ({"optim": 1}, merge({"optim": 1}, {"optim": {"lr": 0.1}})):
        with pytest.raises(UserError, match=r"optim: a section, not a value \(got 1\)"):
            resolve(tree, OPTIONS)
    with pytest.raises(UserError, match=r"optim: a section, not a value \(got 1\)"):
        parse_assignments(["optim=1", "optim.lr=0.1"])
    with pytest.raises(UserError, match=r"eval\.rerank: a section, not a value"):
        parse_assignments(["eval.rerank=none", "eval.rerank.k1=9"])
    assert parse_assignments(["optim=", "optim.lr=0.1"]) == {"optim": {"lr": 0.1}}


@pytest.mark.parametrize("key", ["optim.lr", "train.epochs", "optim.clip", "data.images"])
def test_a_truth_value_is_no_number(key: str) -> None:
    for text in ("true", "yes", "off"):
        with pytest.raises(UserError, match=rf"{key}: give a number, not true or false"):
            resolve(parse_assignments([f"{key}={text}"]), OPTIONS)
