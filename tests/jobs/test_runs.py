"""Each file of a run, damaged or exchanged, is named and repaired where it can be."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import filelock
import numpy as np
import pytest

from reid_srdl.errors import UserError
from reid_srdl.files import file_digest
from reid_srdl.jobs.analyse.place import Place
from reid_srdl.jobs.checking import check_run, runs_at
from reid_srdl.jobs.evaluate import evaluate_run
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.runs import caches, clear_caches, list_runs, prune, state_of
from reid_srdl.jobs.search import search_run
from reid_srdl.jobs.train import resume, train
from reid_srdl.methods import OPTIONS
from reid_srdl.models.weights import load_network
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.store import read_record
from reid_srdl.report.runs import print_problems
from reid_srdl.seals import SEALS
from tests.jobs.test_starting import tree
from tests.small_set import write_small_set

KINDS = (
    "config.yaml",
    "data.json",
    "record.json",
    "metrics.jsonl",
    SEALS,
    "weights/",
    "phases/*.s",
    "*.npy",
    "ranks/*.npz",
    "evaluations/*.json",
    "analyses/*.json",
    "search/*.npz",
    "tensorboard/*",
)
Damage = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished SRDL runs that differ in their seeds, ``runs/a`` and ``runs/b``."""
    place = tmp_path_factory.mktemp("place")
    write_small_set(place / "set")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_SRDL_CACHE", str(place / "cache"))
        for seed, name in enumerate("ab"):
            more = {"eval": {"enabled": True}, "run": {"name": name}, "train": {"seed": seed}}
            train(experiment(tree(place, **more)), tensorboard=True)
            later(place / "runs" / name, place / "set")
    return place


def later(run: Path, data: Path) -> None:
    """Evaluates, analyses and searches, each of which leaves files in the run's folder."""
    evaluate_run(run, changes={"distance": "cosine"}, device="cpu")
    Place().keep(RunFolder(run).analysis("facts"), read_record(run))
    search_run(run, next((data / "query").iterdir()), k=1, device="cpu")


