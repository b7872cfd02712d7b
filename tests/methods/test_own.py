"""Methods of one's own, FILE.py:NAME: known by their text, their faults told in words."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from reid_srdl.config import AnyConfig, fingerprint
from reid_srdl.errors import UserError
from reid_srdl.jobs import train as jobs
from reid_srdl.jobs.checking import check_run
from reid_srdl.jobs.dry_run import plan
from reid_srdl.jobs.evaluate import evaluate_classes
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.studies.asked import asked_plan, found_runs
from reid_srdl.methods import own
from tests.class_set import write_class_folder
from tests.cli.run import assert_told, reid_srdl
from tests.training import tiny_nets

tiny_nets.add_rows()

HEAD = """\
from dataclasses import dataclass
from typing import ClassVar
from reid_srdl.config import MethodOptions
from reid_srdl.methods import Method
from reid_srdl.training.losses import LabelLoss, Loss


class Options(MethodOptions):
    share: float = 1.0

"""
GOOD = """
def train(trainer, epochs, options):
    loss = trainer.supervised
    return {"mine": trainer.fit(trainer.new_model(), epochs=epochs, loss=loss, name="mine")}


program = Method(train, Options, "one of my own")
"""


def asking(needs: str) -> str:
    """Returns a method whose loss needs something."""
    return f"""
@dataclass(frozen=True)
class Asking(Loss):
    needs: ClassVar[frozenset[str]] = frozenset({{{needs!r}}})
    labels: LabelLoss

    def __call__(self, outputs, batch):
        return self.labels.of(outputs.own, batch)


def train(trainer, epochs, options):
    loss = Asking(trainer.supervised)
    return {{"mine": trainer.fit(trainer.new_model(), epochs=epochs, loss=loss, name="mine")}}


program = Method(train, Options, "asks for something")
"""


def failing(body: str) -> str:
    return f"""
def train(trainer, epochs, options):
    {body}


program = Method(train, Options, "fails")
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a data set of 24 images."""
    place = tmp_path_factory.mktemp("own")
    write_class_folder(place / "set", train=4, test=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_SRDL_CACHE", str(place / "cache"))
        yield place


def config(
    place: Path, method: Path, name: str = "mine", *, model: str = "tiny", **options: Any
) -> AnyConfig:
    return experiment(
        {
            "data": {"name": "class-folder", "dir": place / "set", "height": 32, "width": 16},
            "model": {"name": model},
            "optim": {"batch_size": 10},
            "train": {"epochs": 2, "device": "cpu", "precision": "fp32", "threads": 1},
            "method": {"name": f"{method}:program", **options},
            "run": {"dir": place / "runs", "name": name},
        }
    )


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEAD + text)
    return path


def test_it_trains_as_a_row_would_and_leaves_nothing_beside_its_file(
    place: Path, tmp_path: Path
) -> None:
    record = jobs.train(config(place, written(tmp_path / "mine.py", GOOD), share=0.5))
    assert (record.method.name, list(record.results)) == ("mine.py:program", ["mine"])
    assert "0.5" in record.method.label
    assert str(tmp_path) not in record.model_dump_json()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def test_the_text_is_part_of_the_experiment_and_the_place_is_not(
    place: Path, tmp_path: Path
) -> None:
    one, same, other, option = (
        config(place, written(tmp_path / folder / "mine.py", text), folder, **options)
        for folder, text, options in (
            ("a", GOOD, {}),
            ("b", GOOD, {}),
            ("c", GOOD + "\n", {}),
            ("a", GOOD, {"share": 0.5}),
        )
    )
    assert fingerprint(one) == fingerprint(same)
    assert len({fingerprint(each) for each in (one, other, option)}) == 3
    assert plan(one)["phases"][0]["key"] != plan(other)["phases"][0]["key"]


def test_a_text_written_in_the_same_second_is_the_one_that_runs(
    place: Path, tmp_path: Path
) -> None:
    """Files of one length and one time: a cache of bytecode would take one for the other."""
    path = written(tmp_path / "mine.py", GOOD)
    config(place, path)
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    written(path, GOOD.replace('"mine"', '"ours"'))
    os.utime(path, ns=times)
    assert plan(config(place, path, "changed"))["networks"] == ["ours"]


def fitting(body: str) -> str:
    """Returns a method with two phases to be told apart, `fit(name, **)` and `new()`."""
    lines = "\n    ".join(body.splitlines())
    return f"""
class Plain(Loss):
    def __init__(self, factor):
        object.__setattr__(self, "factor", factor)

    def __call__(self, outputs, batch):
        return {{"ce": outputs.own.logits.sum() * self.factor}}


def train(trainer, epochs, options):
    new = trainer.new_model

    def fit(name, model=None, loss=None, **more):
        loss = loss or trainer.supervised
        return trainer.fit(model or new(), epochs=1, loss=loss, name=name, **more)

    {lines}


