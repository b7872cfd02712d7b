"""Runs that share phases: equal records, whole folders, what keys cover, what is freed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from reid_srdl.config import AnyConfig
from reid_srdl.jobs.checking import check_run
from reid_srdl.jobs.runs import list_runs, prune
from reid_srdl.jobs.sharing import circumstances, store_of, with_store
from reid_srdl.jobs.studies.conduct import Where, placed
from reid_srdl.jobs.train import resume, train
from reid_srdl.methods import own
from reid_srdl.records.run import RunRecord
from reid_srdl.records.store import read_record, read_records
from reid_srdl.records.studies.plan import RunPlan
from reid_srdl.training.precision import choose
from tests.reports.runs import Listener, config, people, run
from tests.training import tiny

CLOCK = {"created", "seconds", "images_per_second", "timing"}
METHODS = {"srdl": {"name": "srdl"}, "unrestarted": {"name": "srdl", "restart": False}}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Runs of one first stage: with a store in ``runs``, without in ``plain``."""
    place = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_SRDL_CACHE", str(place / "cache"))
        people(place / "set")
        for name in METHODS:
            run(place / "set", place / "plain", name, **settings(name))
            sharing = {"shared": str(place / "runs/.phases")}
            run(place / "set", place / "runs", name, run=sharing, **settings(name))
        yield place


def settings(name: str) -> dict[str, Any]:
    return {
        "method": METHODS[name],
        "train": {"epochs": 4},
        "eval": {"ensembles": ["srdl+first"]},
    }


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items() if key not in CLOCK}
    return [plain(one) for one in value] if isinstance(value, list) else value


def rows(folder: Path) -> list[Any]:
    return [plain(json.loads(line)) for line in (folder / "metrics.jsonl").open()]


@pytest.mark.parametrize("name", METHODS)
def test_records_weights_and_curves_are_those_of_a_run_alone(place: Path, name: str) -> None:
    shared, alone = place / "runs" / name, place / "plain" / name
    records = [plain(json.loads((one / "record.json").read_text())) for one in (shared, alone)]
    assert records[0] == records[1]
    for one in ("weights/srdl.safetensors", "config.yaml"):
        same = (shared / one).read_bytes() == (alone / one).read_bytes()
        assert same == one.startswith("weights")
    assert rows(shared) == rows(alone)
    assert [row["phase"] for row in rows(shared)] == ["first"] * 2 + ["second"] * 2
    assert check_run(shared) == []


def test_the_record_says_what_was_taken_over_and_what_it_cost(place: Path) -> None:
    first, other = (read_record(place / "runs" / name) for name in METHODS)
    assert first.timing.taken == {}
    assert other.timing.taken == {"first": "srdl", "knowledge": "srdl"}
    assert other.work == first.work
    assert [one.seconds for one in other.phases[:2]] == [one.seconds for one in first.phases[:2]]
    assert other.cost.seconds == sum(phase.seconds for phase in other.phases)
    read_back = RunRecord.model_validate_json((place / "runs/unrestarted/record.json").read_text())
    assert read_back == other


def test_it_is_said_while_it_happens(place: Path) -> None:
    listener = Listener()
    sharing = {"shared": str(place / "runs/.phases")}
    run(place / "set", place / "runs2", "third", listener=listener, run=sharing, **settings("srdl"))
    told = [note for note in listener.notes if "taken over" in note]
    assert [note.partition(":")[0] for note in told] == [
        f"phase {name!r}" for name in ("first", "knowledge", "second")
    ]
    assert "which did the same" in told[0]
    shutil.rmtree(place / "runs2")


def test_the_store_is_no_run(place: Path) -> None:
    assert {one.path.name for one in list_runs(place / "runs")} == METHODS.keys()
    records, problems = read_records(place / "runs")
    assert (len(records), problems) == (2, [])


