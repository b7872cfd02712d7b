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
from reid_srdl.errors import UserError
from reid_srdl.jobs import networks
from reid_srdl.jobs.cross import cross_runs
from reid_srdl.jobs.evaluate import evaluate_run
from reid_srdl.jobs.evaluate_weights import evaluate_weights
from reid_srdl.jobs.export.graph import export_graph
from reid_srdl.jobs.extract import features_of_run
from reid_srdl.jobs.foreign_file import ForeignFile
from reid_srdl.jobs.networks import choose_for
from reid_srdl.jobs.search import search_run
from reid_srdl.models.graphs import running
from reid_srdl.models.weights import load_network
from reid_srdl.shell.outcome import run
from tests.class_set import CLASSES, write_class_folder
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


def own_file(
    path: Path,
    size: tuple[Any, Any] = (32, 16),
    batch: Any = 5,
    channels: int = 3,
    length: int = 4,
) -> None:
    """Writes a network of another's: means of colours times weights, for batches of 5."""
    ramp = np.arange(channels * length, dtype=np.float32) - (channels == 1) * length / 2
    weights = numpy_helper.from_array(ramp.reshape(channels, length), "w")
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["m", "w"], ["y"]),
    ]
    shape = [batch, channels, *size]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, length])]
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
    for analysis in ("width", "noise"):
        assert "weights cannot be moved" in told(capsys, "analyse", analysis, folder)
    assert "name a folder of crops: --gallery DIR" in told(capsys, "search", folder, image)
    crossed = cross_runs([folder], [("folder", made / "set")], device="cpu")
    assert crossed.networks[0].parameters == 12 + 4 + 1
    again = ("train", "--resume", folder)
    assert "was imported, it was not trained here" in told(capsys, *again)
    kd = (
        "--dataset",
        "folder",
        "--data-dir",
        made / "set",
        "--method",
        "kd",
        "--model",
        "resnet18",
    )
    kd = (*kd, "--set", f"method.teacher={folder}", "--batch-size", "12", "--epochs", "1")
    assert "an ONNX file, which teaches nothing here" in told(capsys, "train", *kd)
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


