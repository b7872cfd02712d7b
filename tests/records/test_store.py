"""Records on disk: whole, readable back, and never mistaken."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from pydantic import ValidationError

from reid_srdl.errors import UserError
from reid_srdl.records.run import QueryScores
from reid_srdl.records.store import read_record, read_records, write_record
from tests.records.factory import per_query, record


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
    assert read.per_query["final"].single_query.ap[3] == 0.1 + 0.2  # not rounded on the way
    assert [child.name for child in path.parent.iterdir()] == ["record.json"]


@pytest.mark.parametrize("networks", [{}, {"a": per_query()}, {"a": per_query(), "b": per_query()}])
def test_the_file_is_plain_json_with_compact_per_query_arrays(
    tmp_path: Path, networks: dict[str, object]
) -> None:
    results = {"a": None, "b": None}
    path = write_record(tmp_path, record(results=results, per_query=networks))
    tree = json.loads(path.read_text())
    assert tree["schema_version"] == 1
    assert tree["status"] == "finished"
    assert tree["created"] == "2025-05-01T00:00:00Z"
    assert tree["results"] == results
    assert list(tree["per_query"]) == list(networks)
    lines = path.read_text().splitlines()
    assert sum("first_rank" in line for line in lines) == len(networks)


def test_the_runs_result_is_the_first_network(tmp_path: Path) -> None:
    both = record(results={"second": record().result, "first": None})
    write_record(tmp_path, both)
    read = read_record(tmp_path)
    assert list(read.results) == ["second", "first"]
    assert read.result == record().result


def test_times_are_kept_in_utc() -> None:
    noon_in_tokyo = datetime(2025, 5, 1, 12, tzinfo=timezone(timedelta(hours=9)))
    assert record(created=noon_in_tokyo).created == datetime(2025, 5, 1, 3, tzinfo=UTC)
    with pytest.raises(ValidationError, match="timezone"):
        record(created=datetime(2025, 5, 1))


def test_records_refuse_what_no_table_can_use() -> None:
    with pytest.raises(ValidationError, match="accuracy_of_dreams"):
        record(accuracy_of_dreams=1)
    with pytest.raises(ValidationError, match="unknown networks: other"):
        record(per_query={"other": per_query()})
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


def test_a_newer_record_asks_for_an_update(tmp_path: Path) -> None:
    damage(write_record(tmp_path, record()), schema_version=2, something="new")
    with pytest.raises(UserError, match="newer reid-srdl") as raised:
        read_record(tmp_path)
    assert raised.value.hint == "update reid-srdl to read it"


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
