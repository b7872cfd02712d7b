"""A file of first weights that is cut, damaged or none at all is told as that, and never used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from reid_srdl.errors import UserError
from reid_srdl.models.build import build
from reid_srdl.models.damage import damage
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.spec_files import read_spec
from reid_srdl.models.state_files import own_trunk, read_state
from reid_srdl.models.weights import save_network
from tests.reports.runs import people, run
from tests.training import tiny_nets

tiny_nets.add_rows()
DRAWN = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights as PyTorch, safetensors and a run here write them."""
    place = tmp_path_factory.mktemp("whole")
    state = {"conv.weight": torch.arange(600.0).reshape(2, 300)}
    torch.save(state, place / "pytorch.pth")
    save_file(state, place / "foreign.safetensors")
    save_network(place / "own.safetensors", build(NetworkSpec("tiny", 3), seed=0))
    return place


@DRAWN
@given(
    name=st.sampled_from(["pytorch.pth", "foreign.safetensors", "own.safetensors"]),
    share=st.floats(0, 1, exclude_max=True),
)
def test_a_cut_file_is_called_cut(whole: Path, tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    content = (whole / name).read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    kind = r"(an empty file|cut short|damaged|cannot be read)"
    with pytest.raises(UserError, match=rf"{re.escape(str(path))}: {kind}|not a file of plain"):
        read_state(path)
    if path.stat().st_size > 8:
        assert (
            re.match("cut short", damage(path, safetensors=path.suffix == ".safetensors") or "")
            is not None
        )
    if path.suffix == ".safetensors":
        with pytest.raises(UserError, match=kind):
            read_spec(path)


def weights(path: Path) -> dict[str, torch.Tensor] | str:
    """Returns a file's tensors, or why it was refused."""
    try:
        return own_trunk(path) or read_state(path)
    except UserError as error:
        return error.what


@DRAWN
@given(name=st.sampled_from(["pytorch.pth", "own.safetensors"]), data=st.data())
def test_a_flipped_bit_is_named_or_does_no_harm(
    whole: Path, tmp_path: Path, name: str, data: st.DataObject
) -> None:
    content = bytearray((whole / name).read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path / name
    path.write_bytes(content)
    sound, read = weights(whole / name), weights(path)
    if isinstance(read, str):
        assert read.startswith(f"{path}: ")
        return
    assert not isinstance(sound, str)
    assert read.keys() == sound.keys()
    assert all(torch.equal(read[key], sound[key]) for key in sound)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"<!DOCTYPE html><p>404", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of git-lfs"),
        (b"\x1f\x8b\x08\x00", "a gzip archive"),
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_what_was_fetched_in_its_place_is_told(
    tmp_path: Path, content: bytes, told: str, suffix: str
) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(UserError, match=told):
        read_state(path)


@pytest.mark.parametrize("of", ["another network", "a cut file"])
def test_weights_that_cannot_be_used_are_told_before_a_folder_is_made(
    whole: Path, tmp_path: Path, cache: Path, of: str
) -> None:
    file = tmp_path / "w.safetensors"
    file.write_bytes((whole / "own.safetensors").read_bytes()[: -1 if of == "a cut file" else None])
    with pytest.raises(UserError, match="cut short" if of == "a cut file" else "not the weights"):
        run(people(tmp_path / "w"), tmp_path / "runs", model={"name": "wide", "weights": str(file)})
    assert not (tmp_path / "runs" / "r").exists()
