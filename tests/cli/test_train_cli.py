"""Training from the command line: to its record, killed and resumed, and with bad input."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import filelock
import pytest
import torch
from safetensors.torch import load_file

from reid_srdl.records.store import read_record
from tests.cli.run import assert_told, reid_srdl
from tests.small_set import write_small_set

SMALL = (
    *("--dataset", "folder", "--data-dir", "set", "--model", "resnet18", "--precision", "fp32"),
    *("--batch-size", "12", "--set", "data.height=32", "--set", "data.width=16"),
    *("--set", "train.threads=1", "--set", "optim.lr=0.01"),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small data set and one finished SRDL run, ``runs/whole``."""
    place = tmp_path_factory.mktemp("place")
    write_small_set(place / "set")
    done = reid_srdl("train", *SMALL, "--epochs", "4", "--name", "whole", cwd=place)
    assert done.returncode == 0, done.stderr
    return place


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "weights" / "srdl.safetensors")


def same_weights(one: Path, other: Path) -> bool:
    ours, theirs = weights(one), weights(other)
    return all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_a_run_leaves_its_record(place: Path) -> None:
    record = read_record(place / "runs/whole")
    assert (record.method.name, record.model, record.seed, record.epochs) == (
        "srdl",
        "resnet18",
        0,
        4,
    )
    assert record.dataset.images == 36
    assert record.dataset.identities == 6
    assert [(phase.name, phase.kind, phase.epochs) for phase in record.phases] == [
        ("first", "fit", 2),
        ("knowledge", "extract", 1),
        ("second", "fit", 2),
    ]
    assert record.cost.trcost == pytest.approx(record.cost.macs * (4 + 1) * 36 / 1e16)
    assert record.result is not None
    assert record.result.single_query.queries == 12
    assert record.result.multi_query is not None
    kept = record.evaluations[0].per_query
    assert kept is not None
    queries = kept.single_query
    assert len(queries.ap) == len(set(queries.names or ())) == 12
    assert queries.inp is not None
    assert sum(inp or 0 for inp in queries.inp) / 12 == pytest.approx(
        record.result.single_query.mINP
    )
    told = (queries.names or (), queries.pids or (), queries.camids or ())
    for name, pid, camid in zip(*told, strict=True):
        assert name.startswith(f"{pid:04d}_c{camid}")
    assert str(place) not in (place / "runs/whole/record.json").read_text()
    assert record.config["train"]["threads"] == 1  # type: ignore[index,call-overload]