@pytest.fixture(autouse=True)
def _cache(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REID_SRDL_CACHE", str(place / "cache"))


@pytest.fixture
def run(place: Path, tmp_path: Path) -> Path:
    return shutil.copytree(place / "runs/a", tmp_path / "a")


def file_of(run: Path, kind: str) -> Path:
    if kind.endswith("/"):
        kind += "srdl.safetensors"
    pattern = "phases/second-*.safetensors" if kind == "phases/*.s" else kind
    return sorted(run.rglob(pattern))[-1]


def flipped(content: bytes, draw: np.random.Generator) -> bytes:
    changed = bytearray(content)
    changed[int(draw.integers(len(content)))] ^= 1 << int(draw.integers(8))
    return bytes(changed)


def damages(draw: np.random.Generator) -> list[Damage]:
    cuts: list[Damage] = [
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: b"",
        lambda content: content + b"\n",
        lambda content: b"\0" * len(content),
    ]
    return [*cuts, *([lambda content: flipped(content, draw)] * 15)]


def test_a_whole_run_is_whole(place: Path) -> None:
    for name in "ab":
        assert check_run(place / "runs" / name) == []


@pytest.mark.parametrize("kind", KINDS)
def test_twenty_damages_of_each_kind_of_file_are_named(run: Path, kind: str) -> None:
    file = file_of(run, kind)
    content = file.read_bytes()
    for damage in damages(np.random.default_rng(3)):
        damaged = damage(content)
        file.write_bytes(damaged)
        found = check_run(run)
        assert any(str(file) in problem.what for problem in found), (damaged[:80], found)
    file.write_bytes(content)
    assert check_run(run) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_another_run_is_named(place: Path, run: Path, kind: str) -> None:
    shutil.copy(file_of(place / "runs/b", kind), file_of(run, kind))
    assert check_run(run)


def test_a_record_of_another_run_is_named_though_its_checksums_came_along(
    place: Path, run: Path
) -> None:
    for name in ("record.json", "weights/srdl.safetensors", "metrics.jsonl", SEALS):
        shutil.copy(place / "runs/b" / name, run / name)
    assert any("config.yaml" in problem.what for problem in check_run(run))
    with pytest.raises(UserError, match=r"config\.yaml: damaged, or of another run"):
        RunFolder(run).read_config(OPTIONS)


def test_a_damaged_gallery_is_computed_again(place: Path, run: Path) -> None:
    query = next((place / "set/query").iterdir())
    search_run(run, query, k=3, device="cpu")  # the copied run's weights are other files
    before = search_run(run, query, k=3, device="cpu")
    assert before.cached
    file = file_of(run, "search/*.npz")
    content = file.read_bytes()
    for damage in damages(np.random.default_rng(5))[::4]:
        file.write_bytes(damage(content))
        found = search_run(run, query, k=3, device="cpu")
        assert (found.cached, found.results) == (False, before.results)
        assert check_run(run) == []


def test_what_nothing_depends_on_may_go(run: Path) -> None:
    for name in ("search", "tensorboard"):
        shutil.rmtree(run / name)
    assert check_run(run) == []


@pytest.mark.parametrize("name", ["weights", "search", "ranks", "phases"])
def test_a_run_may_be_called_as_one_of_its_folders(place: Path, run: Path, name: str) -> None:
    top = place / f"called-{name}"
    train(experiment(tree(place, run={"dir": str(top), "name": name})))
    assert check_run(top / name) == []
    assert [path.name for path in top.iterdir()] == [name]


@pytest.mark.parametrize("kind", ["config.yaml", "record.json", "weights/", SEALS])
def test_whatever_reads_a_damaged_file_names_it(run: Path, kind: str) -> None:
    file = file_of(run, kind)
    file.write_bytes(flipped(file.read_bytes(), np.random.default_rng(0)))
    readers: dict[str, Callable[[], object]] = {
        "config.yaml": lambda: RunFolder(run).read_config(OPTIONS),
        "record.json": lambda: read_record(run),
        "weights/": lambda: load_network(run / "weights/srdl.safetensors"),
    }
    for read in [readers[kind]] if kind in readers else readers.values():
        with pytest.raises(UserError, match=file.name):
            read()


@pytest.mark.parametrize("kind", ["metrics.jsonl", "weights/"])
@pytest.mark.parametrize("gone", [True, False])
def test_what_the_phases_know_is_repaired(run: Path, kind: str, gone: bool) -> None:
    file = file_of(run, kind)
    before = file_digest(file)
    file.unlink()
    if not gone:
        file.write_bytes(b"something else")
    assert [problem.repaired for problem in check_run(run)] == [False]
    assert [problem.repaired for problem in check_run(run, repair=True)] == [True]
    assert file_digest(file) == before
    assert check_run(run) == []


def test_a_damaged_record_is_made_again_as_its_hint_says(run: Path) -> None:
    before = read_record(run)
    (run / "record.json").write_bytes(b"{")
    with pytest.raises(UserError) as caught:
        read_record(run)
    assert caught.value.hint.startswith("delete it, then: reid-srdl train --resume ")
    (run / "record.json").unlink()
    assert resume(run).evaluations == before.evaluations
    assert check_run(run) == []


def test_states(place: Path, run: Path) -> None:
    top = run.parent
    shutil.copytree(run, top / "c")
    (top / "c/record.json").unlink()
    shutil.copytree(run, top / "d")
    (top / "d/record.json").write_text("{}")
    (top / "other").mkdir()
    (top / "other/x").write_bytes(b"123")
    with filelock.FileLock(run / ".lock"):
        found = {one.path.name: one.state for one in list_runs(top)}
    assert found == {"a": "running", "c": "stopped", "d": "damaged", "other": "not a run"}
    listed = {one.path.name: one for one in list_runs(top)}
    assert listed["a"].state == "finished"
    assert listed["other"].size == 3
    assert listed["a"].size == sum(f.stat().st_size for f in run.rglob("*") if f.is_file())
    with pytest.raises(UserError, match="no such folder"):
        list_runs(top / "none")


def test_pruning_frees_what_is_not_needed_and_the_run_stays_whole(run: Path) -> None:
    freed = prune(run, dry_run=True)
    assert {one.path.suffix for one in freed} == {".npy", ".npz", ".safetensors"}
    assert {one.path.parent.name for one in freed} == {"phases", "search"}
    assert all(one.path.exists() for one in freed)
    assert prune(run) == freed
    assert not any(one.path.exists() for one in freed)
    assert prune(run) == []
    assert check_run(run) == []
    file = file_of(run, "weights/")
    file.write_bytes(b"")
    assert [problem.repaired for problem in check_run(run, repair=True)] == [True]


def test_what_is_not_finished_is_not_pruned(run: Path, tmp_path: Path) -> None:
    (run / "record.json").unlink()
    with pytest.raises(UserError, match="the run is stopped"):
        prune(run)
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "none"):
        assert state_of(path) == "not a run"
        for job in (prune, check_run):
            with pytest.raises(UserError, match="not a run"):
                job(path)


def test_all_runs_of_a_folder_are_checked_and_repaired(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top = run.parent
    shutil.copytree(run, top / "other")
    print_problems(top, check_run(top), len(runs_at(top)))
    assert capsys.readouterr().out == f"{top}: 2 runs, every file is what the run wrote\n"
    for name in (run.name, "other"):
        with (top / name / "metrics.jsonl").open("a") as file:
            file.write("\n")
    told = [problem.what for problem in check_run(top)]
    assert [str(Path(one.split(":")[0]).parent) for one in told] == sorted(
        str(top / name) for name in (run.name, "other")
    )
    with pytest.raises(UserError, match="2 files are not what the run wrote"):
        print_problems(top, check_run(top), 2)
    with RunFolder(run).locked():  # the other one is repaired all the same
        found = check_run(top, repair=True)
    assert sorted(problem.repaired for problem in found) == [False, True]
    assert [problem.repaired for problem in check_run(top, repair=True)] == [True]
    assert check_run(top) == []


def test_caches_alone_are_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path))
    for name in ("decoded", "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_bytes(b"12345")
    assert [(one.path.name, one.size) for one in caches()] == [("decoded", 5)]
    assert [one.size for one in clear_caches()] == [5]
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
