#!/usr/bin/env python
"""Switches parts of the counting engine off, one at a time, and measures what that costs.

One process, one thread. In each turn the whole engine runs and then, right after it, the engine
without the part; the ratio of their processor seconds is one pair, so that a busy machine hardly
matters. Printed are the median ratio of all pairs and its 95 % interval from order statistics,
which assumes no distribution. A part pays where the interval lies wholly above 1.03. Results must
be equal to the bit, or the tool ends with an error.

Examples:  python tools/ablate_counting.py --features features.npz   |
           python tools/ablate_counting.py --kind isotropic --dim 2048 --only levels --pairs 11
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import contextlib
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

_CHOSEN_FOR = 19_732  # gallery images
WORTH = 1.03  # of the median ratio, at least, for a part to stay


def without_levels(patch: Patch) -> None:
    """All gallery rows of a block share their windows."""
    from reid_srdl.retrieval.counting.reaches import Reaches

    patch(Reaches, "levels", lambda self, sizes: np.zeros(len(sizes), np.int64))


def without_own_bounds(patch: Patch) -> None:
    """A pair in a window goes to the closer look at once."""
    from reid_srdl.retrieval.counting.counter import Counter
    from reid_srdl.retrieval.counting.reaches import Reaches

    def add(self: Any, edges: Any, first: int, found: Any, positions: Any, _: Any) -> None:
        self._count(edges, int(edges.start[first]), found.counts)
        query = found.query + first
        self._leave(query, positions, *self._in_question(edges, query, found.window))

    patch(Counter, "add", add)
    patch(Reaches, "limits", lambda *_: None)


def without_shares(patch: Patch) -> None:
    """One kernel serves all queries."""
    from reid_srdl.retrieval.counting import count
    from reid_srdl.retrieval.counting.kernels.choice import Share

    patch(count, "divided", lambda problem, kernel: [Share(kernel)])


def without_refinement(patch: Patch) -> None:
    """A kernel that leaves many pairs open goes on."""
    from reid_srdl.retrieval.counting.shard import ShardCount

    patch(ShardCount, "_refine", lambda *_: None)


def without_twins(patch: Patch) -> None:
    """Nobody looks for equal rows."""
    from reid_srdl.retrieval.counting.twins import Twins

    patch(Twins, "runs", lambda *_: None)


Patch = Callable[[Any, str, Any], None]
PARTS: dict[str, Callable[[Patch], None]] = {
    "levels": without_levels,
    "own bounds": without_own_bounds,
    "shares": without_shares,
    "refinement": without_refinement,
    "twins": without_twins,
}


@contextlib.contextmanager
def without(part: str) -> Iterator[None]:
    """Switches one part off for a while."""
    undo: list[tuple[Any, str, Any]] = []

    def patch(owner: Any, name: str, value: Any) -> None:
        undo.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    PARTS[part](patch)
    try:
        yield
    finally:
        for owner, name, value in reversed(undo):
            setattr(owner, name, value)


def run(features: Any, engine: Any) -> tuple[float, list[Any], float]:
    """Evaluates once: processor seconds, the results' arrays, pairs per query left open."""
    from reid_srdl.evaluation import evaluate

    engine.left_open = 0
    start = time.process_time()
    found = evaluate(features, engine=engine)
    seconds = time.process_time() - start
    tables = [table for table in (found.single, found.multi) if table is not None]
    arrays = [getattr(t, key) for t in tables for key in ("ap", "ap_trapezoid", "first_rank")]
    return seconds, arrays, engine.left_open / len(features.query)


def interval(ratios: list[float]) -> tuple[float, float]:
    """Returns the 95 % interval of the median that order statistics give.

    The widest k whose two tails, of a fair coin thrown n times, hold at most 5 %.
    """
    n, ordered = len(ratios), sorted(ratios)
    tail, k = 0.0, 0
    while tail + math.comb(n, k) / 2**n <= 0.025:
        tail += math.comb(n, k) / 2**n
        k += 1
    low = max(k - 1, 0)
    return ordered[low], ordered[n - 1 - low]


