"""Networks of other codes become runs' folders, and are evaluated straight from their files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reid_srdl.api.opened import open_run
from reid_srdl.errors import UserError
from reid_srdl.jobs.analyse.place import Place
from reid_srdl.jobs.analyse.width import measure_width
from reid_srdl.jobs.checking import check_run
from reid_srdl.jobs.evaluate import evaluate_classes, evaluate_run
from reid_srdl.jobs.evaluate_weights import evaluate_weights
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.export.torchreid import export_torchreid
from reid_srdl.jobs.extract import features_of_run
from reid_srdl.jobs.foreign_file import ForeignFile, told_of
from reid_srdl.jobs.importing import Imported, import_network
from reid_srdl.jobs.runs import state_of
from reid_srdl.jobs.search import search_run
from reid_srdl.jobs.train import train
from reid_srdl.records.comparison import compare
from reid_srdl.records.leaderboard import leaderboard
from reid_srdl.records.per_query import read_results
from reid_srdl.records.run import ImportedRecord
from reid_srdl.records.store import read_any_record, read_record, read_records
from tests.class_set import CLASSES, write_class_folder
from tests.models.foreign import forward, keys
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
    _tables_and_comparisons_take_it(zoo)


def _tables_and_comparisons_take_it(zoo: Imported) -> None:
    records, problems = read_records(zoo.folder)
    (row,) = leaderboard(records).rows
    assert (row.dataset.name, row.network, row.seeds, problems) == ("folder", "zoo", (), [])
    assert (row.method, row.parameters, row.trcost) == (None, zoo.record.parameters, None)
    side = read_results(zoo.folder)
    assert compare(side, side).single_query.of("mAP").difference == 0
    with pytest.raises(UserError, match="not judged on viper"):
        read_results(zoo.folder, "viper")


def test_without_a_data_set_of_its_own_one_must_be_named(zoo: Imported, place: Path) -> None:
    with pytest.raises(UserError, match="not known") as caught:
        evaluate_run(zoo.folder)
    assert "--dataset" in caught.value.hint
    image = next((place / "set/query").iterdir())
    with pytest.raises(UserError, match="not known"):
        search_run(zoo.folder, image)
    with pytest.raises(UserError, match="an imported network, which has no curves"):
        open_run(zoo.folder).curves()
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


def test_a_network_that_is_not_here_and_options_of_other_files_are_told(place: Path) -> None:
    with pytest.raises(UserError, match="no network 'osnet_x0_25'") as caught:
        ForeignFile(place / "p", "osnet_x0_25").read()
    assert "torchreid:NAME" in caught.value.hint
    with pytest.raises(UserError, match="--normalisation: says nothing about --model torchreid"):
        ForeignFile(place / "p", OSNET, told={"normalisation": "half"}).read()


def test_it_is_exported_and_tried_on_the_images_of_a_named_set(
    zoo: Imported, place: Path, tmp_path: Path
) -> None:
    file = tmp_path / "m.pth.tar"
    facts, note = export_torchreid(zoo.folder, file)
    assert facts.tried_on == "32 drawn images"
    assert "is not known" in str(note)
    facts, note = export_torchreid(zoo.folder, file, dataset="folder", data_dir=place / "set")
    assert (facts.tried_on, note) == ("32 images of folder", None)
    with pytest.raises(UserError, match="nowhere"):
        export_torchreid(zoo.folder, file, dataset="folder", data_dir=place / "nowhere")


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


@pytest.fixture(scope="module")
def classes(place: Path) -> Imported:
    """Akamaster's ResNet-20, as if it knew the six classes of the folder ``classes``."""
    write_class_folder(place / "classes")
    shapes = keys.akamaster(20) | keys.linear("module.linear", 64, len(CLASSES))
    torch.save({"state_dict": keys.drawn(shapes), "best_prec1": 91.0}, place / "model.th")
    (place / "classes.txt").write_text("\n".join(CLASSES))
    file = ForeignFile(place / "model.th", "resnet20", classes=place / "classes.txt")
    return import_network(file, runs=place / "runs", name="classes")


def test_a_network_of_classes_is_judged_by_its_own_normalisation(
    classes: Imported, place: Path
) -> None:
    where: dict[str, Any] = {"dataset": "class-folder", "data_dir": place / "classes"}
    scores, _ = evaluate_classes(classes.folder, **where)
    from reid_srdl.data import load_classes
    from reid_srdl.data.augment import normalise
    from reid_srdl.data.batches import Images

    data = load_classes("class-folder", place / "classes", (32, 32))
    images = Images(data.test.pixels, (32, 32), torch.device("cpu"))
    pixels = normalise(torch.cat(list(images.in_batches(np.arange(len(images)), 99))))
    state = keys.drawn(keys.akamaster(20) | keys.linear("module.linear", 64, len(CLASSES)))
    features = forward.akamaster(state, pixels, blocks=3)
    logits = features @ state["module.linear.weight"].mT + state["module.linear.bias"]
    right = logits.argmax(1).numpy() == data.test.labels
    assert scores["imported"].top1 == pytest.approx(right.mean())
    with pytest.raises(UserError, match="not known"):
        measure_width(str(classes.folder), distances=[0.0, 1.0], directions=1)
    width, _ = measure_width(
        str(classes.folder),
        distances=[0.0, 1.0],
        directions=1,
        place=Place(place / "classes", dataset="class-folder"),
    )
    ce = torch.nn.functional.cross_entropy(logits, torch.from_numpy(data.test.labels))
    assert width.losses["test"][0][0] == pytest.approx(ce.item(), rel=1e-5)


def _learning(place: Path, teacher: Path, name: str, **more: Any) -> dict[str, Any]:
    return {
        "data": {"name": "class-folder", "dir": str(place / "classes"), "height": 32, "width": 32},
        "model": {"name": "resnet20"},
        "method": {"name": name, "teacher": str(teacher), **more},
        "train": {"epochs": 1, "threads": 1},
        "optim": {"batch_size": 12},
        "run": {"dir": str(place / "runs"), "name": f"by-{teacher.name}"},
    }


def test_it_teaches_where_its_classes_are_the_students(classes: Imported, place: Path) -> None:
    record = train(experiment(_learning(place, classes.folder, "kd")))
    assert record.cost.teachers == 0
    assert record.config["method"]["teacher"] == "classes"  # type: ignore[index,call-overload]
    nameless = ForeignFile(place / "model.th", "resnet20")
    other = import_network(nameless, runs=place / "runs", name="nameless")
    with pytest.raises(UserError, match="without the names of its classes") as caught:
        train(experiment(_learning(place, other.folder, "kd")))
    assert "--classes FILE" in caught.value.hint
