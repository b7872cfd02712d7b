"""Shared phases: taken over to the same bits, waited for, named if damaged, whole after kills."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import filelock
import pytest

from reid_srdl.errors import UserError
from reid_srdl.methods.srdl import SRDLOptions, srdl
from reid_srdl.records import phase_store
from reid_srdl.records.phase_store import PhaseStore
from reid_srdl.training.extraction import Extraction
from reid_srdl.training.fitting import Fitting
from reid_srdl.training.logit_table import LogitTable
from reid_srdl.training.sharing import Sharing
from tests.training import tiny

EPOCHS = 4
PHASES = ("first", "knowledge", "second")


class Heard:
    """A run's sharing, and what it said."""

    def __init__(self, top: Path, run: str, **circumstances: Any) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []
        store = PhaseStore(top / ".phases")
        self.sharing = Sharing(store, run, circumstances, self.notes.append, self.warnings.append)


def trained(top: Path, run: str, heard: Heard | None = None, **options: Any) -> Any:
    """Trains SRDL in a folder of its own, with a store or without; returns weights and rows."""
    recorder = tiny.Recorder()
    trainer = tiny.trainer(top / run, recorder)
    trainer._sharing = heard.sharing if heard else None
    models = srdl(trainer, EPOCHS, SRDLOptions(**options))
    rows = [row.model_dump(exclude={"seconds"}) for p in trainer.phases for row in p.rows]
    return {name: tiny.weights(model) for name, model in models.items()}, rows


def same(one: Any, other: Any) -> bool:
    weights = all(tiny.same(one[0][name], other[0][name]) for name in one[0] | other[0])
    return weights and one[1] == other[1]


