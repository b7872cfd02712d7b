#!/usr/bin/env python
"""Times an evaluation over growing galleries that are streamed from disk, and its peak memory.

A gallery is drawn straight into a folder of .npy files and read back through memory maps; each size
is evaluated by a process of its own, whose memory is read from /proc while it runs: anonymous
memory is what it allocated, mapped what it holds of files. Lines are fitted through time and
processor time over gallery images: the slope is the cost of an image, and the largest departure
from the line says how far the cost is linear. The slope of a line through anonymous memory is what
an image leaves there; the bare interpreter with NumPy is part of it.

Examples:  python tools/bench_scale.py --sizes 100000,200000,400000 --queries 500   |
           python tools/bench_scale.py --sizes 1000000,2000000,5000000 --processes 2 --json out.json
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

MIB = 1 << 20
_KINDS = ("RssAnon", "RssFile")
_SAMPLED_SECONDS = 0.05
_CALLED = {
    "seconds": "seconds",
    "cpu_seconds": "processor seconds",
    "RssAnon": "allocated",
    "RssFile": "of files in memory",
}
_PLACES = ("folder", "json", "plot")  # options that say where, of no interest to others


def write_set(folder: Path, size: Any, arguments: Any, scatter: float) -> int:
    """Draws a test set into a folder, the gallery a piece at a time; returns its bytes."""
    import numpy as np
    from bench_generate import parts

    for name, pids, cameras, pieces in parts(size, arguments.dim, scatter, arguments.seed):
        np.save(folder / f"{name}_pids.npy", pids)
        np.save(folder / f"{name}_camids.npy", cameras)
        file = np.lib.format.open_memmap(
            folder / f"{name}_features.npy",
            mode="w+",
            dtype=np.dtype(arguments.type),
            shape=(len(pids), arguments.dim),
        )
        for start, rows in pieces:
            file[start : start + len(rows)] = rows
        file.flush()
    return sum(path.stat().st_size for path in folder.iterdir())


def evaluated(folder: Path, arguments: Any) -> dict[str, Any]:
    """Evaluates a folder in processes of their own; returns seconds, scores and peak memory."""
    command = [sys.executable, "-m", "reid_srdl", "eval", "--features", str(folder), "--json"]
    if arguments.processes > 1:
        run = ["-m", "torch.distributed.run", "--nproc-per-node", str(arguments.processes)]
        command[1:2] = [*run, "-m"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH')}"}
    start, before = time.perf_counter(), _children_seconds()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, stdout=out, env=environment)
        peaks: dict[str, int] = {}
        while process.poll() is None:
            for number in _own(process.pid, arguments.processes):
                _raise_peaks(peaks, number)
            time.sleep(_SAMPLED_SECONDS)
        seconds = time.perf_counter() - start
        if process.returncode:
            raise SystemExit(f"error: the evaluation ended with {process.returncode}")
        out.seek(0)
        scores = json.loads(out.read())["single_query"]
    told = {"seconds": seconds, "cpu_seconds": _children_seconds() - before}
    return told | {"mAP": scores["mAP"], "queries": scores["queries"]} | peaks


def _children_seconds() -> float:
    """Returns the processor time of all processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _own(process: int, processes: int) -> list[int]:
    """Returns the evaluating processes: the one that was started, or torchrun's."""
    if processes < 2:
        return [process]
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{process}/task/{process}/children").read_text()
        return [int(word) for word in children.split()]
    return []


