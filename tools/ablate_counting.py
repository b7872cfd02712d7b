#!/usr/bin/env python
"""Switches parts of the counting engine off, one at a time, and measures what that costs.

Two processes with one thread each take turns: one runs the whole engine, the other the engine
without a part. The ratio of their processor seconds is one pair, so that a busy machine hardly
matters. Printed are the median ratio of 21 pairs and its 95 % interval from order statistics, which
assumes no distribution. A part pays where the interval lies wholly above 1.03. "not used" are parts
that the engine does not reach with these features on this processor. Results must be equal to the
bit, or the tool ends with an error.

``--against`` compares with the code of another checkout instead: a ratio above 1 says that the
other code is slower. ``tools/make_features`` makes features of real images.

Examples:  python tools/ablate_counting.py --features features.npz --kind isotropic   |
           python tools/ablate_counting.py --features features.npz --against OLD --json out.json
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WORTH = 1.03  # of the median ratio, at least, for a part to stay
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


# What is switched off: each returns how often the part was reached ------------------------------


def without_own_bounds(reached: list[int]) -> None:
    """A pair in a window goes to the closer look at once."""
    from reid_srdl.retrieval.counting.reaches import Reaches

    def none(_: Any, query: Any, *rest: Any) -> None:
        reached.append(len(query))

    Reaches.limits = none  # type: ignore[method-assign, assignment]


def without_shares(reached: list[int]) -> None:
    """One kernel serves all queries."""
    from reid_srdl.retrieval.counting import count
    from reid_srdl.retrieval.counting.kernels.choice import Share

    divided = count.divided

    def whole(problem: Any, kernel: Any) -> list[Share]:
        reached.append(len(divided(problem, kernel)) - 1)
        return [Share(kernel)]

    count.divided = whole


def without_refinement(reached: list[int]) -> None:
    """A kernel that leaves many pairs open goes on."""
    from reid_srdl.retrieval.counting.shard import ShardCount

    use = ShardCount._use

    def first_alone(self: Any, kernel: Any) -> None:
        reached.append(hasattr(self, "_used"))
        if not reached[-1]:
            use(self, kernel)

    ShardCount._use = first_alone  # type: ignore[method-assign]


def without_integers(reached: list[int]) -> None:
    """NumPy's float32 product serves all queries."""
    from reid_srdl.retrieval.counting import count
    from reid_srdl.retrieval.counting.kernels.on_numpy import NumpyKernel

    choose = count.choose

    def float32(*given: Any) -> NumpyKernel:
        reached.append(choose(*given).name == "integers")
        return NumpyKernel()

    count.choose = float32


def without_mixing(reached: list[int]) -> None:
    """Rows are rounded to integers as they are."""
    from reid_srdl.retrieval.counting.kernels import split

    def copied(w: Any, out: Any) -> Any:
        reached.append(1)
        out[:] = w
        return out

    split._mixed = copied


def without_closer_look(reached: list[int]) -> None:
    """The definition decides every open pair at once."""
    import numpy as np

    from reid_srdl.retrieval.counting import counter

    def nothing(_: Any, __: Any, query: Any, *rest: Any) -> Any:
        reached.append(len(query))
        return np.zeros(len(query)), np.full(len(query), np.inf)

    counter.nearly = nothing


PARTS: dict[str, Callable[[list[int]], None]] = {
    "own bounds": without_own_bounds,
    "shares": without_shares,
    "refinement": without_refinement,
    "integers": without_integers,
    "mixing": without_mixing,
    "closer look": without_closer_look,
}

TITLES = {"loop": "the plain loop instead", "against": "the other code"}


# One side of a pair ----------------------------------------------------------------------------


def serve(file: Path, part: str) -> None:
    """Evaluates once for each line of standard input, and prints what it found."""
    from reid_srdl.evaluation import evaluate
    from reid_srdl.feature_files.reading import load_features
    from reid_srdl.retrieval.counting.count import CountEngine

    features, reached = load_features(file), list[int]()
    if part == "loop":
        sys.path.append(str(ROOT / "tools"))
        from bench_eval import Loop
    elif part:
        PARTS[part](reached)
    for _ in sys.stdin:
        engine: Any = Loop() if part == "loop" else CountEngine()
        start = time.process_time()
        found = evaluate(features, engine=engine)
        seconds = time.process_time() - start
        tables = [table for table in (found.single, found.multi) if table is not None]
        ranks = hashlib.sha256()
        for table in tables:
            for key in ("ap", "ap_trapezoid", "first_rank"):
                ranks.update(getattr(table, key).tobytes())
        answer = {
            "seconds": seconds,
            "ranks": ranks.hexdigest(),
            "open": getattr(engine, "left_open", 0) / sum(map(len, tables)),
            "used": not part or part == "loop" or sum(reached) > 0,
        }
        print(json.dumps(answer), flush=True)


