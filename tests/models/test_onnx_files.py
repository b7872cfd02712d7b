"""ONNX files as they come from anywhere: run where they map images to features, else told apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from reid_srdl.errors import UserError
from reid_srdl.models.graphs.running import open_onnx

FLOAT = TensorProto.FLOAT
IMAGES = ("images", FLOAT, ["N", 3, 4, 2])
FEATURES = ("features", FLOAT, ["N", 3])
RNG = np.random.default_rng(0)
PIXELS = RNG.random((9, 3, 4, 2), np.float32)

Put = Callable[..., Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    def write(
        nodes: list[Any] | None = None,
        inputs: tuple[Any, ...] = (IMAGES,),
        outputs: tuple[Any, ...] = (FEATURES,),
        weights: tuple[Any, ...] = (),
        opset: int = 17,
        ir: int = 8,
    ) -> Path:
        """Writes a model; by default the mean of each channel."""
        nodes = nodes or [mean()]
        graph = helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info(*one) for one in inputs],
            [helper.make_tensor_value_info(*one) for one in outputs],
            list(weights),
        )
        opsets = [helper.make_opsetid("", opset)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=ir)
        file = tmp_path / "m.onnx"
        file.write_bytes(model.SerializeToString())
        return file

    return write


def mean(keep: int = 0, images: str = "images") -> Any:
    return helper.make_node("ReduceMean", [images], ["features"], axes=[2, 3], keepdims=keep)


def means(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = pixels.mean(axis=(2, 3))
    return found


def told(file: Path, *words: str) -> None:
    with pytest.raises(UserError) as raised:
        open_onnx(file).run(PIXELS)
    for word in (file.name, *words):
        assert word in raised.value.what, raised.value.what
    assert raised.value.hint
    assert "\n" not in raised.value.what


def test_any_batch_and_a_fixed_one_in_pieces(put: Put) -> None:
    graph = open_onnx(put())
    assert (graph.size, graph.batch) == ((4, 2), None)
    assert np.allclose(graph.run(PIXELS), means(PIXELS))
    fixed = put(
        inputs=(("x", FLOAT, [4, 3, 4, 2]),),
        outputs=(("features", FLOAT, [4, 3]),),
        nodes=[mean(images="x")],
    )
    graph = open_onnx(fixed)
    assert graph.batch == 4
    for count in (1, 4, 9):
        assert np.allclose(graph.run(PIXELS[:count]), means(PIXELS[:count]))


def test_any_size_and_pooled_maps(put: Put) -> None:
    file = put(
        inputs=(("images", FLOAT, ["N", 3, "H", "W"]),),
        outputs=(("features", FLOAT, ["N", 3, 1, 1]),),
        nodes=[mean(keep=1)],
    )
    graph = open_onnx(file)
    assert graph.size is None
    assert graph.run(PIXELS).shape == (9, 3)


def test_of_several_outputs_the_features_are_taken(put: Put) -> None:
    logits = helper.make_node("Neg", ["features"], ["logits"])
    two = (("logits", FLOAT, ["N", 3]), FEATURES)
    graph = open_onnx(put([mean(), logits], outputs=two))
    assert np.allclose(graph.run(PIXELS), means(PIXELS))
    other = helper.make_node("Neg", ["features"], ["other"])
    told(put([mean(), logits, other], outputs=(two[0], ("other", FLOAT, ["N", 3]))), "2 things")


def test_what_takes_no_images_is_refused(put: Put) -> None:
    other = ("mask", FLOAT, ["N", 3, 4, 2])
    both = helper.make_node("Add", ["images", "mask"], ["sum"])
    told(put([both, mean(images="sum")], inputs=(IMAGES, other)), "2 inputs", "'mask'")
    flat = helper.make_node("Identity", ["images"], ["features"])
    told(put([flat], inputs=(("images", FLOAT, ["N", 3]),)), "N x 3, not images")
    last = ("images", FLOAT, ["N", 4, 2, 3])
    told(put(inputs=(last,)), "4 x 2 x 3", "channels stand last")
    told(put(inputs=(("images", FLOAT, ["N", 5, 4, 2]),)), "not images of 3 channels")
    doubles = ("images", TensorProto.DOUBLE, ["N", 3, 4, 2])
    told(put(inputs=(doubles,), outputs=(("features", TensorProto.DOUBLE, ["N", 3]),)), "double")
    maps = helper.make_node("Identity", ["images"], ["features"])
    told(put([maps], outputs=(("features", FLOAT, ["N", 3, 4, 2]),)), "not a feature for each")


def test_what_cannot_be_run_is_told(put: Put, tmp_path: Path) -> None:
    told(put(opset=99, ir=99), "ONNX Runtime cannot run it")
    node = helper.make_node("Foo", ["images"], ["features"], domain="theirs")
    told(put([node]), "ONNX Runtime cannot run it")
    whole = put().read_bytes()
    for content in (b"", b"not a model", whole[: len(whole) // 2], b"\0" * 64):
        (tmp_path / "m.onnx").write_bytes(content)
        told(tmp_path / "m.onnx")
    with pytest.raises(UserError, match="No such file"):
        open_onnx(tmp_path / "none.onnx")


def test_weights_outside_the_files_folder_are_not_read(put: Put, tmp_path: Path) -> None:
    add = [mean(), helper.make_node("Add", ["features", "shift"], ["out"])]
    shift = np.arange(3, dtype=np.float32)
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "shift.bin").write_bytes(shift.tobytes())
    (home / "shift.bin").write_bytes(shift.tobytes())
    (home / "link.bin").symlink_to(tmp_path / "shift.bin")

    def model(location: str) -> Path:
        tensor = numpy_helper.from_array(shift, "shift")
        onnx.external_data_helper.set_external_data(tensor, location)
        tensor.ClearField("raw_data")
        made = put(add, outputs=(("out", FLOAT, ["N", 3]),), weights=(tensor,))
        return made.replace(home / "m.onnx")

    graph = open_onnx(model("shift.bin"))
    assert np.allclose(graph.run(PIXELS), means(PIXELS) + shift)
    for location in ("../shift.bin", str(tmp_path / "shift.bin"), "link.bin"):
        told(model(location), "outside its folder", location)
    told(model("gone.bin"), "not there", "gone.bin")


def test_weights_within_a_branch_are_looked_at_too(put: Put) -> None:
    tensor = numpy_helper.from_array(np.zeros(1, np.float32), "c")
    onnx.external_data_helper.set_external_data(tensor, "/etc/passwd")
    tensor.ClearField("raw_data")
    constant = helper.make_node("Constant", [], ["c"], value=tensor)
    told(put([constant, mean()]), "outside its folder")
    inner = helper.make_graph([constant], "b", [], [helper.make_tensor_value_info("c", FLOAT, [1])])
    flag = numpy_helper.from_array(np.array(True), "flag")
    either = helper.make_node("If", ["flag"], ["c"], then_branch=inner, else_branch=inner)
    told(put([either, mean()], weights=(flag,)), "outside its folder")
