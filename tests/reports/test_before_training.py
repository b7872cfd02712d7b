"""Numbers 10, 15, 19, faults 4 and 13: what can be known is told before the first epoch."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from reid_srdl.errors import UserError
from reid_srdl.jobs import before
from reid_srdl.jobs.dry_run import plan
from tests.reports.runs import Listener, classes, config, people, run, run_classes


def refused(data: Path, runs: Path, /, **changes: Any) -> UserError:
    """Returns what a run is refused with; nothing is trained and no folder is left."""
    listener = Listener()
    with pytest.raises(UserError) as caught:
        run(data, runs, listener=listener, **changes)
    assert listener.epochs == 0
    assert not runs.exists()
    with pytest.raises(UserError) as planned:
        plan(config(data, runs, **changes))
    assert planned.value.what == caught.value.what
    return caught.value


@pytest.mark.parametrize("pad", [16, 64])
def test_10_a_pad_beyond_the_image(tmp_path: Path, pad: int) -> None:
    assert "data.pad" in refused(people(tmp_path / "w"), tmp_path / "runs", data={"pad": pad}).what


HNSW: dict[str, Any] = {"index": "HNSW32"}
KRECIP: dict[str, Any] = {"method": "k-reciprocal"}


@pytest.mark.parametrize(
    ("section", "word"),
    [
        (HNSW, "--set eval.engine=faiss"),
        ({"rerank": {**KRECIP, "k2": 30}}, "--set eval.rerank.k2=21"),
        ({"rerank": KRECIP, "engine": "faiss", **HNSW}, "--set eval.rerank.method=none"),
    ],
)
def test_15_settings_that_contradict_each_other(
    tmp_path: Path, section: dict[str, Any], word: str
) -> None:
    """They are of no use to a later ``eval`` either."""
    with pytest.raises(UserError) as caught:
        run(people(tmp_path / "w"), tmp_path / "runs", eval=section)
    assert word in caught.value.hint
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("section", "word"),
    [
        ({"expand": {"method": "alpha-qe"}}, "add --set eval.normalize=on or"),
        ({"expand": {"method": "aqe", "n": 1000}}, "choose eval.expand.n from 1 to 30"),
        ({"engine": "faiss", "index": "PQ128x4", "retrieved": 9}, "choose an eval.index that fits"),
        ({"engine": "faiss", "index": "PCA512,Flat", "retrieved": 9}, "choose an eval.index that"),
        ({"rerank": {**KRECIP, "k1": 500}}, "choose eval.rerank.k1 from 1 to 41"),
    ],
)
def test_15_settings_that_cannot_work(tmp_path: Path, section: dict[str, Any], word: str) -> None:
    w, runs = people(tmp_path / "w"), tmp_path / "runs"
    hint = refused(w, runs, eval=section).hint
    assert word in hint
    assert "--no-eval" in hint
    run(w, runs, eval={"enabled": False, **section})


def test_15_no_query_has_a_match(tmp_path: Path) -> None:
    w = people(tmp_path / "w")
    for path in [*(w / "query").iterdir(), *(w / "bounding_box_test").iterdir()]:
        one = path.with_name(re.sub(r"_c\d+", "_c1", path.name))
        if path.name != one.name:
            path.unlink()
    shutil.rmtree(w / "gt_bbox")
    assert "no query has a match" in refused(w, tmp_path / "runs").what


@pytest.mark.parametrize("split", ["query", "bounding_box_test", "gt_bbox"])
def test_fault_13_an_unreadable_test_image(tmp_path: Path, split: str) -> None:
    w = people(tmp_path / "w")
    victim = sorted((w / split).iterdir())[1]
    victim.write_bytes(victim.read_bytes()[:100])
    assert victim.name in refused(w, tmp_path / "runs").what


def test_19_a_name_that_is_no_text_is_told(tmp_path: Path) -> None:
    w = people(tmp_path / "w")
    odd = os.fsencode(w / "query") + b"/0101_c2s1_caf\xff_00.jpg"
    shutil.copy(min((w / "query").iterdir()), odd)
    told = refused(w, tmp_path / "runs").what
    assert r"caf\xff_00.jpg (a name that is not UTF-8)" in told


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    w, runs = people(tmp_path / "w"), tmp_path / "runs"
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(before, "disk_usage", lambda place: usage._replace(free=1000))
    with pytest.raises(UserError, match=r"but 1000 B are free there"):
        run(w, runs)
    assert not runs.exists()
    monkeypatch.undo()
    run(w, runs)
    monkeypatch.setattr(before, "disk_usage", lambda place: usage._replace(free=0))
    run(w, runs)  # finished: nothing more is written


def test_what_is_estimated_is_what_is_written(tmp_path: Path) -> None:
    data, runs = classes(tmp_path / "c"), tmp_path / "runs"
    needs: list[int] = []
    estimate = before.bytes_of
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(before, "bytes_of", lambda plan: needs.append(estimate(plan)) or needs[-1])
        run_classes(data, runs, method={"name": "srdl"}, train={"epochs": 4})
    arrays = [*runs.rglob("*.safetensors"), *runs.rglob("*.npy"), *runs.rglob("*.bin")]
    written = sum(path.stat().st_size for path in arrays)
    heads = 4096 * len(arrays)  # names and facts stand before the tensors
    assert written - heads < needs[0] < 3 * written