program = Method(train, Options, "of two phases")
"""


SPLIT = """\
from reid_srdl.methods.srdl import Referenced
one, other = trainer.view(trainer.classes[::2]), trainer.view(trainer.classes[1::2])
known = trainer.extract(fit("a", new(view=one)))
loss = Referenced(trainer.supervised, known, 3.0)
return {"x": fit("b", new(view=VIEW), loss)}
"""
FAULTS = {
    "a way out": (fitting("return {'../../x': fit('a')}"), "network ../../x: cannot be part", 1),
    "another way out": (fitting("return {'x': fit('../x')}"), "phase ../x: cannot be part", 1),
    "brackets": (fitting("return {'x': fit('x[1]')}"), "phase x[1]: cannot be part", 1),
    "no letters": (fitting("return {'': fit('a')}"), "network : cannot be part", 1),
    "a sum": (fitting("return {'a+b': fit('a')}"), "network a+b: cannot be part", 1),
    "one name twice": (fitting("fit('x')\nreturn {'x': fit('x')}"), "two phases are named 'x'", 1),
    "no dataclass": (fitting("return {'x': fit('x', loss=Plain(2.0))}"), "Plain: decorate it", 1),
    "other images": (fitting(SPLIT.replace("VIEW", "other")), "knowledge of other images", 1),
    "all images": (fitting(SPLIT.replace("VIEW", "None")), "knowledge of other images", 1),
    "no fit": (fitting("return {'x': new()}"), "trains nothing", 2),
    "extracts alone": (fitting("m = new()\ntrainer.extract(m)\nreturn {'x': m}"), "nothing", 2),
    "classes": (fitting("return {'x': fit('x', new(classes=3))}"), "those of its view", 1),
    "a span": (
        fitting(
            "from reid_srdl.training.schedule import Span\nreturn {'x': fit('x', span=Span(5, 3))}"
        ),
        "more than the 3 of its span",
        1,
    ),
    "options of another kind": (GOOD.replace("(train, Options", "(train, dict"), "subclass", 2),
    "leaves in the middle": (failing("raise SystemExit(0)"), "fails (SystemExit: 0)", 1),
    "no import": ("import nothing_of_this_name", "does not import (ModuleNotFoundError: No", 1),
    "no syntax": ("def train(:", "does not import (SyntaxError", 1),
    "leaves": ("raise SystemExit(0)", "does not import (SystemExit: 0)", 1),
    "no name": ("other = 1", "program is nothing, no Method", 2),
    "another thing": ("program = 3", "program is a int, no Method", 2),
    "raises": (failing("raise ValueError('oh')"), "mine.py:program: fails (ValueError: oh)", 1),
    "nothing": (failing("return None"), "mine.py:program: returns no models", 2),
    "no models": (failing("return {'mine': 3}"), "mine.py:program: returns no models", 2),
    "a list": (failing("return [trainer.new_model()]"), "mine.py:program: returns no models", 2),
    "empty": (failing("return {}"), "mine.py:program: returns no models", 2),
    "the moon": (asking("moon"), "the loss Asking asks for moon, which no phase gives", 1),
    "stages": (asking("stages"), "tiny has no stages that can be asked for", 1),
    "branches": (asking("branches"), "tiny has no branches", 1),
    "no loss": (
        asking("draws").replace("self.labels.of(outputs.own, batch)", "outputs.frozen['x']"),
        "mine.py:program: fails (KeyError: 'x')",
        1,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("do", [jobs.train, plan])
def test_a_fault_is_told_in_words_and_leaves_no_folder(
    place: Path, tmp_path: Path, fault: str, do: Any
) -> None:
    text, told, status = FAULTS[fault]
    with pytest.raises(UserError) as caught:
        do(config(place, written(tmp_path / "mine.py", text), fault.replace(" ", "-")))
    assert told in caught.value.what
    assert caught.value.exit_status == status
    assert caught.value.hint
    assert "\n" not in caught.value.what
    assert not (place / "runs" / fault.replace(" ", "-")).exists()


def test_parts_of_the_classes_may_be_taken_in_any_way(place: Path, tmp_path: Path) -> None:
    """The dry run knows no classes, and must not be short of them."""
    body = "view = trainer.view(trainer.classes[1::2])\nreturn {'x': fit('x', new(view=view))}"
    plan(config(place, written(tmp_path / "mine.py", fitting(body)), "parts"))


def test_a_copy_of_more_stages_than_there_are(place: Path, tmp_path: Path) -> None:
    body = "return {'x': fit('x', trainer.copy(new('a'), new('b'), 9))}"
    method = written(tmp_path / "mine.py", fitting(body))
    with pytest.raises(UserError, match="9 stages of staged: it has"):
        config(place, method, model="staged")


def test_no_file_is_run_that_others_name(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger's folder of a run: its record and configuration name a file of Python."""
    path = written(tmp_path / "mine.py", GOOD)
    jobs.train(config(place, path, "own"))
    monkeypatch.setattr("sys.modules", dict(sys.modules))
    sys.modules.pop(f"reid_srdl_own_{own.digest_of(f'{path}:program')}")
    written(path, f"open({str(tmp_path / 'ran')!r}, 'w')\n" + GOOD)
    scores, _ = evaluate_classes(place / "runs/own", device="cpu")
    assert list(scores) == ["mine"]
    assert check_run(place / "runs/own") == []
    (plan, *_) = [asked_plan("table4", 1.0, None, None)]
    _, notes = found_runs(plan, place / "runs", foreign=True)
    assert any("a method that the study does not name (left out)" in note for note in notes)
    assert not (tmp_path / "ran").exists()


