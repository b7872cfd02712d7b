"""Two finished runs on walkers, which the tests of pages and pictures share."""

from __future__ import annotations

from pathlib import Path

import pytest

from reid_srdl.cli import app
from reid_srdl.shell.outcome import run

MAKE = "--train-identities 4 --test-identities 5 --cameras 3 --images 2 --seed 3"
TRAIN = "--dataset walkers --model resnet32 --batch-size 8 --epochs 2 --set data.height=32"


@pytest.fixture(scope="session")
def walkers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder: the data in ``d``, the runs ``r/vanilla`` and ``r/srdl``; not to be changed."""
    place = tmp_path_factory.mktemp("walkers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_SRDL_CACHE", str(place / "cache"))
        assert (
            run(app, ["data", "make", "walkers", "--data-dir", str(place / "d"), *MAKE.split()])
            == 0
        )
        for method in ("vanilla", "srdl"):
            words = ["train", *TRAIN.split(), "--set", "data.width=16", "--method", method]
            words += ["--data-dir", str(place / "d"), "--runs", str(place / "r"), "--name", method]
            assert run(app, [*words, "--tensorboard"]) == 0
    return place
