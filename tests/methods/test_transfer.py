"""Transfer: what is copied, what moves, which classes count, whose runs may be the source."""

from __future__ import annotations

import copy
import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor
from torch._dynamo.utils import counters

from reid_srdl.config import parse_assignments, resolve
from reid_srdl.errors import UserError
from reid_srdl.jobs import train as jobs
from reid_srdl.jobs.dry_run import plan
from reid_srdl.jobs.experiment import experiment
from reid_srdl.methods import OPTIONS
from reid_srdl.methods.transfer import TransferOptions, halves, transfer
from reid_srdl.models.build import build
from reid_srdl.models.copying import check_copy
from reid_srdl.models.dividing import copy_stages, divided
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.records.leaderboard import leaderboard
from reid_srdl.training.plan import Planner
from reid_srdl.training.precision import Compute
from reid_srdl.training.values import Model
from tests.class_set import CLASSES, write_class_folder
from tests.jobs.test_plan import differences
from tests.methods import exact
from tests.small_set import write_small_set
from tests.training import tiny

ROOT = Path(__file__).parents[2]


def by_hand(trainer: exact.Exact, source: Any, *, stages: int, tune: bool) -> Any:
    """Yosinski et al.: layers 1 to n are the source's, the rest is random and learns."""
    net: Any = copy.deepcopy(trainer.new_model().network).train()
    learning = dict(net.named_parameters())
    for n in range(1, stages + 1):
        layer = f"stage{n}"
        net.trunk.get_submodule(layer).load_state_dict(
            source.trunk.get_submodule(layer).state_dict()
        )
        if not tune:
            net.trunk.get_submodule(layer).eval()  # batch norm by the source's statistics
            learning = {k: w for k, w in learning.items() if layer not in k}
    velocity = {name: torch.zeros_like(w) for name, w in learning.items()}
    for batch in exact.batches("transfer"):
        loss = F.cross_entropy(net(batch.images).logits, batch.labels)
        slopes = torch.autograd.grad(loss, list(learning.values()))
        with torch.no_grad():
            for (name, w), slope in zip(learning.items(), slopes, strict=True):
                g = slope + exact.DECAY * w
                velocity[name] = exact.MOMENTUM * velocity[name] + g
                w -= exact.LR * (g + exact.MOMENTUM * velocity[name])
    return net


@pytest.mark.parametrize(("stages", "tune"), [(2, False), (2, True), (3, False), (1, True)])
def test_five_steps_are_those_of_a_plain_loop(tmp_path: Path, stages: int, tune: bool) -> None:
    trainer = exact.trainer(tmp_path, "staged")
    done = transfer(trainer, 1, TransferOptions(stages=stages, tune=tune))["transfer"]
    other = exact.trainer(tmp_path / "other", "staged")  # a checkpoint is read back as float32
    source = other.fit(other.new_model("source"), epochs=1, loss=other.supervised, name="source")
    expected = by_hand(trainer, source.network, stages=stages, tune=tune)
    ours = tiny.weights(done)
    for name, value in expected.state_dict().items():
        assert ours[name].dtype in (torch.float64, torch.int64)
        assert (ours[name] - value).abs().max() < 1e-9, name


def moved(one: Model, other: Model) -> set[tuple[str, bool]]:
    """Returns the parts in which a weight moved (False), and those whose statistics did (True)."""
    before, now = tiny.weights(one), tiny.weights(other)
    names = {name for name in before if not torch.equal(before[name], now[name])}
    return {(n.removeprefix("trunk.").split(".")[0], "running" in n) for n in names}


