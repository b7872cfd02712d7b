"""The built wheel works outside the checkout: what it reads is inside, and the command finds it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from tests.pages import ROOT

pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*pip, "--quiet", "--wheel-dir", str(folder), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("reid_srdl-*.whl")
    return built


def test_the_extra_of_developers_holds_every_other_one() -> None:
    tree = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = tree["project"]["optional-dependencies"]
    held = next(line for line in extras["dev"] if line.startswith("reid-srdl["))
    assert set(held.removeprefix("reid-srdl[").rstrip("]").split(",")) == extras.keys() - {"dev"}


def test_everything_that_is_read_at_run_time_is_inside(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for kind in ("recipes", "studies"):
        files = list((ROOT / "configs" / kind).glob("*.yaml"))
        assert files
        assert {f"reid_srdl/{kind}/{file.name}" for file in files} <= names
    package = ROOT / "reid_srdl"
    files = (f for f in package.rglob("*") if f.is_file() and "__pycache__" not in f.parts)
    assert {f.relative_to(ROOT).as_posix() for f in files} <= names
    assert "reid_srdl/py.typed" in names


def test_a_fresh_environment_can_use_it(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "fresh"
    venv.create(place, with_pip=False)
    python = place / "bin" / "python"
    own = Path(sysconfig.get_path("purelib", vars={"base": str(place)}))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(own)
    # Dependencies come from the environment that runs this test, behind the wheel's own folder.
    behind = [path for path in sys.path if path.endswith("site-packages")]
    (own / "dependencies.pth").write_text("\n".join(behind) + "\n")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def answer(*arguments: str) -> str:
        done = subprocess.run(
            [str(python), *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = answer("-c", "import reid_srdl; print(reid_srdl.__file__)")
    assert Path(where.strip()).is_relative_to(place), "the checkout was imported"
    assert "table4" in answer("-m", "reid_srdl", "study", "list")
    assert "name: paper" in answer(
        "-m", "reid_srdl", "train", "--recipe", "paper", "--print-config"
    )
    assert "71.63" in answer("-m", "reid_srdl", "study", "show", "table4")
