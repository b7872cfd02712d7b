"""Networks of runs are exported and folders embedded, whole or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from reid_srdl.cli import app
from reid_srdl.data.colours import grey
from reid_srdl.errors import UserError
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.export import graph
from reid_srdl.jobs.export.graph import export_graph
from reid_srdl.jobs.extract import features_of_run
from reid_srdl.jobs.train import train
from reid_srdl.models.adapters.to_torchreid import (
    torchreid_name,
    torchreid_state,
    write_checkpoint,
)
from reid_srdl.models.build import build
from reid_srdl.models.changes import GeM, LastStride
from reid_srdl.models.graphs.comparing import relative_difference
from reid_srdl.models.graphs.standalone import Standalone
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.records.exported import read_exported, sidecar
from reid_srdl.shell.outcome import run
from tests.class_set import CLASSES, write_class_folder
from tests.small_set import write_small_set
from tests.training import tiny_nets

tiny_nets.add_rows()
Capture = pytest.CaptureFixture[str]
NECKED = {"name": "staged", "neck": "bnneck", "pooling": "gem"}


def trained(place: Path, name: str, **sections: dict[str, Any]) -> Path:
    """Trains a tiny run, ``runs/NAME``."""
    whole: dict[str, dict[str, Any]] = {
        "data": {"name": "folder", "dir": str(place / "set"), "height": 32, "width": 16},
        "method": {"name": "srdl"},
        "optim": {"batch_size": 12, "lr": 0.01},
        "train": {"epochs": 2, "precision": "fp32", "threads": 1, "device": "cpu"},
        "eval": {"enabled": False},
        "run": {"dir": str(place / "runs"), "name": name},
    }
    train(
        experiment(
            {key: {**keys, **sections.pop(key, {})} for key, keys in whole.items()} | sections
        )
    )
    return place / "runs" / name


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``runs/people``, a network with a neck, and ``runs/classes``."""
    place = tmp_path_factory.mktemp("place")
    write_small_set(place / "set")
    write_class_folder(place / "classes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_SRDL_CACHE", str(place / "cache"))
        trained(place, "people", model=NECKED, eval={"enabled": False, "distance": "cosine"})
        data = {"name": "class-folder", "dir": str(place / "classes")}
        trained(place, "classes", model={"name": "tiny"}, data=data, method={"name": "vanilla"})
    return place