def test_runs_can_be_compared(place: Path) -> None:
    done = reid_srdl("compare", "runs/whole", "runs/whole", "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    tree = json.loads(done.stdout)
    assert tree["single_query"]["queries"] == 12
    assert tree["multi_query"] is not None
    assert {score["p"] for score in tree["single_query"]["scores"]} == {1.0}


def test_metrics_are_one_line_of_json_per_epoch(place: Path) -> None:
    lines = (place / "runs/whole/metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [(row["phase"], row["epoch"]) for row in rows] == [
        ("first", 1),
        ("first", 2),
        ("second", 1),
        ("second", 2),
    ]
    terms = [set(row["networks"][row["phase"]]["terms"]) for row in rows]
    assert terms == [{"ce"}, {"ce"}, {"ce", "kl"}, {"ce", "kl"}]


def test_the_same_command_again_finds_the_run_finished(place: Path) -> None:
    before = (place / "runs/whole/record.json").read_text()
    done = reid_srdl("train", *SMALL, "--epochs", "4", "--name", "whole", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "epoch" not in done.stderr
    assert (place / "runs/whole/record.json").read_text() == before


def test_plain_lines_tell_loss_accuracy_rate_and_time_left(tmp_path: Path) -> None:
    write_small_set(tmp_path / "set")
    done = reid_srdl(
        "train", *SMALL, "--epochs", "2", "--method", "vanilla", "--no-eval", cwd=tmp_path
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("vanilla epoch")]
    assert len(lines) == 2
    for word in ("loss", "accuracy", "lr", "images/s", "left"):
        assert word in lines[0]
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name.startswith("folder-resnet18-vanilla-seed0-")
    assert read_record(run).result is None


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_kill_9_then_resume_is_bit_identical(place: Path, epochs: int) -> None:
    """Killed once ``epochs`` epochs are done, wherever it is then."""
    name = f"killed{epochs}"
    run = place / "runs" / name
    command = [sys.executable, "-m", "reid_srdl", "train", *SMALL, "--epochs", "4", "--name", name]
    process = subprocess.Popen(
        command, cwd=place, stderr=subprocess.DEVNULL, env=os.environ | {"REID_SRDL_CACHE": "cache"}
    )
    try:
        for _ in range(1200):
            metrics = run / "metrics.jsonl"
            if metrics.exists() and len(metrics.read_text().splitlines()) >= epochs:
                break
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (run / "record.json").exists()
    done = reid_srdl("train", "--resume", ".", "--device", "cpu", cwd=run)
    assert done.returncode == 0, done.stderr
    assert same_weights(run, place / "runs/whole")
    ours, theirs = read_record(run), read_record(place / "runs/whole")
    assert ours.evaluations == theirs.evaluations


def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    write_small_set(tmp_path / "set")
    command = [sys.executable, "-m", "reid_srdl", "train", *SMALL, "--epochs", "400", "--name", "a"]
    environment = os.environ | {"REID_SRDL_CACHE": str(tmp_path / "cache")}
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        # As from a terminal: the tests themselves may run where SIGINT is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stderr is not None
    process.stderr.readline()  # that weights are drawn at random
    first_line = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate()
    assert process.returncode == 130
    assert "epoch 1/200" in first_line
    assert "the same command goes on from there" in rest
    assert "Traceback" not in rest


def test_evaluation_that_was_left_out_is_made_up_for(place: Path) -> None:
    """--no-eval leaves it out; the same run with evaluation reads its phases back."""
    options = (*SMALL, "--epochs", "4", "--name", "later")
    assert reid_srdl("train", *options, "--no-eval", cwd=place).returncode == 0
    assert read_record(place / "runs/later").result is None
    done = reid_srdl("train", *options, cwd=place)
    assert "2 of 2 epochs read back" in done.stderr
    assert read_record(place / "runs/later").result == read_record(place / "runs/whole").result


def test_extract_writes_the_features_that_were_evaluated(place: Path) -> None:
    from reid_srdl import evaluate, load_features

    done = reid_srdl("extract", "runs/whole", "-o", "f.npz", cwd=place)
    assert done.returncode == 0, done.stderr
    features = load_features(place / "f.npz")
    assert features.query.names is not None
    assert features.query.names[0].startswith("0101_c1")
    recorded = read_record(place / "runs/whole").result
    assert evaluate(features).evaluation == recorded


def test_bf16_trains_too(place: Path) -> None:
    options = (*SMALL, "--epochs", "2", "--name", "bf16", "--no-eval", "--precision", "bf16")
    options += ("--model", "resnet20")  # maps of resnet18 are one pixel wide: wrong in bf16
    assert reid_srdl("train", *options, cwd=place).returncode == 0
    record = read_record(place / "runs/bf16")
    assert record.device.precision == "bf16"


# Bad input


def test_another_configuration_under_the_same_name(place: Path) -> None:
    done = reid_srdl("train", *SMALL, "--epochs", "6", "--name", "whole", cwd=place)
    assert_told(done, "runs/whole", "another configuration", "--resume")


def test_a_folder_that_is_no_run(place: Path) -> None:
    (place / "runs/mine").mkdir(exist_ok=True)
    (place / "runs/mine/notes.txt").write_text("mine")
    done = reid_srdl("train", *SMALL, "--epochs", "4", "--name", "mine", cwd=place)
    assert_told(done, "runs/mine", "not a run", "--name")
    done = reid_srdl("train", "--resume", "runs/mine", cwd=place)
    assert_told(done, "runs/mine", "not a run folder")
    assert [path.name for path in (place / "runs/mine").iterdir()] == ["notes.txt"]


def test_a_run_that_another_process_is_writing_to(place: Path) -> None:
    (place / "runs/busy").mkdir(exist_ok=True)
    with filelock.FileLock(place / "runs/busy/.lock"):
        done = reid_srdl("train", *SMALL, "--epochs", "4", "--name", "busy", cwd=place)
    assert_told(done, "runs/busy", "another process")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--set", "optim.lrr=1"), ("optim.lrr", "did you mean 'optim.lr'?")),
        (("--set", "optim.lr=fast"), ("optim.lr",)),
        (("--set", "optim.lr"), ("--set",)),
        (("--epochs", "-4"), ("train.epochs",)),
        (("--method", "srld"), ("method.name", "did you mean 'srdl'?")),
        (("--model", "resnt50"), ("model.name", "resnet50")),
        (("--dataset", "market"), ("data.name", "market1501")),
        (("--config", "none.yaml"), ("none.yaml", "YAML")),
        (("--device", "tpu"), ("train.device", "tpu")),
        (("--resume", "runs/whole"), ("--resume",)),
        (("--name", "../out"), ("run.name",)),
    ],
)
def test_wrong_options(place: Path, options: tuple[str, ...], words: tuple[str, ...]) -> None:
    before = sorted((place / "runs").iterdir())
    done = reid_srdl("train", *SMALL, "--epochs", "4", *options, cwd=place)
    assert_told(done, *words, status=2)
    assert sorted((place / "runs").iterdir()) == before


