#!/usr/bin/env python
"""Times this evaluation against torchreid's and against the bare matrix product.

Each size: one process loads the features and alternates product and engine (pairs, so that both
see the same machine); whole processes and peak memory are measured in processes of their own. The
product is of the rows that the evaluation ranks: without junk, and twice the queries where
multi-query is evaluated too. Peak memory is the largest resident size less the features and a bare
interpreter with NumPy. Of the pairs, "open" are those that the estimates leave open, "defined"
those that the definition had to decide. The engine ``loop`` is what the engine ``count`` must beat:
a float32 product, two counts around each match, and the definition where they differ.

Examples:  python tools/bench_eval.py --size market1501 --dim 2048 --kind isotropic   |
           python tools/bench_eval.py --features features.npz --engines count,loop --json out.json
           (tools/make_features makes features of networks)
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

MIB = 1 << 20
TOLERANCE = 1e-6  # mAP and Rank-k against torchreid: float32 near-ties, on features without ties
_LOOPED = 128  # queries of the plain loop at a time
_COLUMNS = 8192  # of the product at a time, so that its result needs no memory to speak of


# What the processes do -------------------------------------------------------------------------


def sides(features: Any) -> tuple[Any, Any]:
    """Returns what an evaluation must multiply: query rows, and gallery rows that are no junk.

    With boxes for multi-query, an evaluation ranks as many pooled queries again.
    """
    import numpy as np

    from reid_srdl.retrieval.rules import counted

    q = np.asarray(features.query.features, np.float32)
    g = np.asarray(features.gallery.features, np.float32)
    kept = counted(features.gallery.labels, junk_ignored=True)
    g = g if len(kept) == len(g) else g[kept]
    return (q if features.boxes is None else np.concatenate([q, q])), g


def product_seconds(features: Any, library: str) -> float:
    """Multiplies all queries with the gallery in float32 and returns the seconds."""
    import numpy as np

    q, g = sides(features)
    columns = min(_COLUMNS, len(g))
    if library == "torch":
        import torch

        left, right = torch.from_numpy(q), torch.from_numpy(g)
        space = torch.empty(len(q), columns)
        start = time.perf_counter()
        for first in range(0, len(g), columns):
            block = right[first : first + columns]
            torch.mm(left, block.T, out=space[:, : len(block)])
        return time.perf_counter() - start
    room = np.empty(len(q) * columns, np.float32)
    start = time.perf_counter()
    for first in range(0, len(g), columns):
        block = g[first : first + columns]
        np.matmul(q, block.T, out=room[: len(q) * len(block)].reshape(len(q), -1))
    return time.perf_counter() - start


class Loop:
    """The plain engine: every estimate is compared with every match's distance, less and more."""

    undecided = 0

    def slots(self, queries: Any, images: Any, targets: Any, progress: Any = None) -> Any:
        """Returns the M matches' slots, as `count.CountEngine` does."""
        import numpy as np

        from reid_srdl.retrieval.arithmetic.rounding import FLUSHED, gamma
        from reid_srdl.retrieval.counting.frame import frame_for, placed_rows, squared_norms
        from reid_srdl.retrieval.counting.pairs import exact_distances
        from reid_srdl.retrieval.counting.windows import Reach, window

        frame, dim, query = frame_for(queries, images), queries.dim, targets.query
        q, g = placed_rows(frame, queries), placed_rows(frame, images)
        a, b = np.sqrt(squared_norms(q)), np.sqrt(squared_norms(g))
        error = gamma(dim + 4) * (a + b.max()) ** 2 + FLUSHED * dim
        reach = Reach(dim, frame.scale, a[query], b.max(), a[query] ** 2, error[query])
        low, high = window(targets.distances, reach, targets.slack)
        squares, same, ahead = (b**2).astype(np.float32), targets.same, np.zeros(len(query), int)
        for start in range(0, len(q), _LOOPED):
            block = (np.float32(-2) * q[start : start + _LOOPED]) @ g.T + squares
            here = (same.query >= start) & (same.query < start + _LOOPED)
            block[same.query[here] - start, same.image[here]] = np.inf
            for i, row in enumerate(block, start):
                for k in range(*targets.offsets[i : i + 2].tolist()):
                    ahead[k] = np.count_nonzero(row < low[k])
                    if ahead[k] != np.count_nonzero(row <= high[k]):
                        left = np.flatnonzero((row >= low[k]) & (row <= high[k]))
                        own = exact_distances(queries, images, np.full(len(left), i), left)
                        t = targets.defined(np.array([k]))[0]
                        ahead[k] += np.sum((own < t) | ((own == t) & (left < targets.image[k])))
                        self.undecided += len(left)
                own = slice(*targets.offsets[i : i + 2].tolist())
                ahead[own] = np.diff(np.sort(ahead[own]), prepend=0)
        return ahead