def test_a_digest_is_never_given(place: Path) -> None:
    with pytest.raises(UserError, match=r"method\.digest: is of the file"):
        experiment({"method": {"name": "vanilla", "digest": "abc"}})


@pytest.mark.parametrize("name", [["x"], {"a": 1}, 3])
@pytest.mark.parametrize("section", ["data", "method", "model"])
def test_names_of_another_kind(section: str, name: object) -> None:
    with pytest.raises(UserError, match=rf"{section}\.name"):
        experiment({section: {"name": name}})


def test_branches_of_a_network_without_stages_are_refused(place: Path, tmp_path: Path) -> None:
    text = "from reid_srdl.models.changes import Branches\n" + GOOD.replace(
        "new_model()", "new_model(changes=(Branches(),))"
    )
    with pytest.raises(UserError, match="tiny"):
        jobs.train(config(place, written(tmp_path / "mine.py", text), "branched"))
    assert not (place / "runs/branched").exists()


def test_a_file_that_is_not_there(place: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.py: No such file") as caught:
        config(place, tmp_path / "none.py")
    assert caught.value.exit_status == 2


def test_classes_are_taken_by_name_and_known_when_the_data_is_open(
    place: Path, tmp_path: Path
) -> None:
    def of(classes: str) -> Path:
        text = GOOD.replace("new_model()", f"new_model(view=trainer.view({classes}))")
        return written(tmp_path / "mine.py", text)

    chosen = config(place, of("['ant', 'elk', 'cat']"), "viewed")
    planned = plan(chosen)
    record = jobs.train(chosen)
    assert planned["phases"][0]["work"] == record.phases[0].work.model_dump()
    assert record.evaluations[0].result is not None
    assert getattr(record.evaluations[0].result, "images", None) == 6
    with pytest.raises(UserError, match="no classes cow"):
        jobs.train(config(place, of("['ant', 'cow']"), "cow"))


SENDS = """
import os
import signal
CALLS = [0]


@dataclass(frozen=True)
class Sending(Loss):
    labels: LabelLoss

    def __call__(self, outputs, batch):
        CALLS[0] += batch.images.device.type != "meta"
        if CALLS[0] == 3 and "SEND" in os.environ:
            os.kill(os.getpid(), int(os.environ["SEND"]))
        return self.labels.of(outputs.own, batch)


def train(trainer, epochs, options):
    loss = Sending(trainer.supervised)
    return {"mine": trainer.fit(trainer.new_model(), epochs=epochs, loss=loss, name="mine")}


program = Method(train, Options, "sends itself a signal at its third step")
"""


def test_stopped_by_a_signal_it_goes_on_from_another_folder(place: Path, tmp_path: Path) -> None:
    """By the command line: status 143, then the same bits; with a changed text it is refused."""
    path = written(tmp_path / "work/mine.py", SENDS)
    (tmp_path / "else").mkdir()
    options = (
        *("--dataset", "class-folder", "--data-dir", str(place / "set"), "--model", "resnet18"),
        *("--set", "data.height=32", "--set", "data.width=16", "--batch-size", "10"),
        *("--epochs", "2", "--device", "cpu", "--precision", "fp32", "--set", "train.threads=1"),
        *("--method", "mine.py:program", "--runs", "runs", "--name", "stopped"),
    )
    cache = {"REID_SRDL_CACHE": str(place / "cache")}
    stopped = reid_srdl("train", *options, cwd=path.parent, environment=cache | {"SEND": "15"})
    assert stopped.returncode == 143, stopped.stderr
    assert "the same command goes on from there" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    folder = tmp_path / "work/runs/stopped"
    assert "0000000003" in max((folder / "phases").iterdir()).name

    written(path, SENDS + "\n")
    refused = reid_srdl("train", "--resume", folder, cwd=tmp_path / "else", environment=cache)
    assert_told(refused, "mine.py:program: the file has changed since the run began")
    written(path, SENDS)
    done = reid_srdl("train", "--resume", folder, cwd=tmp_path / "else", environment=cache)
    assert done.returncode == 0, done.stderr

    whole = config(place, path, "whole", model="resnet18")
    jobs.train(whole)
    ours, theirs = (
        load_file(run / "weights/mine.safetensors") for run in (folder, place / "runs/whole")
    )
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
