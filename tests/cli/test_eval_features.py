"""``reid-srdl eval --features``, as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reid_srdl.evaluation import evaluate
from reid_srdl.feature_files.reading import load_features, save_features
from tests.cli.run import assert_told, reid_srdl_here
from tests.retrieval.test_features import good_arrays, write_npz

SCORES = {
    *("mAP", "mAP_trapezoid", "mINP", "rank1", "rank5", "rank10", "rank20"),
    *("queries", "skipped"),
}
TORCHLESS = (
    "import sys; sys.modules.update(dict.fromkeys(['torch', 'torchvision', 'torchreid']));"
    "from reid_srdl.cli import main; main()"
)


def run(*words: str | Path, code: str | None = None) -> subprocess.CompletedProcess[str]:
    start = ["-c", code] if code else ["-m", "reid_srdl"]
    command = [sys.executable, *start, "eval", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("features") / "f.npz"
    return write_npz(path, good_arrays(boxes=True))


@pytest.mark.parametrize("engine", ["count", "faiss"])
def test_json_alone_on_stdout_and_no_torch(file: Path, engine: str) -> None:
    done = run("--features", file, "--json", "--engine", engine, code=TORCHLESS)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told) == {"single_query", "multi_query", "protocol", "spread"}
    assert set(told["single_query"]) == set(told["multi_query"]) == SCORES
    expected = evaluate(load_features(file)).evaluation
    assert told == json.loads(expected.model_dump_json())


def test_multi_query_is_null_without_boxes(tmp_path: Path) -> None:
    done = run("--features", write_npz(tmp_path / "f.npz", good_arrays()), "--json")
    assert json.loads(done.stdout)["multi_query"] is None


def test_the_table_names_the_rules_and_files_are_written(file: Path, tmp_path: Path) -> None:
    queries, lists = tmp_path / "queries.csv", tmp_path / "lists.json"
    options = ("--distance", "cosine", "--pooling", "max", "--per-query", queries)
    done = run("--features", file, *options, "--rank-lists", lists, "--top-k", "3")
    assert done.returncode == 0, done.stderr
    for word in ("Rank-1", "mAP (trapezoid)", "multi-query", "cosine", "L2-normalised", "max"):
        assert word in done.stdout
    assert len(queries.read_text().splitlines()) == 1 + 4 + 3  # 3 distinct (pid, camid)
    assert len(json.loads(lists.read_text())) == 4 * 3


def test_skipped_queries_are_warned_of(tmp_path: Path) -> None:
    arrays = good_arrays()
    arrays["query_pids"] = np.array([0, 1, 77, 78])
    done = run("--features", write_npz(tmp_path / "f.npz", arrays), "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["single_query"]["skipped"] == 2
    assert done.stderr == "warning: 2 of 4 queries left out: no match in the gallery\n"


def test_bad_input_is_told_in_two_lines_and_leaves_nothing(tmp_path: Path, file: Path) -> None:
    nan, lonely = good_arrays(), good_arrays()
    nan["query_features"][1] = np.nan
    lonely["query_pids"] += 50
    queries, lists = tmp_path / "queries.csv", tmp_path / "lists.csv"
    for words, status, message in (
        (("--features", tmp_path / "no.npz"), 1, "no.npz: no such file"),
        (("--features", write_npz(tmp_path / "nan.npz", nan)), 1, "NaN or infinity in 1 of 4"),
        (("--features", write_npz(tmp_path / "alone.npz", lonely)), 1, "no query has a match"),
        ((), 2, "takes one of"),
        (("run", "--features", file), 2, "takes one of"),
        (("--features", file, "--dataset", "market1501"), 2, "--dataset: says nothing"),
        (("--features", file, "--top-k", "99", "--rank-lists", lists), 2, "length 99"),
        (("--features", file, "--rank-lists", tmp_path / "l.txt"), 2, "neither .csv nor .json"),
        (("--features", file, "--device", "nonsense"), 2, "device 'nonsense'"),
    ):
        extra = ("--per-query", queries) if "--features" in words else ()
        done = run(*words, *extra)
        assert done.returncode == status, (words, done.stderr)
        assert message in done.stderr
        assert done.stderr.startswith("error: ")
        assert [line[:6] for line in done.stderr.splitlines()] == ["error:", "hint: "]
        assert done.stdout == ""
        assert not queries.exists()
    assert not [p for p in tmp_path.iterdir() if p.name.endswith(".tmp")]


def test_help_loads_nothing_heavy() -> None:
    heavy = ["torch", "faiss", "scipy", "numpy"]
    code = (
        "import sys; sys.argv[1:] = ['eval', '--help']\n"
        "from reid_srdl.cli import main\n"
        "try: main()\n"
        f"finally: print(*(set({heavy}) & set(sys.modules)), file=sys.stderr)"
    )
    done = run(code=code)
    assert done.returncode == 0
    assert done.stderr.strip() == ""
    assert "--features" in done.stdout
    assert "Examples" in done.stdout


def test_features_saved_by_us_are_evaluated(file: Path, tmp_path: Path) -> None:
    save_features(tmp_path / "again.npz", load_features(file))
    ours, theirs = (
        run("--features", tmp_path / "again.npz", "--json"),
        run("--features", file, "--json"),
    )
    assert ours.stdout == theirs.stdout != ""


def test_one_file_cannot_take_both_results(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = ("--per-query", tmp_path / "a.csv", "--rank-lists", tmp_path / "." / "a.csv")
    done = reid_srdl_here("eval", "--features", file, *both, streams=capsys)
    assert_told(done, "what --per-query writes would be lost", "name two files", status=2)
    assert not (tmp_path / "a.csv").exists()


def test_pooling_of_nothing_is_warned_of(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = write_npz(tmp_path / "bare.npz", good_arrays())
    for features, warned in ((bare, True), (file, False)):
        done = reid_srdl_here("eval", "--features", features, "--pooling", "max", streams=capsys)
        assert done.returncode == 0, done.stderr
        assert ("no boxes to pool" in done.stderr) == warned
