#!/usr/bin/env python
"""Times this k-reciprocal re-ranking against a dense NumPy version of the published algorithm.

The dense version keeps everything in N x N float32 matrices, N = queries + gallery, and sorts every
row whole, as the authors' Python code does. Each side runs in a process of its own, one after the
other, with the same number of BLAS threads; dense seconds end at the final distances, ours at the
scores, and include loading the libraries it needs. Processor seconds are given beside, since a busy
machine stretches the two sides unequally. Peak memory is the largest resident size less the
features and a bare interpreter.

Example:  OMP_NUM_THREADS=1 python tools/bench_rerank.py --images 23100 --dim 2048 --json out.json
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from bench_eval import MIB, peak_bytes  # noqa: E402

TOLERANCE = 1e-4  # of mAP
WANTED_RATIO = 10.0
WANTED_MEMORY = 2048  # MiB

Float32s = NDArray[np.float32]


def dense_distances(
    query: Float32s, gallery: Float32s, k1: int = 20, k2: int = 6, lambda_: float = 0.3
) -> Float32s:
    """Returns the Q x G re-ranked distances (Zhong et al., CVPR 2017), all matrices dense."""
    x = np.concatenate([query, gallery])
    count, half = len(x), int(np.around(k1 / 2))
    squares = np.einsum("nd,nd->n", x, x)
    d = x @ x.T
    d *= -2
    d += squares
    d += squares[:, None]
    np.maximum(d, 0, out=d)
    d /= d.max(axis=1, keepdims=True)  # d is symmetric: the column's largest, transposed
    order = np.argsort(d, axis=1).astype(np.int32)

    def reciprocal(p: int, k: int) -> NDArray[np.int32]:
        near: NDArray[np.int32] = order[p, : k + 1]
        return near[(order[near, : k + 1] == p).any(axis=1)]

    v = np.zeros_like(d)
    for p in range(count):
        core = reciprocal(p, k1)
        wider = [core]
        for c in core:
            candidate = reciprocal(c, half)
            if len(np.intersect1d(candidate, core)) > 2 / 3 * len(candidate):
                wider.append(candidate)
        members = np.unique(np.concatenate(wider))
        weights = np.exp(-d[p, members])
        v[p, members] = weights / weights.sum()
    d = d[: len(query)].copy()
    if k2 > 1:
        expanded = np.zeros_like(v)
        for p in range(count):
            expanded[p] = v[order[p, :k2]].mean(axis=0)
        v = expanded
    holders = [np.flatnonzero(v[:, z]) for z in range(count)]
    jaccard = np.empty_like(d)
    for p in range(len(query)):
        least = np.zeros(count, np.float32)
        for z in np.flatnonzero(v[p]):
            least[holders[z]] += np.minimum(v[p, z], v[holders[z], z])
        jaccard[p] = 1 - least / (2 - least)
    final: Float32s = ((1 - lambda_) * jaccard + lambda_ * d)[:, len(query) :]
    return final


def mean_ap(final: Float32s, features: Any) -> float:
    """Returns mAP of a dense matrix of distances, query by query with a stable sort."""
    query, gallery = features.query, features.gallery
    found = []
    for row, pid, camid in zip(final, query.pids, query.camids, strict=True):
        counts = ~((gallery.pids == pid) & (gallery.camids == camid))
        order = np.argsort(row[counts], kind="stable")
        ranks = 1 + np.flatnonzero((gallery.pids[counts] == pid)[order])
        if len(ranks):
            found.append(np.mean(np.arange(1, len(ranks) + 1) / ranks))
    return float(np.mean(found))


def child(task: str, file: Path) -> dict[str, Any]:
    """Does one process's work and returns what it measured."""
    if task == "bare":
        return {"peak": peak_bytes()}
    from reid_srdl.feature_files.reading import load_features

    features = load_features(file)
    start = time.perf_counter(), time.process_time()

    def taken() -> tuple[float, float]:
        return time.perf_counter() - start[0], time.process_time() - start[1]

    if task == "dense":
        final = dense_distances(features.query.features, features.gallery.features)
        (seconds, cpu), score = taken(), mean_ap(final, features)
    else:
        from reid_srdl.evaluation import evaluate
        from reid_srdl.reranking.rerank import KReciprocalRanker

        ranker = None if task == "plain" else KReciprocalRanker()
        score = evaluate(features, ranker=ranker).evaluation.single_query.mAP
        seconds, cpu = taken()
    return {"seconds": seconds, "cpu_seconds": cpu, "mAP": score, "peak": peak_bytes()}


