"""Networks of other codes become runs' folders, and are evaluated straight from their files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reid_srdl.errors import UserError
from reid_srdl.jobs.evaluate import evaluate_run
from reid_srdl.jobs.evaluate_weights import evaluate_weights
from reid_srdl.jobs.extract import features_of_run
from reid_srdl.jobs.foreign_file import ForeignFile, told_of
from reid_srdl.jobs.importing import Imported, import_network
from reid_srdl.jobs.runs import check_run, state_of
from reid_srdl.jobs.search import search_run
from reid_srdl.records.run import ImportedRecord
from reid_srdl.records.store import read_any_record, read_record
from tests.small_set import write_small_set

OSNET = "torchreid:osnet_x0_25"


def torchreids(classes: int = 9) -> Any:
    """Returns torchreid's own network, its weights and statistics drawn."""
    from torchreid.reid.models import build_model

    torch.manual_seed(0)
    network = build_model("osnet_x0_25", classes, pretrained=False, loss="softmax")
    for name, value in network.state_dict().items():
        if name.endswith(("running_mean", "bias")):
            value.normal_(std=0.1)
    return network.eval()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set, a checkpoint as torchreid's engine writes it, and ``runs/zoo`` made of it."""
    from torchreid.reid.utils import save_checkpoint

    place = tmp_path_factory.mktemp("place")
    write_small_set(place / "set")
    network = torchreids()
    state = {"state_dict": network.state_dict(), "epoch": 60, "rank1": np.float32(0.9)}
    save_checkpoint(
        state | {"optimizer": torch.optim.Adam(network.parameters()).state_dict()}, place
    )
    torch.save({f"module.{key}": value for key, value in network.state_dict().items()}, place / "p")
    return place


@pytest.fixture(scope="module")
def zoo(place: Path) -> Imported:
    file = ForeignFile(place / "model.pth.tar-60", OSNET, 64, 32)
    return import_network(file, runs=place / "runs", name="zoo")


@pytest.fixture(autouse=True)
def _cache(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REID_SRDL_CACHE", str(place / "cache"))


def test_the_record_claims_no_training(zoo: Imported) -> None:
    record = read_any_record(zoo.folder)
    assert isinstance(record, ImportedRecord)
    assert record == zoo.record
    assert (record.method, record.seed, record.cost, record.phases) == (None, None, None, ())
    assert record.result is None
    assert (record.imported.file, record.imported.code) == ("model.pth.tar-60", "torchreid")
    assert state_of(zoo.folder) == "finished"
    assert check_run(zoo.folder) == []
    with pytest.raises(UserError, match="nothing is known of its training"):
        read_record(zoo.folder)


def test_its_features_are_torchreids_own(zoo: Imported, place: Path) -> None:
    features, _ = features_of_run(zoo.folder, dataset="folder", data_dir=place / "set")
    theirs = torchreids()
    from reid_srdl.data import load_dataset
    from reid_srdl.data.batches import Images
    from reid_srdl.data.cache import decoded

    query = load_dataset("folder", place / "set").query
    images = Images(decoded(query, fallback_size=(64, 32)), (64, 32), torch.device("cpu"))
    with torch.no_grad():
        expected = torch.cat([theirs(batch) for batch in images.in_order(12)])
    np.testing.assert_allclose(features.query.features, expected, rtol=0, atol=1e-5)


def test_both_ways_give_the_same_figures(zoo: Imported, place: Path) -> None:
    where: dict[str, Any] = {"dataset": "folder", "data_dir": place / "set"}
    ours, of_run, kept = evaluate_run(zoo.folder, **where)
    theirs, of_file = evaluate_weights(ForeignFile(place / "p", OSNET, 64, 32), **where)
    assert of_file.evaluation == of_run.evaluation
    np.testing.assert_array_equal(ours.gallery.features, theirs.gallery.features)
    assert json.loads(kept.read_text())["run"] == "zoo"


def test_without_a_data_set_of_its_own_one_must_be_named(zoo: Imported, place: Path) -> None:
    with pytest.raises(UserError, match="not known") as caught:
        evaluate_run(zoo.folder)
    assert "--dataset" in caught.value.hint
    image = next((place / "set/query").iterdir())
    with pytest.raises(UserError, match="not known"):
        search_run(zoo.folder, image)
    answer = search_run(zoo.folder, image, gallery=place / "set/bounding_box_test", k=3)
    assert len(answer.results) == 3


@pytest.mark.parametrize(
    ("model", "what"),
    [
        ("torchreid:osnet_x1_0", "not the shapes of torchreid:osnet_x1_0: conv1.conv.weight"),
        (
            "resnet32",
            "none of its tensors is of resnet32: conv1.conv.weight, conv1.bn.weight, conv",
        ),
        ("torchreid:osnet_x0_26", "no network 'osnet_x0_26'"),
        ("osnet", "no network 'osnet'"),
    ],
)
def test_a_file_of_another_network_is_told(place: Path, model: str, what: str) -> None:
    with pytest.raises(UserError, match=what):
        import_network(ForeignFile(place / "p", model), runs=place / "runs", name="other")
    assert not (place / "runs/other").exists()
    assert not list((place / "runs").glob(".*"))


def test_names_of_classes_and_folders_are_checked(zoo: Imported, place: Path) -> None:
    names = place / "names.txt"
    file = ForeignFile(place / "p", OSNET, 64, 32, names)
    for text, what in (("a\na\n", "'a' stands twice"), ("a\n", "names 1 classes")):
        names.write_text(text)
        with pytest.raises(UserError, match=what):
            file.read()
    names.write_text("".join(f"person {number}\n" for number in range(9)))
    assert file.read().classes[8] == "person 8"
    names.write_text("a\nb\n")
    assert file.read().classes == ()
    assert "the classifier of 9 classes is left out: 2 were named" in file.read().notes[-1]
    with pytest.raises(UserError, match="is there already"):
        import_network(file, runs=place / "runs", name="zoo")
    with pytest.raises(UserError, match=r"run\.name"):
        import_network(file, runs=place / "runs", name="a/b")
    for text, what in (("stride", "not KEY=VALUE"), ("a=1 a=2", "stands twice")):
        with pytest.raises(UserError, match=what):
            told_of(text.split())
    with pytest.raises(UserError, match="--told stride: says nothing"):
        ForeignFile(place / "p", OSNET, told={"stride": "1"}).read()