@pytest.mark.parametrize(
    ("options", "words", "status"),
    [
        (("--data-dir", "nowhere"), ("2 places for folder, which is 1 set: set, nowhere",), 2),
        (("--batch-size", "37"), ("optim.batch_size", "36 training images"), 2),
        (("--set", "data.identities=7"), ("data.identities", "6"), 2),
        (("--set", "model.init=imagenet", "--set", "model.weights=w.pth"), ("w.pth",), 2),
    ],
)
def test_what_cannot_be_trained_leaves_no_folder(
    place: Path, options: tuple[str, ...], words: tuple[str, ...], status: int
) -> None:
    done = reid_srdl("train", *SMALL, "--epochs", "4", "--name", "bad", *options, cwd=place)
    assert_told(done, *words, status=status)
    assert not (place / "runs/bad").exists()


def test_a_truncated_image_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    write_small_set(tmp_path / "set")
    victim = sorted((tmp_path / "set/bounding_box_train").iterdir())[3]
    victim.write_bytes(victim.read_bytes()[:200])
    done = reid_srdl("train", *SMALL, "--epochs", "2", cwd=tmp_path)
    assert_told(done, victim.name)
    assert not (tmp_path / "runs").exists()


def test_a_loss_that_explodes_stops_the_run(place: Path) -> None:
    small = [word.replace("optim.lr=0.01", "optim.lr=1e30") for word in SMALL]
    options = (*small, "--epochs", "4", "--name", "hot")
    done = reid_srdl("train", *options, cwd=place)
    assert_told(done, "epoch 1", "batch", "of 3")
    assert not (place / "runs/hot/record.json").exists()


@pytest.mark.parametrize("content", [b"", b"text", pickle.dumps({"a": 1})])
def test_a_foreign_file_for_weights_is_refused(place: Path, content: bytes) -> None:
    run = place / "runs/foreign"
    (run / "weights").mkdir(parents=True, exist_ok=True)
    for name in ("config.yaml", "record.json"):
        (run / name).write_text((place / "runs/whole" / name).read_text())
    (run / "weights/srdl.safetensors").write_bytes(content)
    done = reid_srdl("extract", run, "-o", "g.npz", cwd=place)
    assert_told(done, "srdl.safetensors", "nothing in it was executed")
    assert not (place / "g.npz").exists()


@pytest.mark.parametrize("content", [b"", b"text", pickle.dumps({"a": 1})])
def test_a_foreign_file_for_a_checkpoint_is_named_and_never_read(
    tmp_path: Path, content: bytes
) -> None:
    write_small_set(tmp_path / "set")
    options = (*SMALL, "--epochs", "2", "--method", "vanilla", "--name", "a", "--no-eval")
    assert reid_srdl("train", *options, cwd=tmp_path).returncode == 0
    weights = tmp_path / "runs/a/weights/vanilla.safetensors"
    whole = weights.read_bytes()
    (tmp_path / "runs/a/record.json").unlink()
    weights.unlink()
    checkpoints = sorted((tmp_path / "runs/a/phases").iterdir())
    for checkpoint in checkpoints:
        checkpoint.write_bytes(content)
    done = reid_srdl("train", "--resume", "runs/a", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(checkpoints) == 2
    for word in (
        *(file.name for file in checkpoints),
        "nothing in it was executed",
        "starts again",
    ):
        assert word in done.stderr
    assert weights.read_bytes() == whole
