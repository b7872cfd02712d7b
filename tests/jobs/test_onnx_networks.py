"""ONNX files are evaluated, and imported as runs' folders, with the figures of their source."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from reid_srdl.analysis.cost import count_parameters
from reid_srdl.cli import app
from reid_srdl.cli.outcome import run
from reid_srdl.errors import UserError
from reid_srdl.jobs.evaluate import evaluate_run
from reid_srdl.jobs.evaluate_weights import evaluate_weights
from reid_srdl.jobs.export.graph import export_graph
from reid_srdl.jobs.extract import features_of_run
from reid_srdl.jobs.foreign_file import ForeignFile
from reid_srdl.jobs.search import search_run
from reid_srdl.models.weights import load_network
from tests.jobs.test_export import NECKED, told, trained
from tests.small_set import write_small_set

Capture = pytest.CaptureFixture[str]
COSINE = {"enabled": False, "flip": True, "distance": "cosine"}
FED = {"normalisation": "half", "channels": "bgr"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is judged by cosine, ``runs/people``, exported as ``m.onnx``; and ``own.onnx``."""
    place = tmp_path_factory.mktemp("place")
    write_small_set(place / "set")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_SRDL_CACHE", str(place / "cache"))
        people = trained(place, "people", model=NECKED, eval=COSINE)
        export_graph(people, place / "m.onnx")
        export_graph(people, place / "logits.onnx", answer="logits")
    own_file(place / "own.onnx")
    return place


@pytest.fixture(autouse=True)
def _cache(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REID_SRDL_CACHE", str(made / "cache"))


def own_file(path: Path, size: tuple[Any, Any] = (32, 16), batch: Any = 5) -> None:
    """Writes a network of another's: means of colours times weights, for batches of 5."""
    weights = numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(3, 4), "w")
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["m", "w"], ["y"]),
    ]
    shape = [batch, 3, *size]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 4])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, [weights])
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


def on_set(made: Path, name: str, **how: Any) -> Any:
    file = ForeignFile(made / name, "onnx", **how)
    return evaluate_weights(file, dataset="folder", data_dir=made / "set", device="cpu")


def test_an_exported_file_has_its_runs_figures(made: Path) -> None:
    features, scored = on_set(made, "m.onnx")
    wanted, by_run, _ = evaluate_run(made / "runs/people", device="cpu")
    assert np.allclose(features.gallery.features, wanted.gallery.features, rtol=1e-4, atol=1e-6)
    assert scored.evaluation.protocol.distance == "cosine"
    ours, theirs = scored.evaluation.single_query, by_run.evaluation.single_query
    assert abs(ours.mAP - theirs.mAP) < 5e-4
    assert abs(ours.rank1 - theirs.rank1) < 5e-4


def test_colours_and_normalisation_are_as_told(made: Path) -> None:
    features, _ = on_set(made, "own.onnx", told=FED)
    paths = sorted((made / "set/query").iterdir())
    pixels = np.stack([np.asarray(Image.open(path)) for path in paths]).astype(np.float64) / 255
    seen = ((pixels - 0.5) / 0.5)[..., ::-1].mean(axis=(1, 2))
    wanted = seen @ np.arange(12).reshape(3, 4)
    names = list(features.query.names or ())
    order = [names.index(path.name) for path in paths]
    assert np.allclose(features.query.features[order], wanted, rtol=1e-4, atol=1e-5)
    assert len(paths) % 5 != 0  # the file takes five at a time


