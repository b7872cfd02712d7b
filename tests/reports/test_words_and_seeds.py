"""Misspelt words, keys that are filled in, seeds that are none, boxes of nobody: told at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reid_srdl.config import resolve
from reid_srdl.errors import UserError
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.studies.asked import seed_numbers
from reid_srdl.methods import OPTIONS
from tests.reports.runs import TREE, run
from tests.small_set import write_small_set


@pytest.mark.parametrize("word", ["Auto", "AUTO", "atuo", "auto "])
def test_a_misspelt_word_of_a_key_of_numbers_is_named(word: str) -> None:
    with pytest.raises(UserError) as caught:
        resolve({**TREE, "train": {"threads": word}}, OPTIONS)
    assert caught.value.exit_status == 2
    assert "did you mean --set train.threads=auto?" in caught.value.hint


@pytest.mark.parametrize("model", [{}, {"init": "imagenet", "weights": "x.pth"}])
def test_a_digest_of_weights_is_never_given(model: dict[str, str]) -> None:
    asked = {"data": {"name": "walkers"}, "model": {**model, "weights_digest": "abc"}}
    with pytest.raises(UserError, match=r"model\.weights_digest: .* filled in") as caught:
        experiment(asked)
    assert caught.value.exit_status == 2
    assert caught.value.hint == "leave model.weights_digest out"


@pytest.mark.parametrize("text", [str(2**63), "9" * 5000, "-1", "0,-1", "1.5", "0,0", "1,01", ","])
def test_seeds_that_are_none_or_stand_twice_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="--seeds") as caught:
        seed_numbers(text)
    assert caught.value.exit_status == 2


def test_the_largest_seed_is_one() -> None:
    assert seed_numbers(f"0,{2**63 - 1}") == [0, 2**63 - 1]


def test_boxes_of_nobody_are_told_before_training(tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "set", height=16)
    for path in list((data / "gt_bbox").iterdir()):
        shutil.move(path, path.with_name(f"9{path.name[1:]}"))
    with pytest.raises(UserError, match="no multi-query has both boxes and a match"):
        run(data, tmp_path / "runs", eval={"enabled": True})
    assert not list((tmp_path / "runs").rglob("*.*"))


@pytest.mark.parametrize(
    ("method", "given", "told"),
    [
        ("srdl", {"view": "onlin"}, "did you mean --set method.view=online?"),
        ("rkd", {"temperature": 3}, "takes teacher, teacher_epochs, distance, angle"),
        ("byot", {"generations": 2}, "takes temperature, standardise, alpha, features"),
        ("dsn", {"alpha": 0.5}, "takes no options"),
        ("fitnet", {"gided": "group1"}, "did you mean 'method.guided'?"),
    ],
)
def test_a_hint_names_what_the_method_in_use_takes(
    method: str, given: dict[str, object], told: str
) -> None:
    taught = {"teacher": "resnet32"} if method in ("rkd", "fitnet") else {}
    with pytest.raises(UserError) as caught:
        experiment({"method": {"name": method, **taught, **given}})
    assert told in str(caught.value.hint)
