"""Noise, predictions, agreement, projections and gradients of finished runs, on a tiny set."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from typer.testing import CliRunner

from reid_srdl.cli import app
from reid_srdl.jobs.analyse.named_networks import named_network
from reid_srdl.jobs.analyse.place import Place
from reid_srdl.tasks.classification import ClassificationTask
from tests.class_set import write_class_folder

TINY = (
    *("--dataset", "class-folder", "--data-dir", "classes", "--model", "mlp-800"),
    *("--batch-size", "12", "--precision", "fp32", "--device", "cpu", "--epochs", "2"),
    *("--set", "train.threads=1", "--set", "optim.lr=0.01", "--set", "data.validation=0.2"),
    *("--set", "data.height=16", "--set", "data.width=16", "--set", "watch.gradients=true"),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with two finished runs, of SRDL and of BYOT, which has a branch."""
    place = tmp_path_factory.mktemp("analyse")
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(place):
        patch.setenv("REID_SRDL_CACHE", str(place / "cache"))
        patch.setenv("COLUMNS", "200")
        write_class_folder(place / "classes", train=8)
        for method in ("srdl", "byot"):
            done = call("train", *TINY, "--method", method, "--name", method)
            assert done.exit_code == 0, done.exception
        yield place


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, arguments)


def analyse(*arguments: str) -> Any:
    done = call("analyse", *arguments, "--json")
    assert done.exit_code == 0, (done.exception, done.output)
    return json.loads(done.stdout)


def seen(text: str) -> tuple[Any, torch.Tensor, torch.Tensor]:
    """A network, all test images and their labels, by the shortest way."""
    named = named_network(text)
    task, _ = Place(device="cpu").opened(named.config)
    assert isinstance(task, ClassificationTask)
    images = torch.cat(list(task.test_images.in_order(100)))
    return named.network.eval(), images, torch.from_numpy(task.test_labels)


def test_noise_without_deviation_is_the_network_itself(place: Path) -> None:
    options = ("--draws", "2", "--steps", "3", "--far", "0.5", "--plot", "noise.png")
    one, first = analyse("noise", "runs/srdl", "runs/srdl:first", *options, "--device", "cpu")
    assert one["settings"]["deviations"] == [0.0, 0.25, 0.5]
    # of 8 images a class, 0.2 is held out
    assert one["images"]["test"] == 18
    assert one["images"]["train"] < 48
    for text, found in (("runs/srdl", one), ("runs/srdl:first", first)):
        network, images, labels = seen(text)
        with torch.no_grad():
            z = network(images).logits
        for row, shares in zip(found["losses"]["test"], found["accuracies"]["test"], strict=True):
            assert row[0] == pytest.approx(float(F.cross_entropy(z, labels)), rel=1e-5)
            assert shares[0] == pytest.approx(float((z.argmax(1) == labels).float().mean()))
            assert row[2] != row[0]
    assert json.loads((place / "runs/srdl/analyses/noise.json").read_text()) == one
    assert (place / "runs/srdl/analyses/noise-first.json").exists()
    assert (place / "noise.png").read_bytes().startswith(b"\x89PNG")


def test_predictions_and_agreement(place: Path) -> None:
    names = ("runs/srdl", "runs/srdl:first", "runs/byot:branch1")
    found = analyse("predictions", *names, "--device", "cpu")
    made = []
    for name, one in zip(names, found, strict=True):
        network, images, labels = seen(name)
        with torch.no_grad():
            q = network(images).logits.double().softmax(1)
        H = -(q * q.log()).sum(1)  # noqa: N806
        assert one["entropy"] == pytest.approx(float(H.mean()), rel=1e-5)
        assert (one["images"], sum(one["counts"])) == (18, 18)
        made.append(q.argmax(1))
        wrong = H[made[-1] != labels]
        assert one["wrong"] == (pytest.approx(float(wrong.mean())) if len(wrong) else None)
    (pair,) = analyse("agreement", *names, "--device", "cpu", "--plot", "agree.png")
    expected = [[float((a == b).double().mean()) for b in made] for a in made]
    assert np.allclose(pair["decisions"], expected)
    assert (place / "agree.png").exists()
    done = call("analyse", "agreement", "runs/srdl", "--device", "cpu")
    assert done.exit_code != 0


@pytest.mark.parametrize(
    ("text", "at", "length"),
    [
        ("runs/byot", "features", 800),
        ("runs/byot", "hidden1", 800),
        ("runs/byot:branch1", "features", 800),
        ("runs/byot:branched", "branch1", 800),
    ],
)
def test_projections_of_networks_stages_and_branches(
    place: Path, text: str, at: str, length: int
) -> None:
    (found,) = analyse("project", text, "--by", "pca", "--at", at, "--device", "cpu")
    assert (found["images"], found["dim"], found["at"]) == (18, length, at)
    network, images, labels = seen(text)
    needs = {"hidden1": {"stages"}, "branch1": {"branches"}}.get(at, set())
    with torch.no_grad():
        output = network(images, needs)
    x = output.features
    if at == "hidden1":
        x = output.stages["hidden1"][:, :, 0, 0]
    if at == "branch1":
        x = output.branches["branch1"].features
    centred = (x - x.mean(dim=0)).double().numpy()
    points = np.array(found["points"])
    assert found["labels"] == labels.tolist()
    # the plane keeps what the two largest singular values hold
    largest = np.linalg.svd(centred, compute_uv=False)[:2]
    assert np.allclose(np.linalg.norm(points, axis=0), largest, rtol=1e-3)


def test_tsne_tells_number_and_settings(place: Path) -> None:
    options = ("--by", "tsne", "--perplexity", "5", "--device", "cpu", "--plot", "tsne.svg")
    (found,) = analyse("project", "runs/srdl", *options)
    assert (found["images"], found["perplexity"], found["seed"]) == (18, 5.0, 0)
    assert np.shape(found["points"]) == (18, 2)
    assert b"<svg" in (place / "tsne.svg").read_bytes()


def test_gradients_are_those_of_the_metrics(place: Path) -> None:
    found = {one["network"]: one for one in analyse("gradients", "runs/srdl")}
    assert found.keys() == {"first", "second"}
    lines = map(json.loads, (place / "runs/srdl/metrics.jsonl").read_text().splitlines())
    for row in lines:
        for name, network in row["networks"].items():
            own = dict(
                zip(found[name]["layers"], found[name]["norms"][row["epoch"] - 1], strict=True)
            )
            assert own == network["gradients"]
            assert list(own) == ["trunk.hidden1.linear", "trunk.hidden2.linear", "classifier"]
    assert (place / "runs/srdl/analyses/gradients-first.svg").exists()


def test_what_is_not_there_is_told(place: Path) -> None:
    done = call("analyse", "project", "runs/srdl", "--at", "hiden1", "--device", "cpu")
    assert done.exit_code != 0
    assert "hidden1" in str(getattr(done.exception, "hint", ""))


def test_a_table_for_people(place: Path) -> None:
    done = call("analyse", "gradients", "runs/srdl")
    assert "trunk.hidden1.linear" in done.stdout
    done = call("analyse", "project", "runs/srdl", "--by", "pca", "--device", "cpu")
    assert "PCA" in done.stdout