@pytest.mark.parametrize("tune", [False, True])
def test_copied_stages_are_the_sources_to_the_bit_and_stay_or_move(
    tmp_path: Path, tune: bool
) -> None:
    trainer = tiny.trainer(tmp_path, network="staged")
    done = transfer(trainer, 1, TransferOptions(stages=2, tune=tune))["transfer"]
    start = trainer.phases[-1].models["transfer"]  # as it was before the first step
    source, drawn = tiny.weights(trainer.fitted("source")), tiny.weights(trainer.new_model())
    for name, value in tiny.weights(start).items():
        wanted = source if name.startswith(("trunk.stage1", "trunk.stage2")) else drawn
        assert torch.equal(value, wanted[name]), name
    assert not torch.equal(source["trunk.stage1.0.weight"], drawn["trunk.stage1.0.weight"])
    behind = {("stage3", False), ("stage3", True), ("classifier", False)}
    front = {(stage, running) for stage in ("stage1", "stage2") for running in (False, True)}
    assert moved(start, done) == (behind | front if tune else behind)


def test_no_stages_are_a_network_of_its_own(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path, network="staged")
    done = transfer(trainer, 1, TransferOptions(stages=0))["transfer"]
    assert [phase.name for phase in trainer.phases] == ["transfer"]
    plain = trainer.fit(done, epochs=1, loss=trainer.supervised, name="more")
    assert plain.key != done.key


def test_a_frozen_front_has_no_backward(tmp_path: Path) -> None:
    """3 x 3 convolutions: 3 to 4 channels on 16 x 8, 4 to 6 on 8 x 4, 6 to 8 on 4 x 2."""
    first, second, third, classifier = 16 * 8 * 27 * 4, 8 * 4 * 36 * 6, 4 * 2 * 54 * 8, 8 * 3
    forward = first + second + third + classifier
    backwards = {
        (2, False): third + 2 * classifier,  # neither stages 1 and 2, nor the maps before stage 3
        (3, False): classifier,
        (2, True): first + 2 * (second + third + classifier),  # no gradient of the images
    }
    for (stages, tune), backward in backwards.items():
        planner = tiny.planner(network="staged")
        transfer(planner, 2, TransferOptions(stages=stages, tune=tune, source_epochs=1))
        source, last = planner.phases
        assert (source.epochs, last.epochs) == (1, 2)
        assert (last.step_work.forward, last.step_work.backward) == (8 * forward, 8 * backward)
        assert source.step_work.backward == 8 * backwards[2, True]
        assert last.work.total == 2 * 3 * 8 * (forward + backward)


