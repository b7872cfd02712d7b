"""Number 1: tables, comparisons and studies keep other training and other test data apart."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from reid_srdl.cli import app
from reid_srdl.errors import UserError
from reid_srdl.records.content import ContentFacts, PartFacts
from reid_srdl.records.leaderboard import leaderboard
from reid_srdl.records.pairing import check_pair
from reid_srdl.records.per_query import Side, read_results
from reid_srdl.records.run import RunRecord
from reid_srdl.records.trained_on import TaughtBy, TrainedOn, check_same_content
from reid_srdl.report.leaderboard import leaderboard_tables
from tests.records.factory import DATASET, per_query, record
from tests.reports import runs

A, B = "a" * 32, "b" * 32


def on(train: str, test: str, seed: int, method: str = "vanilla") -> RunRecord:
    content = ContentFacts(train=train, test=test, by="bytes", classes="c" * 32)
    dataset = DATASET.model_copy(update={"content": content})
    return record(method, seed, 0.5 + seed / 10, dataset=dataset, name=f"{method}-{train[0]}{seed}")


def test_01_runs_on_one_content_are_seeds() -> None:
    board = leaderboard([on(A, A, 0), on(A, A, 1)])
    assert [row.seeds for row in board.rows] == [(0, 1)]
    assert not any("never averaged" in note for note in board.notes)


@pytest.mark.parametrize(
    ("train", "test", "told"), [(B, A, "training data"), (A, B, "test data"), (B, B, "test data")]
)
def test_01_other_content_has_rows_of_its_own(train: str, test: str, told: str) -> None:
    board = leaderboard([on(A, A, 0), on(train, test, 1), on(A, A, 1, "srdl")])
    assert sorted(row.seeds for row in board.rows) == [(0,), (1,), (1,)]
    assert len({row.label for row in board.rows}) == 3
    assert any(f"{told}=bbbbbbbb" in row.label for row in board.rows)
    assert any(f"other {told}, never averaged" in note for note in board.notes)
    (gain,) = board.gains
    assert gain.row.dataset.content == gain.baseline.dataset.content
    assert not gain.paired


def test_01_no_gain_across_content() -> None:
    assert leaderboard([on(A, A, 0), on(B, A, 0, "srdl")]).gains == ()
    assert leaderboard([on(A, A, 0), on(A, B, 0, "srdl")]).gains == ()


def test_01_compare_refuses_other_test_images() -> None:
    side = Side("x", per_query().single_query, content=A, train=A)
    with pytest.raises(UserError, match=r"other test images \(aaaaaaaa and bbbbbbbb\)"):
        check_pair(side, dataclasses.replace(side, content=B))
    told = check_pair(side, dataclasses.replace(side, train=B))
    assert any("trained on other data" in line for line in told)
    assert not any("trained on" in line for line in check_pair(side, side))


def known(**changes: Any) -> TrainedOn:
    part = PartFacts(digest=A, files=3, bytes=300, by="bytes")
    whole = TrainedOn(
        settings="s", experiment="e", name="folder", folder="/x", train=part, test=part,
        classes=("1", "2"),
    )  # fmt: skip
    return whole.model_copy(update=changes)


digests = st.text("0123456789abcdef", min_size=32, max_size=32)
parts = st.builds(
    PartFacts, digest=digests, files=st.integers(0, 9), bytes=st.integers(0, 9),
    by=st.sampled_from(("bytes", "names")),
)  # fmt: skip
teachers = st.builds(TaughtBy, run=st.just("t"), experiment=digests, weights=digests)


@given(
    st.one_of(
        st.fixed_dictionaries({"train": parts}),
        st.fixed_dictionaries({"test": parts}),
        st.fixed_dictionaries({"classes": st.lists(st.text()).map(tuple)}),
        st.fixed_dictionaries({"weights": digests}),
        st.fixed_dictionaries({"method": digests}),
        st.fixed_dictionaries({"teachers": st.lists(teachers, min_size=1).map(tuple)}),
        st.fixed_dictionaries({"name": st.sampled_from(("cifar10", "market1501"))}),
    )
)
def test_01_any_difference_is_refused_and_places_are_none(changes: dict[str, Any]) -> None:
    moved = known(folder="/elsewhere")
    check_same_content(Path("r"), known(), moved)
    if changes.get("classes") == ("1", "2"):
        return
    with pytest.raises(UserError) as caught:
        check_same_content(Path("r"), known(), known(folder="/elsewhere", **changes))
    assert "/x" in caught.value.what
    assert "/elsewhere" in caught.value.what
    assert "\n" not in caught.value.what
    assert "--name" in caught.value.hint


def own(folder: str, seed: int, content: str) -> RunRecord:
    made = on(content, content, seed)
    update = {"name": "folder", "folder": folder}
    return made.model_copy(update={"dataset": made.dataset.model_copy(update=update)})


def test_01_tables_show_the_names_of_own_sets() -> None:
    board = leaderboard([own("birds", 0, A), own("dogs", 1, B)])
    (table,) = leaderboard_tables(board)
    assert table.title.startswith("folder (birds, dogs): ")
    (note,) = [note for note in board.notes if "other test data" in note]
    assert "birds aaaaaaaa: " in note
    assert "dogs bbbbbbbb: " in note


def test_01_an_own_set_under_another_name_is_the_same_set() -> None:
    board = leaderboard([own("birds", 0, A), own("moved", 1, A)])
    assert [row.seeds for row in board.rows] == [(0, 1)]


def test_01_a_run_on_an_own_set_knows_its_name(tmp_path: Path, cache: Path) -> None:
    made = runs.run(runs.people(tmp_path / "birds"), tmp_path / "runs")
    assert made.dataset.title == "folder (birds)"
    made = runs.run_classes(runs.classes(tmp_path / "bugs"), tmp_path / "runs", "c")
    assert made.dataset.title == "class-folder (bugs)"


def test_01_files_of_queries_tell_other_test_images_and_other_ranks(tmp_path: Path) -> None:
    data = runs.people(tmp_path / "w")
    runs.run(data, tmp_path / "runs", train={"epochs": 1}, eval={"enabled": False})
    other = Path(shutil.copytree(data, tmp_path / "other"))
    first, *_, last = sorted((other / "query").iterdir())
    pixels = first.read_bytes()  # two images change places: names, labels and sizes stay
    first.write_bytes(last.read_bytes())
    last.write_bytes(pixels)

    def scored(name: str, *words: str) -> Side:
        file = str(tmp_path / name)
        given = ["eval", str(tmp_path / "runs/r"), *words, "--per-query", file]
        done = CliRunner().invoke(app, given)
        assert done.exit_code == 0, done.output
        return read_results(file)

    plain = scored("a.csv", "--data-dir", str(data))
    with pytest.raises(UserError, match="judged on other test images"):
        check_pair(plain, scored("b.json", "--data-dir", str(other)))
    changed = ("--rerank", "k-reciprocal", "--rerank-k1", "3", "--rerank-k2", "2")
    (line,) = check_pair(plain, scored("c.csv", *changed))
    assert "rerank is none in A, k-reciprocal, k1 3, k2 2, lambda 0.3 in B" in line
