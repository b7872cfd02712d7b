from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.run import reid_srdl
from tests.data.classes.factory import write_class_folders

SMALL = ("--train-identities", "2", "--test-identities", "2", "--images", "2", "--cameras", "3")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "reid_srdl", "data", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    done = run("make", "walkers", "--data-dir", folder, *SMALL)
    assert done.returncode == 0, done.stderr
    assert "walkers: made" in done.stdout
    return folder


def test_make_again(made: Path) -> None:
    done = run("make", "walkers", "--data-dir", made, *SMALL)
    assert (done.returncode, done.stderr) == (0, "")
    assert "there already" in done.stdout
    done = run("make", "walkers", "--data-dir", made, *SMALL, "--seed", 1)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.splitlines()[1].startswith("hint:  delete that folder")


def test_check(made: Path) -> None:
    done = run("check", "walkers", "--data-dir", made)
    assert (done.returncode, done.stderr) == (0, "")
    assert "ok: ready to use" in done.stdout
    assert "bounding_box_train" in done.stdout


def test_check_json(made: Path) -> None:
    report = json.loads(run("check", "walkers", "--data-dir", made, "--json").stdout)
    assert report["ok"] is True
    assert report["problems"] == []
    assert report["rows"][0]["counts"]["identities"] == 2
    assert report["rows"][0]["official"] is None


def test_check_fails(made: Path, tmp_path: Path) -> None:
    done = run("check", "market1501", "--data-dir", made / "walkers")
    assert done.returncode == 1
    assert "where 12,936 are official" in done.stdout
    done = run("check", "walkers", "--data-dir", tmp_path / "nowhere")
    assert done.returncode == 1
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["error", "hint"]
    done = run("check", "walker", "--data-dir", made)
    assert done.returncode == 2
    assert "did you mean 'walkers'?" in done.stderr


def test_check_of_classes(tmp_path: Path) -> None:
    root = write_class_folders(tmp_path / "set")
    done = run("check", "class-folder", "--data-dir", root)
    assert (done.returncode, done.stderr) == (0, "")
    assert "classes" in done.stdout
    assert "ok: ready to use" in done.stdout
    victim = next((root / "val" / "n02099712").iterdir())
    victim.unlink()
    victim.parent.rmdir()
    done = run("check", "class-folder", "--data-dir", root)
    assert done.returncode == 1
    assert "problem: val lacks a class folder that train has\n  n02099712" in done.stdout
    done = run("check", "imagenet", "--data-dir", root, "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert report["rows"][0]["official"] == {"images": 1281167, "classes": 1000}


def test_check_of_sums(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for name in ("train", "test", "meta"):
        (folder / name).write_bytes(b"")
    done = run("check", "cifar100", "--data-dir", tmp_path)
    assert done.returncode == 1
    assert "d41d8cd98f00b204e9800998ecf8427e" in done.stdout  # of nothing
    assert "16019d7e3df5f24257cddd939b257f8d" in done.stdout
    assert "train: corrupt" in done.stdout


@pytest.mark.parametrize("command", [("check",), ("make", "walkers"), ()])
def test_help_is_light(command: tuple[str, ...]) -> None:
    done = run(*command, "--help")
    assert done.returncode == 0
    if command:
        assert "Example" in done.stdout
    program = (
        "import sys; from reid_srdl.cli import app; import reid_srdl.data.check; "
        "import reid_srdl.data.walkers; "
        "assert not {'torch', 'faiss', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_list_names_every_data_set(tmp_path: Path) -> None:
    from reid_srdl.data import DATASETS

    done = reid_srdl("data", "list", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    named = [line.split(" ")[0] for line in done.stdout.splitlines() if line[:1].strip()]
    assert named == list(DATASETS)