def test_the_halves_share_no_class_and_are_the_same_in_each_process() -> None:
    names = [f"class{number}" for number in range(101)]
    split = halves(names)
    assert [len(own) for own in split.values()] == [51, 50]  # A has one more
    assert sorted((*split["A"], *split["B"])) == sorted(names)
    assert all(list(own) == sorted(own, key=names.index) for own in split.values())
    assert split["A"] != tuple(names[:51])
    code = (
        "import sys, json; from reid_srdl.methods.transfer import halves; "
        f"print(json.dumps(halves({names!r})), 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    told, torch_came = done.stdout.rsplit(" ", 1)
    assert {name: tuple(own) for name, own in json.loads(told).items()} == split
    assert torch_came.strip() == "False"


def of_classes(count: int, seed: int = 0) -> Planner:
    """A planner of data with so many classes of 8 images each."""
    setting = tiny.setting(network="staged", seed=seed)
    names = tuple(f"class{number}" for number in range(count))
    data = dataclasses.replace(setting.data, classes=names, counts=(8,) * count)
    network = dataclasses.replace(setting.network, classes=count)
    return Planner(dataclasses.replace(setting, data=data, network=network))


def test_source_and_result_know_the_halves_that_were_asked_for() -> None:
    for seed in (0, 5):  # the split is no draw of the seed
        planner = of_classes(7, seed)
        split = halves(planner.classes)
        options = TransferOptions(classes="B", source_classes="A")
        done = transfer(planner, 1, options)["transfer"]
        assert done.view is not None
        assert done.view.classes == split["B"]
        assert done.spec.classes == 3
        source, last = planner.phases
        assert [(phase.name, phase.images) for phase in planner.phases] == [
            ("source", 32),
            ("transfer", 24),
        ]
        assert [model.view.classes for model in source.models.values() if model.view] == [
            split["A"]
        ]
        assert last.specs["transfer"].classes == 3
    selffer = of_classes(7)
    transfer(selffer, 1, TransferOptions(classes="B"))  # BnB
    assert [phase.images for phase in selffer.phases] == [24, 24]


@pytest.mark.parametrize("key", ["classes", "source_classes"])
def test_three_classes_have_no_halves(key: str) -> None:
    options = TransferOptions.model_validate({key: "A"})
    with pytest.raises(UserError, match=r"walkers has 3 classes: two halves .* take four"):
        transfer(of_classes(3), 1, options)
    assert transfer(of_classes(4), 1, options)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("stages=0 tune=on", "method.tune: nothing is copied while method.stages is 0"),
        ("stages=0 source=resnet32", "method.source: nothing is copied"),
        ("stages=0 source_epochs=3", "method.source_epochs: nothing is copied"),
        ("stages=0 source_classes=A", "method.source_classes: nothing is copied"),
        ("source=./run source_epochs=3", "method.source_epochs: is for a source that is trained"),
        ("source=./run source_classes=A", "method.source_classes: is for a source"),
        ("stages=-1", "method.stages"),
        ("classes=C", "method.classes"),
        ("restart=off", "method.restart: no such key"),
    ],
)
def test_settings_that_make_no_sense_are_told(given: str, told: str) -> None:
    words = ["method.name=transfer", *(f"method.{word}" for word in given.split())]
    with pytest.raises(UserError) as caught:
        resolve(parse_assignments(words), OPTIONS)
    assert told in caught.value.what
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("model", "method", "told"),
    [
        ("staged", {"stages": 4}, "4 stages of staged: it has 3"),
        ("tiny", {}, "tiny has no stages"),
        ("staged", {"source": "tiny"}, "tiny has no stages"),
        ("staged", {"source": "stagged"}, "method.source: no such network 'stagged'"),
    ],
)
def test_stages_that_there_are_not_are_told_before_any_data_is_opened(
    tmp_path: Path, model: str, method: dict[str, Any], told: str
) -> None:
    tree = {"data": {"name": "class-folder", "dir": tmp_path / "none"}, "model": {"name": model}}
    with pytest.raises(UserError) as caught:
        experiment({**tree, "method": {"name": "transfer", **method}})
    assert told in caught.value.what
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (NetworkSpec("resnet110", 10), "1 stages of resnet110 do not fit resnet32: trunk."),
        (NetworkSpec("resnet18", 10), "1 stages of resnet18 do not fit resnet32: trunk."),
        (NetworkSpec("resnet32", 10, channels=1), "images of 1 channels, resnet32 of 3"),
    ],
)
def test_stages_that_do_not_fit_are_told(source: NetworkSpec, told: str) -> None:
    into = NetworkSpec("resnet32", 100, (32, 32))
    check_copy(NetworkSpec("resnet32", 3, (64, 32)), into, 3)  # classes and sizes may differ
    with pytest.raises(UserError) as caught:
        check_copy(source, into, 1)
    assert told in caught.value.what


def test_a_plan_tells_before_training_that_stages_do_not_fit() -> None:
    planner = tiny.planner(network="resnet32")
    with pytest.raises(UserError, match="3 stages of resnet110 do not fit resnet32"):
        transfer(planner, 1, TransferOptions(source="resnet110", stages=3))


def test_weights_of_a_block_beside_its_layers_go_with_them() -> None:
    """ConvNeXt's blocks scale their answer by weights of their own."""
    spec = NetworkSpec("torchvision:convnext_tiny", 3, (32, 32))
    source, into = build(spec, seed=0), build(spec, seed=1)
    for parameter in source.parameters():
        parameter.data.add_(1.0)
    ours, own = copy_stages(source, into, 2).state_dict(), source.state_dict()
    blocks = tuple(f"trunk.features.{number}." for number in ("0", "1", "2", "3", "4.0"))
    front = [name for name in own if name.startswith(blocks)]  # 4.0: a norm before the halving
    taken = {name for name, value in ours.items() if torch.equal(value, own[name])}
    assert taken == set(front)
    assert any("layer_scale" in name for name in front)
    before, behind = divided(source, source.stages[1])
    held = {id(p) for module in before for p in module.parameters()}
    assert held == {id(p) for name, p in source.named_parameters() if name in front}
    assert held.isdisjoint(id(p) for module in behind for p in module.parameters())


