"""Fault 7: a run that began before a key came goes on; one that means something else says so."""

from __future__ import annotations

import importlib
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reid_srdl.config import fingerprint
from reid_srdl.errors import UserError
from reid_srdl.jobs.train import resume
from reid_srdl.methods import OPTIONS
from reid_srdl.records.folder import RunFolder
from reid_srdl.seals import write_sealed
from tests.reports.runs import Listener, people, run

LR = 0.05  # which is not the default


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped after the first of its two epochs."""
    root = tmp_path_factory.mktemp("older")
    with pytest.raises(KeyboardInterrupt):
        run(people(root / "w"), root / "runs", listener=Listener(stop=True), optim={"lr": LR})
    return root / "runs/r"


def leaves(tree: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, (*above, key))
        else:
            yield (*above, key)


def written(folder: RunFolder, tree: dict[str, Any]) -> None:
    """Writes a configuration as another version would have written it."""
    write_sealed(folder.config, yaml.safe_dump(tree, sort_keys=False))


def without(tree: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    key, *below = path
    if not below:
        return {name: value for name, value in tree.items() if name != key}
    return {**tree, key: without(tree[key], tuple(below))}


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_fault_07_keys_that_came_later_have_their_defaults(
    stopped: Path, data: st.DataObject
) -> None:
    folder = RunFolder(stopped)
    text = folder.config.read_text()
    whole = yaml.safe_load(text)
    began = folder.read_config(OPTIONS)
    paths = [path for path in leaves(whole) if path[:1] != ("run",)]
    gone = data.draw(st.sets(st.sampled_from(paths), min_size=1, max_size=5))
    tree = whole
    for path in gone:
        tree = without(tree, path)
    written(folder, tree)
    told = changed = None
    try:
        read = folder.read_config(OPTIONS)
        changed = fingerprint(read) != fingerprint(began)
    except UserError as error:
        told = error
    finally:
        write_sealed(folder.config, text)
    if told is None:
        assert not changed
        assert ("optim", "lr") not in gone
    else:
        assert "of another version of reid-srdl" in told.what
        assert "another --name" in told.hint


@pytest.mark.parametrize("ask", ["resume", "name"])
def test_fault_07_a_run_that_began_before_a_key_came_goes_on(
    stopped: Path, tmp_path: Path, ask: str
) -> None:
    folder = RunFolder(tmp_path / "runs/r")
    shutil.copytree(stopped, folder.path)
    tree = yaml.safe_load(folder.config.read_text())
    del tree["watch"], tree["model"]["stem"], tree["eval"]["same_camera"]
    written(folder, tree)
    listener = Listener()
    if ask == "resume":
        record = resume(folder.path, listener)
    else:
        data = Path(tree["data"]["dir"])
        record = run(data, folder.path.parent, listener=listener, optim={"lr": LR})
    assert record.status == "finished"
    assert listener.epochs == 1  # the second: the first was read back
    assert not listener.warnings


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("reid_srdl.jobs.rehearsal", "Optimisation"),
        ("reid_srdl.jobs.rehearsal", "StepDecay"),
        ("reid_srdl.training.plan", "Fit"),
        ("reid_srdl.training.plan", "PhaseFacts"),
        ("reid_srdl.training.setting", "DataFacts"),
    ],
)
def test_fault_07_a_phase_that_began_before_a_field_came_goes_on(
    stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    shutil.copytree(stopped, tmp_path / "runs/r")
    older = getattr(importlib.import_module(module), name)
    newer = make_dataclass(name, [("later", float, 0.5)], bases=(older,), frozen=True)
    for place in [one for key, one in sys.modules.items() if key.startswith("reid_srdl.")]:
        if vars(place).get(name) is older:
            monkeypatch.setattr(place, name, newer)
    listener = Listener()
    assert resume(tmp_path / "runs/r", listener).status == "finished"
    assert listener.epochs == 1
    assert not listener.warnings


def test_fault_07_a_key_of_another_version_is_told(stopped: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "runs/r")
    shutil.copytree(stopped, folder.path)
    tree = yaml.safe_load(folder.config.read_text())
    for other in ({**tree, "gone": {"key": 1}}, without(tree, ("optim", "lr"))):
        written(folder, other)
        with pytest.raises(UserError, match=r"config\.yaml: of another version of reid-srdl"):
            resume(folder.path)


def test_fault_07_a_phase_of_another_key_is_named_before_it_begins_again(
    stopped: Path, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path / "runs/r")
    shutil.copytree(stopped, folder.path)
    for path in folder.phases.iterdir():
        path.rename(path.with_name(re.sub(r"-[0-9a-f]{16}\.", f"-{'0' * 16}.", path.name)))
    listener = Listener()
    resume(folder.path, listener)
    assert listener.epochs == 2
    (line,) = [line for line in listener.warnings if "another version of reid-srdl" in line]
    assert "starts again from its beginning" in line


def test_fault_07_another_run_s_data_json_is_named(stopped: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "runs/r")
    shutil.copytree(stopped, folder.path)
    text = folder.trained_on.read_text()
    folder.trained_on.write_text(text.replace('"seed"', '"seed "').replace("1", "2"))
    with pytest.raises(UserError, match=r"data\.json: damaged, or of another run"):
        folder.read_config(OPTIONS)