def test_what_no_run_has_is_freed(place: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for name in METHODS:
        run(place / "set", runs, name, run={"shared": str(runs / ".phases")}, **settings(name))
    one, other = (runs / name for name in METHODS)
    assert prune(runs) == []
    (table,) = (one / "phases").glob("*.npy")
    size = table.stat().st_size
    first = {freed.path: freed.size for freed in prune(one)}
    assert first[table] == 0  # others have it
    told = prune(other, dry_run=True)
    last = {freed.path: freed.size for freed in told}
    assert prune(other) == told
    tables = [path for path in last if path.suffix == ".npy"]
    assert [path.parent.name == "phases" for path in tables] == [True, False]  # then the store's
    assert sum(last[path] for path in tables) == size
    assert not any(path.exists() for path in (*first, *last))

    shutil.rmtree(one)
    assert check_run(other) == []
    (second,) = prune(runs, dry_run=True)  # the first stage is the other one's, too
    assert second.path.name.startswith("second-")
    assert second.size > 0
    assert prune(runs) == [second]
    assert not second.path.exists()
    assert check_run(other) == []
    shutil.rmtree(other)
    prune(runs)
    assert list((runs / ".phases").iterdir()) == []


def test_damage_of_a_shared_phase_is_named(place: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(place / "runs/.phases", runs / ".phases")
    assert check_run(runs) == []
    entries = sorted(path for path in (runs / ".phases").iterdir() if path.is_dir())
    for file in sorted((runs / ".phases").glob("*/*")):
        content = file.read_bytes()
        middle = len(content) // 2
        bit = bytes([content[middle] ^ 4])
        for damaged in (content[:middle] + bit + content[middle + 1 :], content[:middle], b""):
            file.write_bytes(damaged)
            assert any(str(file.parent) in problem.what for problem in check_run(runs)), file
        file.write_bytes(content)
    assert check_run(runs) == []
    for name in ("phase.json", "*.safetensors"):
        one, other = (next(entry.glob(name)) for entry in (entries[0], entries[-1]))
        before = one.read_bytes()
        shutil.copy(other, one)
        (problem, *_) = check_run(runs)
        assert str(entries[0]) in problem.what, name
        assert problem.hint.startswith(f"delete {entries[0]}")
        one.write_bytes(before)


def test_a_run_goes_on_though_its_store_is_gone(place: Path, tmp_path: Path) -> None:
    sharing = {"shared": str(tmp_path / "runs/.phases")}
    with pytest.raises(KeyboardInterrupt):
        run(
            place / "set",
            tmp_path / "runs",
            "one",
            listener=Listener(stop=True),
            run=sharing,
            **settings("srdl"),
        )
    shutil.rmtree(tmp_path / "runs/.phases")
    resume(tmp_path / "runs/one")
    assert not (tmp_path / "runs/.phases").exists()
    weights = "weights/srdl.safetensors"
    ours, theirs = (place / "plain/srdl" / weights, tmp_path / "runs/one" / weights)
    one, other = load_file(ours), load_file(theirs)
    assert all(torch.equal(one[key], other[key]) for key in one)


def told(made: AnyConfig, threads: int = 1, **setting: Any) -> dict[str, Any]:
    compute = replace(choose("cpu", "fp32", 1), threads=threads)
    return circumstances(made, replace(tiny.setting(), **setting), compute)


def test_circumstances_cover_what_no_phases_key_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def of(**sections: Any) -> AnyConfig:
        return config(Path("set"), Path("runs"), **sections)

    base = told(of())
    assert json.loads(json.dumps(base)) == base
    assert told(of(), threads=2) != base
    assert told(of(watch={"gradients": True})) != base
    assert told(of(eval={"batch_size": 7})) != base
    for same in ({"eval": {"flip": True}}, {"eval": {"enabled": False}}, {"train": {"epochs": 3}}):
        assert told(of(**same)) == base
    held = {"data": {"validation": 0.2}}
    judged = told(of(**held))
    assert judged != base
    for other in ({"eval": {"flip": True}}, {"data": {"validation": 0.2, "split": 1}}):
        assert told(of(**{**held, **other})) != judged
    assert told(of(**held), content="other") != judged
    assert told(of(**held, eval={"ensembles": ["a+b"]})) == judged
    monkeypatch.setattr("reid_srdl.jobs.sharing.code_digest", lambda: "other")
    assert told(of()) != base


def test_who_shares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = config(tmp_path, tmp_path / "runs")
    assert store_of(alone.run, alone.method) is None
    shared = with_store(alone, on=True)
    assert shared.run.shared == tmp_path / "runs/.phases"
    assert with_store(shared, on=False).run.shared is None
    elsewhere = with_store(alone, on=True, runs=tmp_path)
    assert with_store(elsewhere, on=True) == elsewhere  # what is named stays
    monkeypatch.setattr(own, "is_own", lambda name: True)
    assert store_of(shared.run, shared.method) is None


def test_a_study_shares_in_the_folder_of_all_runs(tmp_path: Path) -> None:
    asked = config(tmp_path, tmp_path / "x")
    planned = RunPlan("a-seed0", ("a",), "", 0, asked, (), None)
    folder = tmp_path / "runs/studies/mine"
    for share, expected in ((True, tmp_path / "runs/.phases"), (False, None)):
        where = Where(tmp_path / "runs", lambda _: tmp_path, share=share)
        assert placed(planned, where, folder).run.shared == expected


def test_a_run_is_named_by_its_place(place: Path, tmp_path: Path) -> None:
    sharing = {"shared": str(tmp_path / "runs/.phases")}
    where = tmp_path / "runs/studies/mine"
    made = {"epochs": 2}
    for name in ("a", "b"):
        record = train(
            config(place / "set", where, name, run=sharing, method={"name": "srdl"}, train=made)
        )
    assert record.timing.taken["second"] == "studies/mine/a"
