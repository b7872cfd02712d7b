"""How files are wrapped, and what is refused; nothing in them is executed."""

from __future__ import annotations

import datetime
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from reid_srdl.errors import UserError
from reid_srdl.models.build import build
from reid_srdl.models.foreign.checkpoint import read_state
from reid_srdl.models.foreign.network import read_foreign
from reid_srdl.models.spec import NetworkSpec

STATE = {"conv.weight": torch.ones(2, 3), "fc.bias": torch.zeros(2)}


def prefixed(prefix: str) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in STATE.items()}


class Ran(Exception):  # noqa: N818 - it says that a file's code ran
    pass


class Trap:
    def __reduce__(self) -> Any:
        return _spring, ()


def _spring() -> None:
    raise Ran


@pytest.mark.parametrize(
    "written",
    [
        STATE,
        prefixed("module."),
        prefixed("_orig_mod.module."),
        prefixed("module.model."),
        {"state_dict": prefixed("backbone."), "epoch": 3, "rank1": np.float32(0.5)},
        {"model": STATE, "optimizer": {"state": {}, "param_groups": [{"lr": np.float64(0.1)}]}},
        {"model": STATE, "center_param": {"centers": torch.ones(2)}},
        {"epoch": np.int64(4), "net": prefixed("base."), "best": np.bool_(True)},
        {"checkpoint": {"state_dict": STATE, "milestones": Counter([1, 1])}},
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_the_one_dictionary_of_tensors_is_read(tmp_path: Path, written: Any, zipped: bool) -> None:
    torch.save(written, tmp_path / "f", _use_new_zipfile_serialization=zipped)
    state = read_state(tmp_path / "f")
    assert state.keys() == STATE.keys()
    assert all(torch.equal(state[key], STATE[key]) for key in STATE)


def test_averaged_models_and_safetensors_are_read(tmp_path: Path) -> None:
    model = nn.Linear(2, 2)
    average = torch.optim.swa_utils.AveragedModel(model)
    torch.save(average.state_dict(), tmp_path / "f")
    assert read_state(tmp_path / "f").keys() == model.state_dict().keys()
    save_file(STATE, tmp_path / "f.safetensors")
    assert read_state(tmp_path / "f.safetensors").keys() == STATE.keys()


def test_a_file_of_numpy_1_names_its_scalars_otherwise(tmp_path: Path) -> None:
    torch.save({"state_dict": STATE, "rank1": np.float32(0.5)}, tmp_path / "f")
    now, then = b"numpy._core.multiarray", b"numpy.core.multiarray"
    import zipfile

    with zipfile.ZipFile(tmp_path / "f") as new, zipfile.ZipFile(tmp_path / "old", "w") as old:
        for name in new.namelist():
            old.writestr(name, new.read(name).replace(now, then))
    assert then in (tmp_path / "old").read_bytes()
    assert read_state(tmp_path / "old").keys() == STATE.keys()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickled_module_is_refused_with_the_two_lines_that_save_its_state(
    tmp_path: Path, zipped: bool
) -> None:
    for written in (nn.Linear(2, 2), {"model": nn.Sequential(nn.ReLU()), "epoch": 3}):
        torch.save(written, tmp_path / "f", _use_new_zipfile_serialization=zipped)
        with pytest.raises(UserError, match="pickled module") as caught:
            read_state(tmp_path / "f")
        assert "torch.nn.modules." in caught.value.what
        assert "model = torch.load(" in caught.value.hint
        assert "torch.save(model.state_dict(), " in caught.value.hint


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"state_dict": STATE, "begun": datetime.date(2020, 2, 2)}, "datetime.date"),
        ({"state_dict": STATE, "trap": Trap()}, "_spring"),
        ({"one": STATE, "two": STATE}, "not a file of plain weights;"),
        ({}, "not a file of plain weights;"),
        ([1, 2], "not a file of plain weights;"),
        ({1: torch.ones(1)}, "not a file of plain weights;"),
    ],
)
def test_what_holds_no_plain_weights_is_refused_unexecuted(
    tmp_path: Path, written: Any, told: str
) -> None:
    torch.save(written, tmp_path / "f")
    with pytest.raises(UserError, match="nothing in it was executed") as caught:
        read_state(tmp_path / "f")
    assert told in caught.value.what


@pytest.mark.parametrize("names", [("model", "model_ema"), ("state_dict", "model")])
def test_one_network_twice_is_refused_with_the_line_that_chooses(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    torch.save({**dict.fromkeys(names, STATE), "epoch": 3}, tmp_path / "f")
    with pytest.raises(UserError, match="the same network several times: " + ", ".join(names)) as e:
        read_state(tmp_path / "f")
    assert f"[{names[1]!r}], 'weights.pth')" in e.value.hint


def test_a_network_of_a_run_is_named_by_its_run(tmp_path: Path) -> None:
    network = build(NetworkSpec("resnet8", 3, (32, 32)), seed=0)
    save_file(network.state_dict(), tmp_path / "f.safetensors")
    with pytest.raises(UserError, match="none of its tensors is of resnet8") as e:
        read_foreign(tmp_path / "f.safetensors", "resnet8", size=(32, 32))
    assert "reid-srdl eval runs/NAME" in e.value.hint


@pytest.mark.parametrize(
    "bias",
    [torch.zeros(2, device="meta"), torch.zeros(2).to_sparse()],
    ids=["meta", "sparse"],
)
def test_tensors_without_a_number_for_each_place_are_named(tmp_path: Path, bias: Tensor) -> None:
    torch.save({**STATE, "fc.bias": bias}, tmp_path / "f")
    with pytest.raises(UserError, match=r"sparse, quantised or without values: fc\.bias"):
        read_state(tmp_path / "f")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_torchscript_program_is_refused_with_the_line_that_saves_its_state(
    tmp_path: Path,
) -> None:
    torch.jit.script(nn.Linear(2, 2)).save(tmp_path / "f")
    with pytest.raises(UserError, match="a TorchScript program") as caught:
        read_state(tmp_path / "f")
    assert f"torch.jit.load({str(tmp_path / 'f')!r}).state_dict()" in caught.value.hint


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_named(tmp_path: Path, value: float) -> None:
    broken = {**STATE, "fc.bias": torch.tensor([0.0, value])}
    torch.save({"state_dict": broken}, tmp_path / "f")
    with pytest.raises(UserError, match=r"holds NaN or infinity in fc\.bias"):
        read_state(tmp_path / "f")


@pytest.mark.parametrize("name", ["f", "f.safetensors"])
@pytest.mark.parametrize("kept", [0, 10, 300])
def test_a_cut_file_is_refused(tmp_path: Path, name: str, kept: int) -> None:
    torch.save(STATE, tmp_path / name)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:kept])
    told = r"not a file of plain weights|an empty file|cut short|damaged"
    with pytest.raises(UserError, match=told):
        read_state(tmp_path / name)
    with pytest.raises(UserError, match="no such weights file"):
        read_state(tmp_path / "none")