def entries(top: Path) -> dict[str, Path]:
    """Returns the store's entries by the names of their phases."""
    found = {}
    for folder in (top / ".phases").glob("*/"):
        name = next(path.name for path in folder.glob("*.safetensors"))
        found[name.rpartition("-")[0]] = folder
    return found


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was really done: the phase of each epoch, and of each extraction that fills rows."""
    done: list[str] = []
    epoch, fill = Fitting._epoch, Extraction._fill

    def of_epoch(self: Fitting, number: int) -> None:
        done.append(self._phase.name)
        epoch(self, number)

    def of_fill(self: Extraction, table: Any, interrupts: Any) -> None:
        done.append(self._phase.name)
        fill(self, table, interrupts)

    monkeypatch.setattr(Fitting, "_epoch", of_epoch)
    monkeypatch.setattr(Extraction, "_fill", of_fill)
    return done


def test_a_taken_phase_gives_the_same_bits_and_rows(tmp_path: Path, work: list[str]) -> None:
    alone = trained(tmp_path, "alone", restart=False)
    heard = Heard(tmp_path, "one")
    trained(tmp_path, "one", heard)
    assert (heard.notes, heard.sharing.taken) == ([], {})
    assert entries(tmp_path).keys() == set(PHASES)
    work.clear()
    other = Heard(tmp_path, "other")
    assert same(trained(tmp_path, "other", other, restart=False), alone)
    assert set(work) == {"second"}
    assert other.sharing.taken == {"first": "one", "knowledge": "one"}
    assert [note.partition(":")[0] for note in other.notes] == [
        "phase 'first'",
        "phase 'knowledge'",
    ]
    assert "taken over from one" in other.notes[0]
    # The next process reads its own folder, and knows still whence it came.
    work.clear()
    again = Heard(tmp_path, "other")
    assert same(trained(tmp_path, "other", again, restart=False), alone)
    assert (work, again.notes, again.sharing.taken) == ([], [], other.sharing.taken)


def test_files_are_links_and_a_run_stays_whole_without_the_store(
    tmp_path: Path, work: list[str]
) -> None:
    before = trained(tmp_path, "one", Heard(tmp_path, "one"))
    trained(tmp_path, "other", Heard(tmp_path, "other"))
    (table,) = (tmp_path / "other").glob("knowledge-*.npy")
    assert table.stat().st_nlink == 3
    for folder in (tmp_path / "one", tmp_path / ".phases"):
        for path in sorted(folder.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
    work.clear()
    assert same(trained(tmp_path, "other"), before)
    assert work == []


def test_a_disk_without_links_gets_copies(
    tmp_path: Path, work: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(phase_store.os, "link", refuse)
    before = trained(tmp_path, "one", Heard(tmp_path, "one"))
    work.clear()
    assert same(trained(tmp_path, "other", Heard(tmp_path, "other")), before)
    assert work == []
    assert all(path.stat().st_nlink == 1 for path in tmp_path.rglob("*") if path.is_file())


def test_other_circumstances_are_another_phase(tmp_path: Path, work: list[str]) -> None:
    trained(tmp_path, "one", Heard(tmp_path, "one", threads=1))
    work.clear()
    other = Heard(tmp_path, "other", threads=2)
    trained(tmp_path, "other", other)
    assert set(work) == set(PHASES)
    assert other.sharing.taken == {}


@pytest.mark.parametrize("before", [{"code": "old"}, None])
def test_what_was_done_in_other_circumstances_is_not_offered(
    tmp_path: Path, work: list[str], before: dict[str, Any] | None
) -> None:
    trained(tmp_path, "one", None if before is None else Heard(tmp_path, "one", **before))
    again = Heard(tmp_path, "one", code="new")
    trained(tmp_path, "one", again)  # by another version, which reads all of it back
    work.clear()
    other = Heard(tmp_path, "other", code="new")
    trained(tmp_path, "other", other)
    assert set(work) == set(PHASES)
    assert (other.sharing.taken, again.sharing.taken) == ({}, {})
    (told,) = again.notes
    assert told.startswith("phase 'first': was done by another version, on another machine")


def test_nor_is_what_builds_on_it_and_nothing_is_taken_on_top(
    tmp_path: Path, work: list[str]
) -> None:
    trained(tmp_path, "whole", Heard(tmp_path, "whole", code="new"), restart=False)
    trained(tmp_path, "one", Heard(tmp_path, "one", code="old"))
    for path in (tmp_path / "one").glob("second-*"):
        path.unlink()
    work.clear()
    again = Heard(tmp_path, "one", code="new")
    trained(tmp_path, "one", again)
    assert (set(work), again.sharing.taken) == ({"second"}, {})
    work.clear()
    other = Heard(tmp_path, "other", code="new")
    trained(tmp_path, "other", other)
    assert set(work) == {"second"}
    assert other.sharing.taken == dict.fromkeys(("first", "knowledge"), "whole")


def test_nor_is_what_was_begun_elsewhere(tmp_path: Path, work: list[str]) -> None:
    def stop(event: str) -> None:
        if event == "epoch:first:1":
            raise KeyboardInterrupt

    recorder = tiny.Recorder()
    recorder.happened = stop  # type: ignore[method-assign]
    trainer = tiny.trainer(tmp_path / "one", recorder)
    trainer._sharing = Heard(tmp_path, "one", code="old").sharing
    with pytest.raises(KeyboardInterrupt):
        srdl(trainer, EPOCHS, SRDLOptions())
    again = Heard(tmp_path, "one", code="new")
    trained(tmp_path, "one", again)
    assert not list((tmp_path / ".phases").glob("*/"))
    assert len(again.notes) == 1


def flip(path: Path) -> None:
    """Changes a byte of a file of its own; other links keep the old one."""
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.unlink()
    path.write_bytes(content)


def cut_table(entry: Path) -> None:
    flip(next(entry.glob("*.npy")))


def gone(entry: Path) -> None:
    next(entry.glob("*.safetensors")).unlink()


def no_list(entry: Path) -> None:
    (entry / "phase.json").write_text("{")


@pytest.mark.parametrize(
    ("phase", "damage"),
    [
        ("first", lambda entry: flip(next(entry.glob("*.safetensors")))),
        ("first", gone),
        ("first", no_list),
        ("knowledge", cut_table),
    ],
)
def test_a_damaged_shared_phase_is_named_and_done_again(
    tmp_path: Path, work: list[str], phase: str, damage: Any
) -> None:
    before = trained(tmp_path, "one", Heard(tmp_path, "one"))
    damage(entries(tmp_path)[phase])
    work.clear()
    other = Heard(tmp_path, "other")
    assert same(trained(tmp_path, "other", other), before)
    assert set(work) == {phase}
    (told,) = other.warnings
    assert str(tmp_path / ".phases") in told
    assert told.endswith(f"the shared phase {phase!r} is done again")
    work.clear()  # and the store has a whole one now
    trained(tmp_path, "third", third := Heard(tmp_path, "third"))
    assert (work, third.warnings, third.sharing.taken[phase]) == ([], [], "other")


def test_a_damaged_table_is_mended_in_a_file_of_its_own(tmp_path: Path) -> None:
    before = trained(tmp_path, "one", Heard(tmp_path, "one"))
    trained(tmp_path, "other", Heard(tmp_path, "other"))
    (table,) = (tmp_path / "other").glob("knowledge-*.npy")
    with table.open("r+b") as file:  # the same file for all
        file.seek(-4, os.SEEK_END)
        file.write(b"\1\2\3\4")
    held = LogitTable(next((tmp_path / "one").glob("knowledge-*.npy")))
    damaged = held.bytes_of(0, len(held))
    for path in (tmp_path / "other").glob("second-*"):
        path.unlink()
    assert same(trained(tmp_path, "other"), before)
    assert held.bytes_of(0, len(held)) == damaged  # a run that reads it is not disturbed
    assert LogitTable(table).bytes_of(0, len(held)) != damaged
    LogitTable.create(table, held.shape)
    assert held.bytes_of(0, len(held)) == damaged


def test_a_run_waits_for_another_that_does_the_same(tmp_path: Path, work: list[str]) -> None:
    one, other = Heard(tmp_path, "one"), Heard(tmp_path, "other")
    trainer = tiny.trainer(tmp_path / "x")
    trainer.fit(trainer.new_model(), epochs=1, loss=trainer.supervised, name="first")
    phase = trainer.phases[0]
    began = threading.Event()

    def second() -> None:
        with other.sharing.of(phase, tmp_path / "other"):
            began.set()

    with one.sharing.of(phase, tmp_path / "one"):
        waiting = threading.Thread(target=second)
        waiting.start()
        assert not began.wait(1.0)
        for path in (tmp_path / "x").iterdir():  # stands for the training
            phase_store.link(path, tmp_path / "one" / path.name)
    waiting.join(10)
    assert began.is_set()
    assert other.notes[0] == "phase 'first': one does the same now; waiting for it"
    assert other.notes[1].startswith("phase 'first': taken over from one")
    assert other.sharing.taken == {"first": "one"}


def test_what_stops_while_it_holds_a_phase_leaves_it_to_the_next(tmp_path: Path) -> None:
    heard = Heard(tmp_path, "one")
    recorder = tiny.Recorder()

    def stop(event: str) -> None:
        if event == "epoch:first:1":
            raise KeyboardInterrupt

    recorder.happened = stop  # type: ignore[method-assign]
    trainer = tiny.trainer(tmp_path / "one", recorder)
    trainer._sharing = heard.sharing
    with pytest.raises(KeyboardInterrupt):
        srdl(trainer, EPOCHS, SRDLOptions())
    assert not list((tmp_path / ".phases").glob("*/"))
    assert not list((tmp_path / ".phases").glob("*.holder"))
    other = Heard(tmp_path, "other")
    before = trained(tmp_path, "other", other)
    assert other.notes == []
    one = Heard(tmp_path, "one")  # what it had begun is not needed
    assert same(trained(tmp_path, "one", one), before)
    assert one.sharing.taken == dict.fromkeys(PHASES, "other")


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from reid_srdl.models.tensor_files import read_tensors
from tests.training import test_sharing as tests

top, moment, killed, count = Path(sys.argv[1]), 3, True, 0

def hook(event, arguments):
    global count
    if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link") and any(
        ".phases" in str(part) for part in arguments[:2]
    ):
        count += 1
        if count == moment:
            os.kill(os.getpid(), signal.SIGKILL)

torch.set_num_threads(1)
while killed:  # one process after the other, each at a later access to the store
    if not (child := os.fork()):
        sys.addaudithook(hook)
        tests.trained(top, "one", tests.Heard(top, "one"))
        os._exit(0)
    killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
    moment += 4
    for folder in tests.entries(top).values():
        for path in folder.glob("*.safetensors"):
            assert read_tensors(path)[1]["finished"]
assert moment > 24, moment
"""


