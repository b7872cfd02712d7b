"""Recipes: between the data set's defaults and the user's keys; what they may hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from reid_srdl.config import fingerprint, known_keys, read_recipe, recipe_files
from reid_srdl.config.method import MethodOptions
from reid_srdl.errors import UserError
from reid_srdl.jobs.experiment import configured, experiment


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text("data: {pad: 2}\noptim: {lr: 0.05, batch_size: 16, weight_decay: 0.0005}\n")
    return file


def test_it_lies_between_the_data_sets_defaults_and_the_users_keys(
    recipe: Path, tmp_path: Path
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("optim: {weight_decay: 0.001}\n")
    given = {"data.name": "cifar100", "recipe.name": str(recipe)}
    config = configured(given, file, ["optim.gamma=0.2"], None)
    assert (config.data.height, config.model.name) == (32, "resnet32"), "the data set's"
    assert (config.optim.batch_size, config.optim.lr, config.data.pad) == (16, 0.05, 2)
    assert (config.optim.weight_decay, config.optim.gamma) == (0.001, 0.2), "the user's"
    assert config.recipe.name == "mine"
    assert config.recipe.keys == ("data.pad", "optim.batch_size", "optim.lr")
    assert experiment(config.model_dump(mode="json")) == config, "read back, the file may be gone"
    bare = configured({"data.name": "cifar100"}, None, [], None)
    assert fingerprint(config) != fingerprint(bare)


def test_those_that_come_with_the_package_are_read_and_fit_every_data_set() -> None:
    files = recipe_files()
    assert "paper" in files
    for name in files:
        for data in ("market1501", "cifar100", "walkers"):
            config = experiment({"data": {"name": data}, "recipe": {"name": name}})
            assert config.recipe.name == name


def test_the_papers_recipe_is_the_defaults() -> None:
    config = experiment({"recipe": {"name": "paper"}})
    plain = experiment({})
    assert config.optim == plain.optim
    assert config.data == plain.data


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("train: {epochs: 3}", "train.epochs: not a key of a recipe", "data, sampler, model"),
        ("model: {init: imagenet}", "model.init: not a key of a recipe", "beside the recipe"),
        ("data: {height: 384}", "data.height: not a key of a recipe", "beside the recipe"),
        ("optim: {lrr: 1}", "optim.lrr: no such key", "did you mean 'optim.lr'"),
        ("optim: 3", "optim: not a key of a recipe", "a recipe has keys of"),
        ("eval: {flip: on}\noptim: {x: 1}", "eval.flip.*optim.x: no such key", "a recipe has"),
    ],
)
def test_foreign_and_unknown_keys_are_told_at_once(
    tmp_path: Path, text: str, told: str, hint: str
) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=told) as caught:
        read_recipe(str(file), known_keys(MethodOptions))
    assert hint in caught.value.hint
    assert caught.value.exit_status == 2


def test_what_is_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="papr: no such recipe") as caught:
        read_recipe("papr", [])
    assert "paper" in caught.value.hint
    with pytest.raises(UserError, match="no such file"):
        read_recipe(str(tmp_path / "none.yaml"), [])