def test_logits_are_judged_on_classes_by_name(made: Path, tmp_path: Path, capsys: Capture) -> None:
    root = write_class_folder(tmp_path / "classes")
    own_file(tmp_path / "c.onnx", (20, 20), length=len(CLASSES))
    order = CLASSES[::-1]
    (tmp_path / "names.txt").write_text("\n".join(order))
    on = ("--model", "onnx", "--normalisation", "none", "--channels", "rgb")
    on = (*on, "--classes", str(tmp_path / "names.txt"))
    data = ("--dataset", "class-folder", "--data-dir", str(root))
    assert run(app, ["eval", "--weights", str(tmp_path / "c.onnx"), *on, *data, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["imported"]
    logits, labels = [], []
    for label, name in enumerate(CLASSES):
        for path in sorted((root / "val" / name).iterdir()):
            pixels = np.asarray(Image.open(path), np.float64) / 255
            logits.append(pixels.mean(axis=(0, 1)) @ np.arange(18).reshape(3, 6))
            labels.append(order.index(CLASSES[label]))
    wanted = -torch.tensor(np.stack(logits)).log_softmax(1)[range(len(labels)), labels].mean()
    assert found["loss"] == pytest.approx(wanted.item(), rel=1e-5)
    assert found["top1"] == np.mean(np.stack(logits).argmax(1) == labels)
    words = ["import", str(tmp_path / "c.onnx"), *on, "--runs", str(tmp_path), "--name", "c"]
    assert run(app, words) == 0
    capsys.readouterr()
    assert run(app, ["eval", str(tmp_path / "c"), *data, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["imported"] == found
    people = ("--dataset", "folder", "--data-dir", made / "set")
    assert "compared by features" in told(capsys, "eval", tmp_path / "c", *people)
    assert "compared by features" in told(
        capsys, "embed", tmp_path / "c", root, "-o", tmp_path / "e.npz"
    )


def test_a_classifier_needs_the_names_of_its_classes(
    made: Path, tmp_path: Path, capsys: Capture
) -> None:
    root = write_class_folder(tmp_path / "classes")
    fed = ("--model", "onnx", "--normalisation", "none", "--channels", "rgb")
    on = ("eval", "--weights", made / "own.onnx", *fed)
    data = ("--dataset", "class-folder", "--data-dir", root)
    assert "nobody knows the names" in told(capsys, *on, *data)
    (tmp_path / "names.txt").write_text("\n".join(CLASSES))
    names = ("--classes", tmp_path / "names.txt")
    assert "4 numbers for an image, and 6 classes" in told(capsys, *on, *data, *names)
    people = ("--dataset", "folder", "--data-dir", made / "set")
    assert "--classes: says nothing about a file of features" in told(capsys, *on, *people, *names)
    assert "--top-k: says nothing about a classifier" in told(
        capsys, *on, *data, *names, "--top-k", "3"
    )


def test_grey_files_see_the_luma_of_people_and_of_classes(
    made: Path, tmp_path: Path, capsys: Capture
) -> None:
    own_file(tmp_path / "g.onnx", channels=1)
    grey_half = {"normalisation": "half"}
    file = ForeignFile(tmp_path / "g.onnx", "onnx", told=grey_half)
    where: dict[str, Any] = {"dataset": "folder", "data_dir": made / "set", "device": "cpu"}
    features, _ = evaluate_weights(file, **where)
    names = list(features.query.names or ())
    for path in sorted((made / "set/query").iterdir()):
        mean = (np.asarray(Image.open(path).convert("L"), np.float64) / 255).mean()
        wanted = (mean - 0.5) / 0.5 * (np.arange(4) - 2)
        row = features.query.features[names.index(path.name)]
        assert np.allclose(row, wanted, rtol=1e-4, atol=1e-5)
    root = write_class_folder(tmp_path / "classes")
    own_file(tmp_path / "c.onnx", (20, 20), channels=1, length=len(CLASSES))
    (tmp_path / "names.txt").write_text("\n".join(CLASSES))
    on = ("eval", "--weights", tmp_path / "c.onnx", "--model", "onnx")
    on = (*on, "--classes", tmp_path / "names.txt")
    data = ("--dataset", "class-folder", "--data-dir", root)
    assert run(app, [*map(str, (*on, *data, "--normalisation", "mnist", "--json"))]) == 0
    found = json.loads(capsys.readouterr().out)["imported"]
    losses = []
    for label, name in enumerate(CLASSES):
        for path in sorted((root / "val" / name).iterdir()):
            mean = (np.asarray(Image.open(path).convert("L"), np.float64) / 255).mean()
            logits = torch.tensor((mean - 0.1307) / 0.3081 * (np.arange(6) - 3))
            losses.append(-logits.log_softmax(0)[label].item())
    assert found["loss"] == pytest.approx(np.mean(losses), rel=1e-4)
    assert "give --normalisation half or none or mnist" in told(
        capsys, *on, *data, "--normalisation", "imagenet"
    )
    assert "takes grey images" in told(
        capsys, *on, *data, "--normalisation", "mnist", "--channels", "rgb"
    )


def test_without_cuda_of_onnx_runtime_auto_is_the_cpu(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = ForeignFile(made / "own.onnx", "onnx", told=FED).read().network.spec
    monkeypatch.setattr(running, "runs_on_cuda", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(networks, "runs_on_cuda", lambda: False)
    assert choose_for(spec, "auto", "fp32", 1).device.type == "cpu"
    with pytest.raises(UserError, match="this ONNX Runtime has no CUDA"):
        choose_for(spec, "cuda", "fp32", 1)
    with pytest.raises(UserError, match="this ONNX Runtime has no CUDA"):
        running.open_onnx(made / "own.onnx", device="cuda:0")


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_cuda_that_cannot_be_used_is_told(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "runs_on_cuda", lambda: True)  # and falls back without a word
    with pytest.raises(UserError, match="has CUDA, and cannot use it here"):
        running.open_onnx(made / "own.onnx", device="cuda")