@pytest.fixture(autouse=True)
def _cache(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REID_SRDL_CACHE", str(made / "cache"))


def told(capsys: Capture, *words: object) -> str:
    assert run(app, list(map(str, words))) in (1, 2)
    text = capsys.readouterr().err
    assert "hint:" in text
    assert "Traceback" not in text
    return text


def test_the_file_gives_the_runs_features(made: Path, tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "new" / "m.onnx"
    assert run(app, ["export", str(made / "runs/people"), "-o", str(output)]) == 0
    assert "in batches of 1 and 7" in capsys.readouterr().out
    session = onnxruntime.InferenceSession(str(output))
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.shape[1:], taken.type) == ("images", [3, 32, 16], "tensor(float)")
    assert isinstance(taken.shape[0], str)
    wanted, _ = features_of_run(made / "runs/people", device="cpu")
    assert wanted.query.names is not None
    files = [made / "set/query" / name for name in wanted.query.names]
    pixels = np.stack([np.asarray(Image.open(file)) for file in files])
    images = pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255
    (features,) = session.run([given.name], {"images": images})
    assert np.allclose(features, wanted.query.features, rtol=1e-4, atol=1e-6)
    facts = read_exported(output)
    assert facts is not None
    assert (facts.gives, facts.length, facts.classes) == ("features", 8, tuple("123456"))
    assert (facts.takes.height, facts.takes.width, facts.takes.mean[0]) == (32, 16, 0.485)
    assert (facts.run, facts.network, facts.checked.of) == ("people", "srdl", "folder")
    assert facts.evaluation == {"distance": "cosine"}
    assert json.loads(sidecar(output).read_text())["takes"]["channels"] == 3
    output.write_bytes(output.read_bytes() + b"x")
    with pytest.raises(UserError, match="about another file"):
        read_exported(output)


def test_logits_another_network_and_data_that_are_gone(made: Path, tmp_path: Path) -> None:
    facts, note = export_graph(made / "runs/classes", tmp_path / "c.pt2", answer="logits")
    assert (facts.gives, facts.classes, note) == ("logits", CLASSES, None)
    assert facts.checked.images == 18
    shutil.copytree(made / "runs/people", tmp_path / "people")
    (made / "set").rename(made / "away")
    try:
        first, note = export_graph(tmp_path / "people", tmp_path / "f.pt2", network="first")
    finally:
        (made / "away").rename(made / "set")
    assert first.network == "first"
    assert first.weights != facts.weights
    assert (first.checked.of, first.checked.images) == (None, 32)
    assert note is not None
    assert "drawn images" in note
    program = torch.export.load(tmp_path / "f.pt2").module()
    assert program(torch.rand(5, 3, 32, 16)).shape == (5, 8)


def test_a_graph_that_differs_is_not_kept(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def off(network: Any, mean: Any, std: Any, answer: Any) -> Standalone:
        return Standalone(network, (0.5, 0.456, 0.406), std, answer)

    monkeypatch.setattr(graph, "Standalone", off)
    for suffix in (".onnx", ".pt2"):
        with pytest.raises(UserError, match="differs from the network by"):
            export_graph(made / "runs/people", tmp_path / f"m{suffix}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("model", ["resnet18", "torchreid:osnet_x0_25", "torchvision:densenet121"])
def test_torchreid_loads_all_and_gives_the_same_features(
    model: str, tmp_path: Path, capsys: Capture
) -> None:
    from torchreid.reid.models import build_model
    from torchreid.reid.utils import load_pretrained_weights

    network = build(NetworkSpec(model, 7, (64, 32)), seed=1).eval()
    state = torchreid_state(network)
    write_checkpoint(tmp_path / "m.pth.tar", state)
    name = torchreid_name(network.spec)
    for classes, lost in ((7, False), (9, True)):
        theirs = build_model(name, classes, pretrained=False, use_gpu=False).eval()
        load_pretrained_weights(theirs, str(tmp_path / "m.pth.tar"))
        told = capsys.readouterr().out
        assert "Successfully loaded" in told
        assert ("['classifier.weight', 'classifier.bias']" in told) == lost
        assert ("discarded" in told) == lost
        images = torch.randn(4, 3, 64, 32, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            assert relative_difference(theirs(images), network(images).features) <= 1e-5


def test_only_what_torchreid_has_is_exported_to_it(
    made: Path, tmp_path: Path, capsys: Capture
) -> None:
    for spec, words in (
        (NetworkSpec("resnet32", 5), "no network that answers as resnet32"),
        (NetworkSpec("timm:resnet18", 5), "no network that answers as timm:resnet18"),
        (NetworkSpec("resnet50", 5, changes=(LastStride(), GeM())), "with last_stride, gem"),
        (NetworkSpec("resnet18", 5, channels=1), "with grey images"),
    ):
        with pytest.raises(UserError, match=words):
            torchreid_name(spec)
    people = made / "runs/people"
    words = ("--to", "torchreid", "-o")
    assert "as staged does" in told(capsys, "export", people, *words, tmp_path / "m.pth.tar")
    assert ".pth.tar" in told(capsys, "export", people, *words, tmp_path / "m.onnx")
    words = ("--logits", *words)
    assert "--logits" in told(capsys, "export", people, *words, tmp_path / "m.pth.tar")
    assert list(tmp_path.iterdir()) == []


def test_a_run_goes_to_torchreid(made: Path, tmp_path: Path, capsys: Capture) -> None:
    run_of = trained(made, "eighteen", model={"name": "resnet18"}, method={"name": "vanilla"})
    file = tmp_path / "m.pth.tar"
    assert run(app, ["export", str(run_of), "--to", "torchreid", "-o", str(file)]) == 0
    out = capsys.readouterr().out
    assert "for torchreid's resnet18 with 6 classes" in out
    assert "on 32 images of folder" in out
    assert "normalised by the mean 0.485" in out
    assert len(torch.load(file, weights_only=True)["state_dict"]) == 122


def test_bad_exports_are_told_and_leave_nothing(
    made: Path, tmp_path: Path, capsys: Capture
) -> None:
    people = made / "runs/people"
    bare = shutil.copytree(people, tmp_path / "bare")
    shutil.rmtree(bare / "weights")
    before = sorted(tmp_path.rglob("*"))
    assert "folder" in told(capsys, "export", people, "-o", made)
    assert ".txt is no kind" in told(capsys, "export", people, "-o", tmp_path / "m.txt")
    assert "without an ending" in told(capsys, "export", people, "-o", tmp_path / "m")
    assert "weights are gone" in told(capsys, "export", bare, "-o", tmp_path / "m.pt2")
    words = ("--network", "third", "-o", tmp_path / "m.pt2")
    assert "no network 'third'" in told(capsys, "export", people, *words)
    words = ("--network", "srdl+first", "-o", tmp_path / "m.pt2")
    assert "an ensemble" in told(capsys, "export", people, *words)
    assert "not a run folder" in told(capsys, "export", made, "-o", tmp_path / "m.pt2")
    words = ("--data-dir", tmp_path / "nowhere", "-o", tmp_path / "m.pt2")
    assert "nowhere" in told(capsys, "export", people, *words)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_is_embedded_in_the_order_of_names(
    made: Path, tmp_path: Path, capsys: Capture
) -> None:
    folder = tmp_path / "any"
    shutil.copytree(made / "set/query", folder / "b/deep")
    turned = Image.open(next((made / "set/query").iterdir()))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by a quarter
    turned.save(folder / "a.png", exif=exif)
    (folder / "notes.txt").write_text("no image")
    (folder / "b/empty.jpg").touch()
    (folder / ".hidden").mkdir()
    Image.new("RGB", (16, 32)).save(folder / ".hidden/h.png")
    (folder / "b/round").symlink_to(folder)
    file = tmp_path / "e.npz"
    people = str(made / "runs/people")
    assert run(app, ["embed", people, str(folder), "-o", str(file), "--device", "cpu"]) == 0
    out = capsys.readouterr()
    assert "13 images, 8 dimensions" in out.out
    assert "3 files left out: b/empty.jpg (empty file), b/round (a link" in out.err
    with np.load(file) as found:
        assert sorted(found) == ["features", "names"]
        names, features = found["names"].tolist(), found["features"]
    assert names == sorted(names)
    assert names[0] == "a.png"
    assert names[1].startswith("b/deep/0101_c1")
    one = [run_names.removeprefix("b/deep/") for run_names in names[1:]]
    wanted, _ = features_of_run(made / "runs/people", device="cpu")
    assert wanted.query.names is not None
    order = [list(wanted.query.names).index(name) for name in one]
    assert features.dtype == np.float32
    # One turned image of another size, so all were resized by the cache's way, which is theirs.
    assert np.allclose(features[1:], wanted.query.features[order], rtol=1e-4, atol=1e-5)
    assert not np.allclose(features[0], features[1], rtol=1e-2)


def test_classes_are_embedded_by_their_own_normalisation(made: Path, tmp_path: Path) -> None:
    file = tmp_path / "e.npz"
    words = [str(made / "classes/val"), "-o", str(file), "--no-flip"]
    assert run(app, ["embed", str(made / "runs/classes"), *words]) == 0
    with np.load(file) as found:
        assert len(found["names"]) == 18
        assert found["names"][0] == f"{CLASSES[0]}/0.png"


def test_a_grey_network_sees_the_luma() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3), np.uint8)
    wanted = [np.asarray(Image.fromarray(image).convert("L")) for image in pixels]
    assert np.array_equal(grey(pixels)[..., 0], np.stack(wanted))


def test_bad_folders_are_told_and_nothing_is_written(
    made: Path, tmp_path: Path, capsys: Capture
) -> None:
    people, file = made / "runs/people", tmp_path / "e.npz"
    (tmp_path / "none/deep").mkdir(parents=True)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/cut.jpg").write_bytes(b"\xff\xd8\xff")
    assert "no images in it" in told(capsys, "embed", people, tmp_path / "none", "-o", file)
    assert "nowhere" in told(capsys, "embed", people, tmp_path / "nowhere", "-o", file)
    assert "cut.jpg" in told(capsys, "embed", people, tmp_path / "broken", "-o", file)
    assert ".npz" in told(capsys, "embed", people, made / "set", "-o", tmp_path / "e.csv")
    assert "folder" in told(capsys, "embed", people, made / "set", "-o", tmp_path)
    assert not file.exists()
