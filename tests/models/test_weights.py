"""Weights files: whole, or named with what is wrong; nothing in them is executed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from reid_srdl.errors import UserError
from reid_srdl.models.build import build
from reid_srdl.models.changes.branches import Branches
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.tensor_files import read_tensors, write_tensors
from reid_srdl.models.weights import load_network, save_network

TENSORS = {
    "a": torch.arange(6.0).reshape(2, 3),
    "half": torch.ones(3, dtype=torch.bfloat16),
    "count": torch.tensor(7),
    "none": torch.zeros(0, 4),
}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_tensors_and_facts_come_back(tmp_path: Path) -> None:
    write_tensors(tmp_path / "t", TENSORS, {"rows": [1, 2], "name": "é"})
    tensors, facts = read_tensors(tmp_path / "t")
    assert same(tensors, TENSORS)
    assert [tensors[name].dtype for name in TENSORS] == [t.dtype for t in TENSORS.values()]
    assert facts == {"rows": [1, 2], "name": "é"}


def test_any_flipped_bit_is_found(tmp_path: Path) -> None:
    path = tmp_path / "t"
    write_tensors(path, TENSORS, {"epoch": 3})
    whole = path.read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(bytes(damaged))
        with pytest.raises(UserError) as caught:
            read_tensors(path, hint="begin again")
        assert str(path) in caught.value.what
        assert caught.value.hint == "begin again"


@pytest.mark.parametrize("kept", [0, 4, 8, 100, -1])
def test_a_cut_file_is_named(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "t"
    write_tensors(path, TENSORS, {})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"an empty file|cut short") as caught:
        read_tensors(path)
    assert str(path) in caught.value.what


def test_another_programs_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t"
    save_file(TENSORS, path)
    with pytest.raises(UserError, match="not a file of reid-srdl"):
        read_tensors(path)
    with pytest.raises(UserError, match="no such file"):
        read_tensors(tmp_path / "none")


def test_facts_that_are_no_table_are_refused(tmp_path: Path) -> None:
    for facts in ([1], "text", None):
        write_tensors(tmp_path / "t", TENSORS, facts)  # type: ignore[arg-type]
        with pytest.raises(UserError, match="no table of facts"):
            read_tensors(tmp_path / "t")


def test_a_network_comes_back_with_its_spec(tmp_path: Path) -> None:
    for spec in (
        NetworkSpec("resnet32", 5),
        NetworkSpec("resnet32", 5, (32, 16), 1, (Branches(),)),
    ):
        network = build(spec, seed=9)
        save_network(tmp_path / "w", network)
        loaded = load_network(tmp_path / "w")
        assert loaded.spec == spec
        assert same(loaded.state_dict(), network.state_dict())


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        (None, "describes no network"),
        ([], "describes no network"),
        ({"name": "resnet32"}, "describes no network"),
        ({"name": "resnet32", "classes": 5, "depth": 3}, "describes no network"),
        ({"name": "resnet33", "classes": 5}, "no network 'resnet33'"),
        ({"name": ["resnet32"], "classes": 5}, "no network"),
        ({"name": "torchvision:resnet33", "classes": 5}, "no network 'resnet33'"),
        ({"name": "timm:hf-hub:someone/something", "classes": 5}, "timm"),
        ({"name": "resnet32", "classes": 0}, "0 classes"),
        ({"name": "resnet32", "classes": -1}, "-1 classes"),
        ({"name": "resnet32", "classes": True}, "True classes"),
        ({"name": "resnet32", "classes": 5.0}, "5.0 classes"),
        ({"name": "resnet32", "classes": 10**9}, "do not fit"),
        ({"name": "resnet32", "classes": 5, "size": 32}, "size 32"),
        ({"name": "resnet32", "classes": 5, "size": [32, 0]}, "size"),
        ({"name": "resnet32", "classes": 5, "size": [32, True]}, "size"),
        ({"name": "resnet32", "classes": 5, "channels": 2}, "2 channels"),
        ({"name": "resnet32", "classes": 5, "channels": True}, "True channels"),
        ({"name": "resnet32", "classes": 5, "changes": 3}, "describes no network"),
        ({"name": "resnet32", "classes": 5, "changes": ["branches"]}, "no change"),
        ({"name": "resnet32", "classes": 5, "changes": [{"change": "roots"}]}, "'roots'"),
        ({"name": "resnet32", "classes": 5, "changes": [{"change": "part"}]}, "values"),
        ({"name": "resnet32", "classes": 5, "changes": [{"change": "part", "of": 1}]}, "values"),
        (
            {"name": "resnet32", "classes": 5, "changes": [{"change": "part", "of": "branch1"}]},
            "no part 'branch1'",
        ),
        (
            {
                "name": "torchvision:vit_b_32",
                "classes": 5,
                "size": [32, 32],
                "changes": [{"change": "branches"}],
            },
            "it has no stages",
        ),
    ],
)
def test_a_spec_that_no_network_satisfies_is_told(tmp_path: Path, spec: Any, what: str) -> None:
    path = tmp_path / "w"
    write_tensors(path, {"classifier.weight": torch.zeros(5, 1)}, {"spec": spec})
    with pytest.raises(UserError, match=what) as caught:
        load_network(path)
    assert str(path) in caught.value.what
    assert caught.value.hint


def test_weights_without_a_spec_or_of_another_network_are_told(tmp_path: Path) -> None:
    path = tmp_path / "w"
    write_tensors(path, {"classifier.weight": torch.zeros(5, 1)}, {"model": "resnet32"})
    with pytest.raises(UserError, match="does not say which network"):
        load_network(path)
    other = build(NetworkSpec("resnet18", 5), seed=0)
    facts = {"spec": json.loads(NetworkSpec("resnet32", 5).key)}
    write_tensors(path, other.state_dict(), facts)
    with pytest.raises(UserError, match="do not fit resnet32"):
        load_network(path)
