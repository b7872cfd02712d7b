"""Records on disk: whole, readable back, and never mistaken."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from pydantic import ValidationError

from reid_srdl.errors import UserError
from reid_srdl.records.queries import QueryScores
from reid_srdl.records.run import Work
from reid_srdl.records.store import read_any_record, read_record, read_records, write_record
from reid_srdl.seals import write_sealed
from tests.records.factory import evaluation, features_record, per_query, record


def damage(path: Path, **changes: object) -> None:
    tree = json.loads(path.read_text())
    path.write_text(json.dumps(tree | changes))


def test_a_record_reads_back_as_it_was_written(tmp_path: Path) -> None:
    written = record(per_query={"final": per_query()})
    path = write_record(tmp_path / "run", written)
    assert path == tmp_path / "run" / "record.json"
    read = read_record(tmp_path / "run")
    assert read == written
    assert read == read_record(path)
    kept = read.evaluations[0].per_query
    assert kept is not None
    assert kept.single_query.ap[3] == 0.1 + 0.2  # not rounded on the way
    assert [child.name for child in path.parent.iterdir()] == [
        ".checksums.lock",
        "checksums.json",
        "record.json",
    ]


@pytest.mark.parametrize("kept", [[], ["a"], ["a", "b"]])
def test_the_file_is_plain_json_with_compact_per_query_arrays(
    tmp_path: Path, kept: list[str]
) -> None:
    results = {"a": evaluation(0.5, 0.25), "b": evaluation(0.4, 0.2)}
    queries = dict.fromkeys(kept, per_query())
    path = write_record(tmp_path, record(results=results, per_query=queries))
    tree = json.loads(path.read_text())
    assert next(iter(tree)) == "schema_version"
    assert tree["schema_version"] == 2
    assert tree["status"] == "finished"
    assert tree["created"] == "2025-05-01T00:00:00Z"
    assert [one["network"] for one in tree["evaluations"]] == ["a", "b"]
    assert [one["result"]["single_query"]["mAP"] for one in tree["evaluations"]] == [0.25, 0.2]
    assert [one["per_query"] is not None for one in tree["evaluations"]] == [
        "a" in kept,
        "b" in kept,
    ]
    assert [(phase["name"], phase["epochs"]) for phase in tree["phases"]] == [
        ("one", 60),
        ("knowledge", 1),
    ]
    assert tree["work"]["total"] == sum(phase["work"]["total"] for phase in tree["phases"])
    lines = path.read_text().splitlines()
    assert sum("first_rank" in line for line in lines) == len(kept)


def test_the_result_is_the_first_network_and_all_are_found_by_name(tmp_path: Path) -> None:
    both = record(results={"second": record().result, "first": None})
    write_record(tmp_path, both)
    read = read_record(tmp_path)
    assert read.network == "second"
    assert list(read.results) == ["second", "first"]
    assert read.result == record().result
    assert read.evaluation("first") == read.evaluations[1]
    assert read.evaluation("third") is None


def test_the_true_work_counts_finished_teachers() -> None:
    taught = record().cost.model_copy(update={"teachers_work": Work.of(1, 2)})
    assert record(cost=taught, work=Work.of(3, 4)).true_work == Work.of(4, 6)
    assert Work.of(10**16, 10**16).cost == 2.0


def test_features_from_elsewhere_have_a_record_without_training(tmp_path: Path) -> None:
    path = write_record(tmp_path / "theirs", features_record())
    tree = json.loads(path.read_text())
    for key in ("method", "model", "seed", "epochs", "work", "cost"):
        assert tree[key] is None
    assert tree["phases"] == []
    assert read_any_record(tmp_path / "theirs") == features_record()
    with pytest.raises(UserError, match="theirs: features of other software"):
        read_record(tmp_path / "theirs")
    damage(path, seed=3)
    with pytest.raises(UserError, match="damaged: seed"):
        read_any_record(tmp_path / "theirs")


def test_times_are_kept_in_utc() -> None:
    noon_in_tokyo = datetime(2025, 5, 1, 12, tzinfo=timezone(timedelta(hours=9)))
    assert record(created=noon_in_tokyo).created == datetime(2025, 5, 1, 3, tzinfo=UTC)
    with pytest.raises(ValidationError, match="timezone"):
        record(created=datetime(2025, 5, 1))


def test_records_refuse_what_no_table_can_use() -> None:
    with pytest.raises(ValidationError, match="accuracy_of_dreams"):
        record(accuracy_of_dreams=1)
    with pytest.raises(ValidationError, match="per_query without scores of queries"):
        record(results={"a": None}, per_query={"a": per_query()})
    with pytest.raises(
        ValidationError, match="stands twice in final on market1501, final on market1501"
    ):
        record(evaluations=record().evaluations * 2)
    with pytest.raises(ValidationError, match="not the sum"):
        Work(forward=1, backward=1, total=3)
    with pytest.raises(ValidationError, match="differ in length"):
        QueryScores(ap=(1.0,), ap_trapezoid=(), first_rank=(1,))
    with pytest.raises(ValidationError, match="finite"):
        record(cost=record().cost.model_dump() | {"trcost": float("nan")})


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    path = write_record(tmp_path, record())
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"record\.json: damaged, not valid JSON"):
        read_record(tmp_path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not a text file"):
        read_record(tmp_path)
    path.write_text("[" * 100_000)
    with pytest.raises(UserError, match="damaged"):
        read_record(tmp_path)


def test_a_foreign_or_changed_record_is_named_with_its_key(tmp_path: Path) -> None:
    path = write_record(tmp_path, record())
    damage(path, seed="five", parameters=-1)
    with pytest.raises(UserError, match=r"damaged: seed: .* and 1 more"):
        read_record(tmp_path)
    path.write_text('{"accuracy": 0.9}')
    with pytest.raises(UserError, match="not a record of a run"):
        read_record(tmp_path)
    path.write_text("[1, 2]")
    with pytest.raises(UserError, match="not a record of a run"):
        read_record(tmp_path)


def test_a_whole_record_with_other_keys_is_another_versions(tmp_path: Path) -> None:
    """It is not damaged, and nobody is told to delete it."""
    path = write_record(tmp_path, record())
    write_sealed(path, json.dumps({**json.loads(path.read_text()), "processes": [1]}))
    with pytest.raises(UserError, match=r"another version of reid-srdl .*processes") as raised:
        read_record(tmp_path)
    assert "delete" not in str(raised.value.hint)


def test_a_newer_record_asks_for_an_update(tmp_path: Path) -> None:
    damage(write_record(tmp_path, record()), schema_version=3, something="new")
    with pytest.raises(UserError, match="newer reid-srdl") as raised:
        read_record(tmp_path)
    assert raised.value.hint == "update reid-srdl to read it"


def test_an_older_record_is_refused_in_words(tmp_path: Path) -> None:
    damage(write_record(tmp_path, record()), schema_version=1, results={})
    with pytest.raises(UserError, match=r"older reid-srdl \(schema_version 1\)") as raised:
        read_record(tmp_path)
    assert raised.value.hint == "run it again: records of before are not read"


def test_missing_and_unfinished_runs_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such run"):
        read_record(tmp_path / "nowhere")
    with pytest.raises(UserError, match="no such record"):
        read_record(tmp_path)
    (tmp_path / "config.yaml").write_text("")
    with pytest.raises(UserError, match="not finished") as raised:
        read_record(tmp_path)
    assert f"--resume {tmp_path}" in raised.value.hint


def test_a_folder_of_runs_is_read_in_order_and_problems_are_named(tmp_path: Path) -> None:
    write_record(tmp_path / "b", record(seed=1))
    write_record(tmp_path / "a", record(seed=0))
    write_record(tmp_path / "study" / "c", record(seed=2))
    write_record(tmp_path / ".trash" / "d", record(seed=3))
    write_record(tmp_path / "a" / "phases" / "inner", record(seed=4))
    write_record(tmp_path / "broken", record()).write_text("{")
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "config.yaml").write_text("")
    (tmp_path / "notes").mkdir()
    records, problems = read_records(tmp_path)
    assert [found.seed for found in records] == [0, 1, 2]
    assert len(problems) == 2
    assert "broken" in problems[0]
    assert problems[1].endswith("1 unfinished run left out: half")


def test_one_run_is_a_folder_of_runs_too(tmp_path: Path) -> None:
    write_record(tmp_path, record())
    assert read_records(tmp_path) == ([record()], [])
    (tmp_path / "record.json").write_text("{}")
    with pytest.raises(UserError, match="not a record of a run"):
        read_records(tmp_path)


def test_no_records_at_all_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere: no such folder") as raised:
        read_records(tmp_path / "nowhere")
    assert "reid-srdl train" in raised.value.hint
    with pytest.raises(UserError, match="no finished run in it") as raised:
        read_records(tmp_path)
    assert "reid-srdl train" in raised.value.hint
    write_record(tmp_path / "broken", record()).write_text("{")
    with pytest.raises(UserError, match=r"no finished run in it: .*broken"):
        read_records(tmp_path)