def spawn(task: str, file: Path) -> dict[str, Any]:
    """Runs `child` in a process of its own."""
    command = [sys.executable, __file__, "--child", task, "--features", str(file)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise SystemExit(f"error: the process of {task} ended with {done.returncode}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def measure(file: Path, features_bytes: int, repeats: int) -> dict[str, Any]:
    """Measures both sides on one file of features."""
    base = spawn("bare", file)["peak"] + features_bytes
    found = {"plain": spawn("plain", file), "dense": spawn("dense", file)}
    runs = [spawn("ours", file) for _ in range(repeats)]
    found["ours"] = min(runs, key=lambda run: float(run["seconds"]))
    for answer in found.values():
        answer["MiB"] = (answer.pop("peak") - base) / MIB
    dense, ours = found["dense"], found["ours"]
    return {
        "runs": found,
        "ours_seconds": [run["seconds"] for run in runs],
        "ratio": dense["seconds"] / ours["seconds"],
        "cpu_ratio": dense["cpu_seconds"] / ours["cpu_seconds"],
        "mAP_difference": ours["mAP"] - dense["mAP"],
    }


def main() -> int:
    """Measures what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--images", type=int, default=23_100, help="queries and gallery together (23100)")
    add("--dim", type=int, default=2048, help="dimensions of generated features (2048)")
    add("--map", type=float, default=0.7, help="plain mAP that generated features aim at (0.7)")
    add("--seed", type=int, default=0, help="of generated features (0)")
    add("--features", type=Path, help="a .npz file, without junk, instead of generated features")
    add("--repeats", type=int, default=3, help="runs of ours, the fastest counts (3)")
    add("--json", type=Path, help="write all figures to this file")
    add("--check", action="store_true", help="exit with 1 unless the ratio is 10 and memory 2 GiB")
    add("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(child(arguments.child, arguments.features)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        file = arguments.features or Path(folder) / "features.npz"
        shape = _prepared(file, arguments)
        report = measure(file, 4 * (shape[0] + shape[1]) * shape[2], arguments.repeats)
    report |= {"queries": shape[0], "gallery": shape[1], "dim": shape[2]}
    report["threads"] = os.environ.get("OMP_NUM_THREADS", "all")
    _print(report)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1))
    ours = report["runs"]["ours"]
    fast = report["ratio"] >= WANTED_RATIO and ours["MiB"] <= WANTED_MEMORY
    return int(abs(report["mAP_difference"]) > TOLERANCE or (arguments.check and not fast))


def _prepared(file: Path, arguments: argparse.Namespace) -> tuple[int, int, int]:
    from bench_generate import SIZES, Size, generate

    from reid_srdl.feature_files.reading import load_features, save_features

    if not arguments.features:
        whole = SIZES["market1501"]
        scale = arguments.images / (whole.queries + whole.gallery)
        queries, identities, matched = (
            round(scale * part) for part in (whole.queries, whole.identities, whole.matched)
        )
        size = Size(queries, arguments.images - queries, identities, matched, whole.cameras)
        save_features(file, generate(size, arguments.dim, arguments.map, arguments.seed))
    features = load_features(file)
    return len(features.query), len(features.gallery), features.query.features.shape[1]


def _print(report: dict[str, Any]) -> None:
    title = "{queries} x {gallery} x {dim}, BLAS threads: {threads}".format(**report)
    print(title)
    for name, run in report["runs"].items():
        times = f"{run['seconds']:9.2f} s {run['cpu_seconds']:9.2f} processor s"
        print(f"  {name:<6}{times} {run['MiB']:9.0f} MiB   mAP {100 * run['mAP']:.4f}")
    ratios = f"{report['ratio']:.1f} (processor time {report['cpu_ratio']:.1f})"
    print(f"  dense / ours {ratios}, mAP differs by {report['mAP_difference']:.1e}")


if __name__ == "__main__":
    sys.exit(main())