def test_a_kill_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    whole = trained(tmp_path, "alone")
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=True)
    other = Heard(tmp_path, "other")
    assert same(trained(tmp_path, "other", other), whole)
    assert same(trained(tmp_path, "one", Heard(tmp_path, "one")), whole)
    assert (other.warnings, other.sharing.taken) == ([], dict.fromkeys(PHASES, "one"))


def test_a_store_that_cannot_be_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / ".phases").write_text("")
    with pytest.raises(UserError, match=r"can't write the store of shared phases"):
        PhaseStore(tmp_path / ".phases").check()


def test_a_lock_of_a_dead_process_is_none(tmp_path: Path) -> None:
    store = PhaseStore(tmp_path)
    code = (
        "import sys, os; from pathlib import Path\n"
        "from reid_srdl.records.phase_store import PhaseStore\n"
        f"with PhaseStore(Path({str(tmp_path)!r})).held('k', 'dead', print): os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert (tmp_path / "k.holder").read_text() == "dead"
    told: list[str] = []
    with store.held("k", "me", told.append):
        assert store.is_held("k")
    assert (told, store.is_held("k")) == ([], False)


def test_unneeded_entries_are_those_that_no_run_has(tmp_path: Path) -> None:
    trained(tmp_path, "one", Heard(tmp_path, "one"))
    store = PhaseStore(tmp_path / ".phases")
    assert list(store.unneeded()) == []
    tables = list((tmp_path / "one").glob("*.npy"))
    (table,) = (key for key, _ in store.unneeded(tables))
    assert store.entry(table) == entries(tmp_path)["knowledge"]
    for path in (tmp_path / "one").iterdir():
        path.unlink()
    keys = [key for key, _ in store.unneeded()]
    assert len(keys) == len(PHASES)
    with filelock.FileLock(store.folder / f"{keys[0]}.lock"):
        assert [key for key, _ in store.unneeded()] == keys[1:]
        store.free(keys[0])
    assert store.entry(keys[0]).exists()
    for key in keys:
        store.free(key)
    assert list(store.folder.iterdir()) == []


def test_every_field_of_a_phases_settings_is_in_its_key() -> None:
    base = tiny.setting()
    for change in (
        {"seed": 1},
        {"precision": "bf16"},
        {"compile": True},
        {"source": "x"},
        {"share": 0.5},
        {"data": replace(base.data, key="other")},
        {"data": replace(base.data, pad=3)},
        {"optimisation": replace(base.optimisation, batch_size=4)},
        {"network": replace(base.network, name="wide")},
        {"start": "weights"},
    ):
        keys = []
        for setting in (base, replace(base, **change)):
            planner = tiny.Planner(setting)
            model = planner.new_model()
            planner.fit(model, epochs=2, loss=planner.supervised, name="first")
            keys.append(planner.phases[0].key)
        assert keys[0] != keys[1], change