def _raise_peaks(peaks: dict[str, int], process: int) -> None:
    """Raises the largest figures seen of any process, in bytes."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in _KINDS:
                peaks[name] = max(peaks.get(name, 0), int(value.split()[0]) * 1024)


def fitted(rows: list[dict[str, Any]], kind: str) -> dict[str, float]:
    """Fits time = fixed + slope x gallery; returns both and the largest relative departure."""
    import numpy as np

    x, y = (np.array([row[key] for row in rows], float) for key in ("gallery", kind))
    slope, fixed = np.polyfit(x, y, 1)
    departure = np.abs(slope * x + fixed - y) / y
    return {"slope": float(slope), "fixed": float(fixed), "departure": float(departure.max())}


def print_table(rows: list[dict[str, Any]], lines: dict[str, dict[str, float]]) -> None:
    """Prints the figures of all sizes."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="evaluation of galleries streamed from disk")
    names = ("gallery", "on disk MiB", "queries", "s", "CPU s", "million pairs/s")
    for name in (*names, "anonymous MiB", "mapped MiB", "mAP"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            f"{row['gallery']:,}",
            f"{row['bytes'] / MIB:,.0f}",
            f"{row['queries']:,}",
            f"{row['seconds']:.1f}",
            f"{row['cpu_seconds']:.1f}",
            f"{row['pairs_per_second'] / 1e6:.1f}",
            *(f"{row[kind] / MIB:.0f}" if kind in row else "" for kind in _KINDS),
            f"{100 * row['mAP']:.2f}",
        )
    table.caption = "\n".join(
        f"{kind} = {line['fixed'] / unit:.1f} + {1e6 * line['slope'] / unit:.2f} per million images"
        f"; at most {line['departure']:.1%} off"
        for kind, line in lines.items()
        for unit in [MIB if kind in _KINDS else 1]
    )
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def draw(rows: list[dict[str, Any]], lines: dict[str, dict[str, float]], path: Path) -> None:
    """Draws time and memory over gallery images, with the fitted lines."""
    from reid_srdl.report.figures import new_figure, save_figure

    figure = new_figure(9, 3.2)
    panels = figure.subplots(1, 2)
    x = [row["gallery"] / 1e6 for row in rows]
    for axes, kinds, unit in zip(
        panels, (("seconds", "cpu_seconds"), _KINDS), (1, MIB), strict=True
    ):
        for kind in (kind for kind in kinds if kind in rows[0]):
            [marks] = axes.plot(x, [row[kind] / unit for row in rows], "o", label=_CALLED[kind])
            if kind in lines:
                line = lines[kind]
                y = [(line["fixed"] + 1e6 * line["slope"] * end) / unit for end in (0, max(x))]
                axes.plot([0, max(x)], y, "-", color=marks.get_color(), alpha=0.5)
        axes.set_xlabel("gallery images (millions)")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend()
    panels[0].set_ylabel("seconds")
    panels[1].set_ylabel("MiB")
    save_figure(figure, path)


def measured(arguments: Any) -> list[dict[str, Any]]:
    """Writes and evaluates a gallery of each size; prints each result as it comes."""
    from bench_generate import SIZES, Size, scatter_for

    like = SIZES["market+500k"]
    rows: list[dict[str, Any]] = []
    for count in (int(word) for word in arguments.sizes.split(",")):
        matched = min(like.matched, count)
        size = Size(arguments.queries, count, like.identities, matched, like.cameras)
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            room = shutil.disk_usage(folder).free
            needed = count * arguments.dim * (2 if arguments.type == "float16" else 4)
            if needed > 0.95 * room:
                raise SystemExit(f"error: {count:,} images need {needed / MIB:,.0f} MiB of disk")
            scatter = scatter_for(size, arguments.map, arguments.seed)
            written = write_set(Path(folder), size, arguments, scatter)
            row = {"gallery": count, "bytes": written, **evaluated(Path(folder), arguments)}
        row["pairs_per_second"] = arguments.queries * count / row["seconds"]
        rows.append(row)
        print_table([row], {})
    return rows


def main() -> int:
    """Measures what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--sizes", default="1000000,2000000,5000000", help="gallery images, comma-separated")
    add("--queries", type=int, default=3368, help="(3368)")
    add("--dim", type=int, default=512, help="dimensions (512)")
    add("--type", default="float16", choices=("float16", "float32"), help="(float16)")
    add("--processes", type=int, default=1, help="processes that share the gallery (1)")
    add("--map", type=float, default=0.7, help="mAP that the features aim at (0.7)")
    add("--seed", type=int, default=0, help="of the features (0)")
    add("--folder", type=Path, help="where galleries are written (the system's temporary folder)")
    add("--json", type=Path, help="write all figures to this file")
    add("--plot", type=Path, help="draw them to this file: .png, .svg or .pdf")
    arguments = parser.parse_args()
    from reid_srdl.errors import UserError
    from reid_srdl.report.figures import check_figure

    try:
        if arguments.plot:
            check_figure(arguments.plot)
    except UserError as error:
        print(f"error: {error.what}\nhint:  {error.hint}", file=sys.stderr)
        return error.exit_status
    rows = measured(arguments)
    several = len(rows) > 1
    fits = [kind for kind in ("seconds", "cpu_seconds", "RssAnon") if kind in rows[0]]
    lines = {kind: fitted(rows, kind) for kind in fits if several}
    print_table(rows, lines)
    if arguments.json:
        asked = {name: value for name, value in vars(arguments).items() if name not in _PLACES}
        told = {**asked, "cpus": os.cpu_count(), "lines": lines, "rows": rows}
        arguments.json.write_text(json.dumps(told, indent=1, default=str) + "\n")
    if arguments.plot:
        draw(rows, lines, arguments.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