# Whole runs


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with six classes, two sets of other people, and a cache of its own."""
    place = tmp_path_factory.mktemp("transfer")
    write_class_folder(place / "classes", train=6, test=3)
    write_small_set(place / "people", train=6)
    write_small_set(place / "others", train=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_SRDL_CACHE", str(place / "cache"))
        yield place


def tree(place: Path, name: str, data: str = "classes", **method: Any) -> dict[str, Any]:
    kind = "class-folder" if data == "classes" else "folder"
    machine = {"device": "cpu", "precision": "fp32", "threads": 1}
    return {
        "data": {"name": kind, "dir": str(place / data), "height": 32, "width": 16},
        "model": {"name": "resnet32"},
        "optim": {"batch_size": 6, "lr": 0.01},
        "train": {"epochs": 1, "checkpoint_minutes": 1e-9, **machine},
        "method": {"name": "transfer", **method},
        "run": {"dir": str(place / "runs"), "name": name},
    }


def test_the_result_is_judged_on_its_classes_and_the_plan_is_the_record(place: Path) -> None:
    chosen = experiment(tree(place, "a2b", classes="B", source_classes="A", stages=2))
    planned = json.loads(json.dumps(plan(chosen)))
    made = jobs.train(chosen)
    record = json.loads(made.model_dump_json())
    ours = {key: value for key, value in planned.items() if key != "networks"}
    assert not list(differences(ours, record))
    result: Any = made.result
    assert result.images == 9  # 3 of 6 classes, 3 test images each
    origin = load_metadata(place / "runs/a2b/weights/transfer.safetensors")
    assert origin["classes"] == list(halves(CLASSES)["B"])
    assert "transfer" in made.method.label
    assert made.cost.epochs == 2  # the source's, too
    source, last = made.phases
    assert (source.name, last.name) == ("source", "transfer")
    assert last.work.forward == source.work.forward
    assert last.work.backward < source.work.backward / 2

    plain = tree(place, "plain")
    plain["method"] = {"name": "vanilla"}
    baseline = jobs.train(experiment(plain))
    board = leaderboard([made, baseline])
    assert len(board.rows) == 2
    assert not board.gains  # of other test images


def load_metadata(path: Path) -> dict[str, Any]:
    from reid_srdl.models.spec_files import read_origin

    return {"classes": list(read_origin(path).classes)}


def test_killed_at_a_step_it_comes_to_the_same_bits(place: Path) -> None:
    options: dict[str, Any] = {"classes": "B", "source_classes": "A", "stages": 1}
    whole = jobs.train(experiment(tree(place, "whole", **options)))
    for step in (1, 4):  # in the source, and in the result: 18 images in batches of 6 each
        name = f"killed-{step}"
        settings = place / f"{name}.json"
        settings.write_text(json.dumps(tree(place, name, **options)))
        command = [sys.executable, "-m", "tests.killed", str(step), str(settings)]
        assert subprocess.run(command, cwd=ROOT, check=False).returncode == -9
        again = jobs.resume(place / "runs" / name)
        assert again.evaluations == whole.evaluations
        one, other = (
            load_file(place / "runs" / run / "weights/transfer.safetensors")
            for run in ("whole", name)
        )
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.skipif(not shutil.which("g++"), reason="g++ compiles the kernels")
@pytest.mark.parametrize("tune", [False, True])
def test_it_is_compiled_whole_and_computes_the_same(tmp_path: Path, tune: bool) -> None:
    counters.clear()
    ends = []
    for compiled in (True, False):
        trainer = tiny.trainer(
            tmp_path,
            network="staged",
            training_set=tiny.training_set(8),  # one step an epoch
            compute=Compute(torch.device("cpu"), "fp32", 1, compile=compiled),
        )
        done = transfer(trainer, 2, TransferOptions(stages=2, tune=tune))["transfer"]
        ends.append(tiny.weights(done))
    assert counters["stats"]["unique_graphs"] == 2
    assert not counters["graph_break"]
    one, other = ends
    assert all(torch.allclose(one[key], other[key], atol=1e-3) for key in one)


@pytest.fixture(scope="module")
def source(place: Path) -> Path:
    """A finished run on other people."""
    plain = tree(place, "others", "others")
    plain["method"] = {"name": "vanilla"}
    plain["optim"]["ema"] = 0.5
    jobs.train(experiment(plain))
    return place / "runs/others"


def front(path: Path, stages: int = 1) -> dict[str, Tensor]:
    kept = ("trunk.conv1", *(f"trunk.group{number}" for number in range(1, stages + 1)))
    return {name: value for name, value in load_file(path).items() if name.startswith(kept)}


@pytest.mark.parametrize("kind", ["run", "file", "average", "elsewhere", "other-data"])
def test_a_source_may_know_other_people_or_classes(
    place: Path, source: Path, kind: str, tmp_path: Path
) -> None:
    weights = source / "weights/vanilla.safetensors"
    average = source / "weights/vanilla.ema.safetensors"
    named = {"file": weights, "average": average, "elsewhere": tmp_path / "mine.safetensors"}
    shutil.copy(weights, named["elsewhere"])
    path = named.get(kind, source)
    data = "classes" if kind == "other-data" else "people"
    chosen = experiment(tree(place, f"from-{kind}", data, source=str(path)))
    planned = json.loads(json.dumps(plan(chosen)))
    made = jobs.train(chosen)
    assert not list(
        differences({k: v for k, v in planned.items() if k != "networks"}, record(made))
    )
    taken = average if kind == "average" else weights
    ours, theirs = (
        front(path) for path in (place / f"runs/from-{kind}/weights/transfer.safetensors", taken)
    )
    assert ours.keys() == theirs.keys()
    assert ours
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    method: Any = made.config["method"]
    network = {"average": ":vanilla.ema", "elsewhere": ":vanilla"}.get(kind, "")
    assert method["source"] == f"others{network}"
    assert made.method.label == "transfer (source=resnet32)"
    teacher = jobs.read_record(source)
    if kind == "elsewhere":
        assert made.cost.teachers_work.total == 0
    else:
        assert made.cost.teachers_work == teacher.true_work
        assert made.cost.teachers == teacher.cost.trcost
    assert made.true_work == made.work + made.cost.teachers_work


def record(made: Any) -> Any:
    return json.loads(made.model_dump_json())


def test_the_source_s_experiment_tells_runs_apart_and_its_place_does_not(
    place: Path, source: Path
) -> None:
    def experiment_of(path: Path) -> str:
        chosen = experiment(tree(place, "told", "people", source=str(path)))
        return str(plan(chosen)["experiment"])

    weights = (source / f"weights/vanilla{kind}.safetensors" for kind in ("", ".ema"))
    run, file, average = map(experiment_of, (source, *weights))
    assert run == file != average


@pytest.mark.parametrize("do", [plan, jobs.train])
@pytest.mark.parametrize("wrong", ["nowhere", "set", "text", "foreign"])
def test_what_is_no_source_is_told_before_training(
    place: Path, tmp_path: Path, do: Any, wrong: str
) -> None:
    path = {"set": place / "classes"}.get(wrong, tmp_path / wrong)
    if wrong == "text":
        path.write_text("weights")
    if wrong == "foreign":
        from safetensors.torch import save_file

        save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(UserError) as caught:
        do(experiment(tree(place, "lost", source=str(path))))
    assert str(path) in caught.value.what
    assert not (place / "runs/lost").exists()