class Side:
    """A process that evaluates when it is asked to."""

    def __init__(self, file: Path, part: str = "", code: Path = ROOT) -> None:
        command = [sys.executable, __file__, "--serve", part, "--features", str(file)]
        environment = os.environ | dict.fromkeys(_THREADS, "1") | {"PYTHONPATH": str(code)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen(command, env=environment, text=True, **pipes)

    def run(self) -> dict[str, Any]:
        """Evaluates once."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("error: a process ended early")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


# Pairs -----------------------------------------------------------------------------------------


def interval(ratios: list[float]) -> tuple[float, float]:
    """Returns the 95 % interval of the median that order statistics give.

    The narrowest whose two tails, of a fair coin thrown n times, hold at most 5 %.

    >>> interval([float(i) for i in range(21)])
    (5.0, 15.0)
    """
    n, ordered = len(ratios), sorted(ratios)
    tail, k = 0.0, 0
    while tail + math.comb(n, k) / 2**n <= 0.025:
        tail += math.comb(n, k) / 2**n
        k += 1
    low = max(k - 1, 0)
    return ordered[low], ordered[n - 1 - low]


def paired(title: str, whole: Side, other: Side, pairs: int) -> dict[str, Any]:
    """Lets two sides take turns, after one run each to warm up."""
    first, second = whole.run(), other.run()
    if first["ranks"] != second["ranks"]:
        raise SystemExit(f"error: {title}: other results")
    ratios, base = [], []
    for _ in range(pairs if second["used"] else 0):
        base.append(whole.run()["seconds"])
        ratios.append(other.run()["seconds"] / base[-1])
    found = {"open": [first["open"], second["open"]], "ratios": ratios}
    if ratios:
        found |= {"seconds": statistics.median(base), "median": statistics.median(ratios)}
        found["interval"] = interval(ratios)
    return found


def told(row: dict[str, Any]) -> str:
    """Returns one line's figures."""
    if not row["ratios"]:
        return "not used"
    (low, high), (before, after) = row["interval"], row["open"]
    verdict = "pays" if low > WORTH else "does not pay"
    return (
        f"{row['median']:.3f} ({low:.3f} to {high:.3f}) of {row['seconds']:.2f} s, {verdict}; "
        f"{before:.2f} open pairs a query became {after:.2f}"
    )


def measure(file: Path, title: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measures all parts on one set of features and prints a line for each."""
    whole, report = Side(file), {}
    names = arguments.only or [*PARTS, "loop"]
    for name in ["against"] if arguments.against else names:
        part, code = ("", arguments.against) if arguments.against else (name, ROOT)
        other = Side(file, part, code)
        report[name] = paired(f"{title}, {name}", whole, other, arguments.pairs)
        other.close()
        print(f"  {TITLES.get(name, f'without {name}')}: {told(report[name])}", flush=True)
    whole.close()
    return {"set": title, "parts": report}


def files(arguments: argparse.Namespace, place: Path) -> Iterator[tuple[Path, str]]:
    """Yields the sets of features that are asked for."""
    for file in arguments.features or []:
        yield file, file.name
    sys.path[:0] = [str(ROOT), str(ROOT / "tools")]
    from bench_generate import SIZES, generate, generate_collapsed, generate_isotropic

    from reid_srdl.feature_files.reading import save_features

    makers = {
        "generated": generate,
        "isotropic": generate_isotropic,
        "collapsed": generate_collapsed,
    }
    for kind in arguments.kind or []:
        file = place / f"{kind}.npz"
        more = (0.7,) if kind == "generated" else ()
        save_features(file, makers[kind](SIZES[arguments.size], arguments.dim, *more))
        yield file, f"{kind}, {arguments.size} x {arguments.dim}"
        file.unlink()


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
    add("--only", choices=[*PARTS, "loop"], action="append", help="parts; may be repeated")
    add("--against", type=Path, help="another checkout, to compare with instead")
    add("--pairs", type=int, default=21, help="of each part (21)")
    add("--json", type=Path, help="write all figures to this file")
    add("--serve", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        serve(arguments.features[0], arguments.serve)
        return 0
    reports = []
    with tempfile.TemporaryDirectory() as place:
        for file, title in files(arguments, Path(place)):
            print(title, flush=True)
            reports.append(measure(file, title, arguments))
    if arguments.json:
        arguments.json.write_text(json.dumps(reports, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