def engine_named(name: str) -> Any:
    """Returns an engine object, or the name of one that evaluation makes."""
    from reid_srdl.retrieval.counting.count import CountEngine

    return {"count": CountEngine, "loop": Loop}.get(name, lambda: name)()


def scores_of(result: Any) -> dict[str, float]:
    """Returns the scores of an evaluation as plain numbers."""
    values: dict[str, float] = result.evaluation.single_query.model_dump()
    return values


def torchreid_scores(features: Any) -> dict[str, float]:
    """Runs torchreid's evaluation as installed."""
    import torch
    from torchreid.reid.metrics import compute_distance_matrix
    from torchreid.reid.metrics.rank import evaluate_rank

    query, gallery = features.query, features.gallery
    sides = [torch.from_numpy(part.features).float() for part in (query, gallery)]
    matrix = compute_distance_matrix(*sides, "euclidean").numpy()
    labels = query.pids, gallery.pids, query.camids, gallery.camids
    cmc, mean = evaluate_rank(matrix, *labels, max_rank=20)
    return {"mAP": float(mean), "rank1": float(cmc[0]), "rank5": float(cmc[4])}


def child(task: str, file: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Does one process's work and returns what it measured."""
    found: dict[str, Any] = {}
    if task == "torchreid":
        from torchreid.reid.metrics import rank

        found["compiled"] = bool(rank.IS_CYTHON_AVAI)
    if task != "bare":
        from reid_srdl.evaluation import evaluate
        from reid_srdl.feature_files.reading import load_features

        features = load_features(file)
        sets = features.query, features.gallery, features.boxes
        found["features"] = sum(part.features.nbytes for part in sets if part is not None)
    if task == "pairs":
        names = arguments.engines.split(",")
        seconds: dict[str, list[float]] = {
            name: [] for name in [*arguments.products.split(","), *names]
        }
        for turn in range(arguments.repeats + 1):
            for name, times in seconds.items():
                if name in names:
                    engine: Any = engine_named(name)
                    start = time.perf_counter()
                    result = evaluate(features, engine=engine)
                    times.append(time.perf_counter() - start)
                    queries = len(features.query)
                    left_open = getattr(engine, "left_open", result.undecided) / queries
                    found[name] = scores_of(result), left_open, result.undecided / queries
                else:
                    times.append(product_seconds(features, name))
                if not turn:
                    times.clear()  # the first of each warms up
        found["seconds"] = seconds
    elif task == "torchreid":
        start = time.perf_counter()
        found["scores"] = torchreid_scores(features)
        found["seconds"] = time.perf_counter() - start
    elif task.startswith("product-"):
        found["seconds"] = product_seconds(features, task.removeprefix("product-"))
    elif task != "bare":
        found["scores"] = scores_of(evaluate(features, engine=engine_named(task)))
    else:
        import numpy as np

        found["numpy"] = np.__version__
    found["peak"] = peak_bytes()
    return found


def peak_bytes() -> int:
    """Returns this process's largest resident size so far."""
    # Not getrusage: on Linux a child begins with its parent's peak there.
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


# What the parent does with it ------------------------------------------------------------------


def spawn(task: str, file: Path, arguments: argparse.Namespace) -> tuple[float, dict[str, Any]]:
    """Runs `child` in a process of its own; returns its whole seconds and its answer."""
    command = [sys.executable, __file__, "--child", task, "--features", str(file)]
    for name in ("engines", "products", "repeats"):
        command += [f"--{name}", str(getattr(arguments, name))]
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        return seconds, {"failed": f"ended with {done.returncode}"}
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seconds, answer


def measure(title: str, file: Path, shape: tuple[int, int, int], arguments: Any) -> dict[str, Any]:
    """Measures one set of features."""
    queries, gallery, dim = shape
    _, bare = spawn("bare", file, arguments)
    _, pairs = spawn("pairs", file, arguments)
    if "failed" in pairs:
        raise SystemExit(f"error: {title}: the timing process {pairs['failed']}")
    seconds = pairs.pop("seconds")
    products = arguments.products.split(",")
    best = min(products, key=lambda name: min(seconds[name]))
    names = arguments.engines.split(",")
    tasks = [*(f"product-{name}" for name in products), *names]
    runs: dict[str, list[tuple[float, dict[str, Any]]]] = {task: [] for task in tasks}
    for _ in range(arguments.whole_runs):
        for task in tasks:
            runs[task].append(spawn(task, file, arguments))
    whole = {task: min(time for time, _ in done) for task, done in runs.items()}
    least = min(whole[f"product-{name}"] for name in products)
    rows: list[dict[str, Any]] = []
    for name in products:
        row = _row(f"product, {name}", seconds[name], seconds[best])
        rows.append(row | {"whole": whole[f"product-{name}"]})
    for name in names:
        scores, left_open, undecided = pairs[name]
        row = _row(f"reid-srdl, {name}", seconds[name], seconds[best])
        row |= {"whole": whole[name], "scores": scores}
        row |= {"left_open": left_open, "undecided": undecided}
        row["memory"] = max(_beyond(answer) for _, answer in runs[name]) - bare["peak"]
        rows.append(row)
    for row in rows:
        row["whole_ratio"] = row["whole"] / least
    rows.append(_torchreid(file, shape, bare["peak"], seconds[best], arguments))
    return {"set": title, "queries": queries, "gallery": gallery, "dim": dim, "rows": rows}


def _row(name: str, seconds: list[float], product: list[float]) -> dict[str, Any]:
    pairs = [a / b for a, b in zip(seconds, product, strict=True)]
    return {
        "name": name,
        "seconds": seconds,
        "min": min(seconds),
        "median": statistics.median(seconds),
        "ratio_of_minima": min(seconds) / min(product),
        "median_ratio": statistics.median(pairs),
    }


def _beyond(answer: dict[str, Any]) -> int:
    """Returns a process's peak memory without its features."""
    return int(answer["peak"]) - int(answer["features"])


def _torchreid(
    file: Path, shape: tuple[int, int, int], base: int, product: list[float], arguments: Any
) -> dict[str, Any]:
    pairs = shape[0] * shape[1]
    if pairs > arguments.torchreid_pairs:
        told = f"skipped: {pairs / 1e6:.0f} million pairs, above --torchreid-pairs"
        return {"name": "torchreid", "note": told}
    whole, answer = spawn("torchreid", file, arguments)
    if "failed" in answer:
        return {"name": "torchreid", "note": answer["failed"]}
    kind = "compiled" if answer["compiled"] else "Python"
    row = _row(f"torchreid, {kind}", [answer["seconds"]], [min(product)])
    return row | {"whole": whole, "scores": answer["scores"], "memory": _beyond(answer) - base}


def disagreements(report: dict[str, Any]) -> list[str]:
    """Says where results differ: engines by a bit, torchreid by more than float32's near-ties."""
    rows = [row for row in report["rows"] if "scores" in row]
    ours, found = rows[0], []
    for row in rows[1:]:
        if row["name"].startswith("torchreid") and report.get("kind") == "collapsed":
            continue  # its float32 distances tie where the exact ones do not
        allowed = TOLERANCE if row["name"].startswith("torchreid") else 0.0
        for key, value in row["scores"].items():
            off = abs(value - ours["scores"][key])
            if off > allowed:
                names = f"{row['name']} and {ours['name']}"
                found.append(f"{report['set']}: {key} of {names} differs by {off:.2g}")
    return found


def print_table(report: dict[str, Any]) -> None:
    """Prints one set's table."""
    from rich.console import Console
    from rich.table import Table

    title = "{set}: {queries} x {gallery} x {dim}".format(**report)
    table = Table(title=title)
    for column in ("", "min s", "median s", "x product (min)", "x product (pairs)"):
        table.add_column(column, justify="right" if column else "left")
    for column in ("process s", "x process", "MiB", "open/q", "defined/q", "mAP"):
        table.add_column(column, justify="right")
    for row in report["rows"]:
        if "note" in row:
            table.caption = f"{row['name']}: {row['note']}"
            continue
        cells: list[tuple[str, Callable[[Any], str]]] = [
            ("min", "{:.2f}".format),
            ("median", "{:.2f}".format),
            ("ratio_of_minima", "{:.3f}".format),
            ("median_ratio", "{:.3f}".format),
            ("whole", "{:.2f}".format),
            ("whole_ratio", "{:.3f}".format),
            ("memory", lambda size: f"{size / MIB:.0f}"),
            ("left_open", "{:.1f}".format),
            ("undecided", "{:.2f}".format),
            ("scores", lambda scores: f"{100 * scores['mAP']:.2f}"),
        ]
        table.add_row(row["name"], *(show(row[key]) if key in row else "" for key, show in cells))
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def main() -> int:
    """Measures what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--size", action="append", help="tiny, market1501, msmt17, market+500k; may be repeated")
    add("--features", type=Path, help="a .npz or .mat file instead of generated features")
    add("--dim", type=int, default=2048, help="dimensions of generated features (2048)")
    add("--map", type=float, default=0.7, help="mAP that generated features aim at (0.7)")
    kinds = ("generated", "isotropic", "collapsed")
    add("--kind", choices=kinds, default="generated", help="of features; see bench_generate")
    add("--seed", type=int, default=0, help="of generated features (0)")
    add("--repeats", type=int, default=5, help="interleaved runs of each (5)")
    add("--whole-runs", type=int, default=3, help="whole processes of each (3)")
    add("--engines", default="count", help="count,loop,faiss")
    add("--products", default="numpy,torch", help="float32 products to be measured by: numpy,torch")
    add("--torchreid-pairs", type=float, default=1e8, help="skip torchreid above this (1e8)")
    add("--json", type=Path, help="write all figures to this file")
    add("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        sys.stdout.flush()
        print(json.dumps(child(arguments.child, arguments.features, arguments)))
        return 0
    reports = []
    for title, file, shape in _sets(arguments):
        report = measure(title, file, shape, arguments) | {"kind": arguments.kind}
        print_table(report)
        reports.append(report)
    if arguments.json:
        arguments.json.write_text(json.dumps({"cpus": os.cpu_count(), "sets": reports}, indent=1))
    differ = [line for report in reports for line in disagreements(report)]
    for line in differ:
        print(f"error: {line}", file=sys.stderr)
    return int(bool(differ))


def _sets(arguments: argparse.Namespace) -> Any:
    from bench_generate import SIZES, generate, generate_collapsed, generate_isotropic

    from reid_srdl.feature_files.reading import load_features, save_features

    if arguments.features:
        given = load_features(arguments.features)
        shape = len(given.query), len(given.gallery), given.query.features.shape[1]
        del given
        yield arguments.features.name, arguments.features, shape
        return
    for name in arguments.size or ["market1501"]:
        if name not in SIZES:
            raise SystemExit(f"error: no such size {name!r}\nhint:  choose {', '.join(SIZES)}")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "features.npz"
            size = SIZES[name]
            if arguments.kind == "generated":
                made = generate(size, arguments.dim, arguments.map, arguments.seed)
            elif arguments.kind == "isotropic":
                made = generate_isotropic(size, arguments.dim, arguments.seed)
            else:
                made = generate_collapsed(size, arguments.dim, arguments.seed)
            save_features(file, made)
            del made
            title = name if arguments.kind == "generated" else f"{name}, {arguments.kind}"
            yield title, file, (SIZES[name].queries, SIZES[name].gallery, arguments.dim)


if __name__ == "__main__":
    sys.exit(main())