def measure(title: str, features: Any, parts: list[str], pairs: int) -> dict[str, Any]:
    """Measures all parts on one set of features, part by part in turn."""
    from reid_srdl.retrieval.counting.count import CountEngine

    # A kernel is chosen once, as if for the whole of Market-1501: parts of a set are measured, too.
    engine = CountEngine(chosen_for=_CHOSEN_FOR * 3368 // len(features.query))
    ratios: dict[str, list[float]] = {part: [] for part in parts}
    _, expected, left_open = run(features, engine)  # warms up
    base: list[float] = []
    for _ in range(pairs):
        for part in parts:
            whole = run(features, engine)[0]
            with without(part):
                seconds, arrays, _ = run(features, engine)
            base.append(whole)
            ratios[part].append(seconds / whole)
            for one, other in zip(arrays, expected, strict=True):
                if not np.array_equal(one, other, equal_nan=True):
                    raise SystemExit(f"error: {title} without {part}: other results")
    rows = {
        part: {"median": statistics.median(own), "interval": interval(own), "ratios": own}
        for part, own in ratios.items()
    }
    seconds = statistics.median(base)
    return {"set": title, "seconds": seconds, "left_open": left_open, "parts": rows}


def thinned(features: Any, queries: int | None, gallery: int | None) -> Any:
    """Returns every so-manieth query and gallery image, this many of them."""
    import dataclasses

    def some(part: Any, count: int | None) -> Any:
        rows = np.linspace(0, len(part) - 1, min(count or len(part), len(part)), dtype=np.int64)
        return dataclasses.replace(
            part,
            features=part.features[rows],
            pids=part.pids[rows],
            camids=part.camids[rows],
            names=None,
        )

    return dataclasses.replace(
        features, query=some(features.query, queries), gallery=some(features.gallery, gallery)
    )


def made(arguments: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    """Yields the sets of features that are asked for."""
    from bench_generate import SIZES, generate, generate_collapsed, generate_isotropic

    from reid_srdl.feature_files.reading import load_features

    for file in arguments.features or []:
        yield file.name, load_features(file)
    size = SIZES[arguments.size]
    for kind in arguments.kind or []:
        title = f"{kind}, {arguments.size} x {arguments.dim}"
        if kind == "generated":
            yield title, generate(size, arguments.dim, 0.7)
        elif kind == "isotropic":
            yield title, generate_isotropic(size, arguments.dim)
        else:
            yield title, generate_collapsed(size, arguments.dim)


def main() -> int:
    """Measures what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--features", type=Path, action="append", help="a file of features; may be repeated")
    add("--kind", choices=["generated", "isotropic", "collapsed"], action="append")
    add("--size", default="market1501", help="of generated features (market1501)")
    add("--dim", type=int, default=2048, help="of generated features (2048)")
    add("--only", choices=[*PARTS], action="append", help="parts; may be repeated")
    add("--queries", type=int, help="measure with only so many")
    add("--gallery", type=int, help="measure with only so many images")
    add("--pairs", type=int, default=21, help="of each part (21)")
    add("--json", type=Path, help="write all figures to this file")
    arguments = parser.parse_args()
    reports = []
    for title, features in made(arguments):
        parts = arguments.only or [*PARTS]
        features = thinned(features, arguments.queries, arguments.gallery)
        report = measure(title, features, parts, arguments.pairs)
        reports.append(report)
        print(f"{title}: {report['seconds']:.2f} s, {report['left_open']:.1f} open per query")
        for part, row in report["parts"].items():
            low, high = row["interval"]
            told = "pays" if low > WORTH else "does not pay"
            print(f"  without {part}: {row['median']:.3f} ({low:.3f} to {high:.3f}), {told}")
        sys.stdout.flush()
    if arguments.json:
        arguments.json.write_text(json.dumps(reports, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