def test_an_imported_file_is_a_run(made: Path, capsys: Capture) -> None:
    words = ["--model", "onnx", "--runs", str(made / "runs"), "--name", "own"]
    words += ["--normalisation", "half", "--channels", "bgr"]
    assert run(app, ["import", str(made / "own.onnx"), *words]) == 0
    assert "own: onnx of onnx" in capsys.readouterr().out
    folder = made / "runs/own"
    features, _ = on_set(made, "own.onnx", told=FED)
    where: dict[str, Any] = {"dataset": "folder", "data_dir": made / "set", "device": "cpu"}
    again, _ = features_of_run(folder, **where)
    assert np.array_equal(again.gallery.features, features.gallery.features)
    image = next((made / "set/query").iterdir())
    assert len(search_run(folder, image, gallery=made / "set/query", k=3).results) == 3
    network = load_network(folder / "weights/imported.safetensors")
    assert count_parameters(network) == 12 + 4 + 1  # the file's, and a classifier of zeros
    with torch.no_grad():
        assert not network(torch.rand(2, 3, 32, 16)).logits.any()
    capsys.readouterr()
    assert "an ONNX file that was imported" in told(capsys, "export", folder, "-o", made / "x.onnx")
    words = ["--model", "onnx", "--dataset", "folder", "--data-dir", str(made / "set")]
    assert "it cannot be trained" in told(capsys, "train", *words, "--batch-size", "12")


def test_what_is_not_told_is_asked_for(made: Path, tmp_path: Path, capsys: Capture) -> None:
    on = ("--model", "onnx", "--dataset", "folder", "--data-dir", made / "set")
    own = ("eval", "--weights", made / "own.onnx", *on)
    half, rgb = ("--normalisation", "half"), ("--channels", "rgb")
    assert "give --normalisation imagenet or half or none" in told(capsys, *own, *rgb)
    assert "give --channels rgb or bgr" in told(capsys, *own, *half)
    assert "--channels gbr: not a choice" in told(capsys, *own, *half, "--channels", "gbr")
    assert "32 x 16 pixels alone" in told(capsys, *own, *half, *rgb, "--height", "64")
    assert "--told" in told(capsys, *own, *half, *rgb, "--told", "stride=1")
    exported = ("eval", "--weights", made / "m.onnx", *on)
    assert "m.onnx.json says how" in told(capsys, *exported, *half)
    logits = ("eval", "--weights", made / "logits.onnx", *on)
    assert "gives logits" in told(capsys, *logits)
    own_file(tmp_path / "any.onnx", ("H", "W"))
    anything = ("eval", "--weights", tmp_path / "any.onnx", *on, *half, *rgb)
    assert "give --height and --width" in told(capsys, *anything)
    shutil.copy(made / "own.onnx", tmp_path / "m.onnx")
    shutil.copy(made / "m.onnx.json", tmp_path / "m.onnx.json")
    swapped = ("eval", "--weights", tmp_path / "m.onnx", *on)
    assert "about another file" in told(capsys, *swapped)
    (tmp_path / "m.onnx.json").write_text(json.dumps({"file": 3}))
    assert "not what reid-srdl export writes" in told(capsys, *swapped)
    assert "No such file" in told(
        capsys, "eval", "--weights", tmp_path / "none.onnx", *on, *half, *rgb
    )


def test_two_inputs_are_refused_and_no_run_is_made(
    made: Path, tmp_path: Path, capsys: Capture
) -> None:
    model = onnx.load(made / "own.onnx")
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, [5, 3]))
    model.graph.node.append(helper.make_node("Add", ["m", "mask"], ["unused"]))
    onnx.save(model, tmp_path / "two.onnx")
    words = ("--model", "onnx", "--runs", tmp_path / "runs", "--name", "two")
    fed = ("--normalisation", "half", "--channels", "rgb")
    assert "2 inputs" in told(capsys, "import", tmp_path / "two.onnx", *words, *fed)
    assert not (tmp_path / "runs").exists()


def test_weights_beside_the_file_are_taken_in(made: Path, tmp_path: Path) -> None:
    onnx.save(
        onnx.load(made / "own.onnx"),
        tmp_path / "own.onnx",
        save_as_external_data=True,
        location="own.bin",
        size_threshold=0,
    )
    assert (tmp_path / "own.bin").exists()
    network = ForeignFile(tmp_path / "own.onnx", "onnx", told=FED).read().network
    (tmp_path / "own.bin").unlink()
    network.trunk.__setstate__(network.trunk.__getstate__())  # as a copy has it
    assert network(torch.ones(2, 3, 32, 16)).features.tolist() == [[12, 15, 18, 21]] * 2
    with pytest.raises(UserError, match="not there"):
        ForeignFile(tmp_path / "own.onnx", "onnx", told=FED).read()
