"""Where a step's time goes, as tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from reid_srdl.records.profiled import Profile
from reid_srdl.report.tables import Column, Row, Table

_PARTS = {
    "data": "data: waiting for the batch",
    "forward": "forward passes",
    "losses": "losses",
    "backward": "backward pass",
    "joining": "joining answers and gradients",
    "optimiser": "optimiser",
    "metrics": "metrics",
}


def profile_tables(found: Profile) -> list[Table]:
    """Returns the parts of a step, what it achieves, and its slowest operators."""
    return [_parts(found), _facts(found), _operators(found)]


def profile_json(found: Profile) -> dict[str, Any]:
    """Returns a profile as plain values: seconds, bytes, operations, fractions."""
    more = {
        "images_per_second": found.images_per_second,
        "flop_per_second": found.rate,
        "of_peak": found.of_peak,
    }
    return {**asdict(found), **more}


def _parts(found: Profile) -> Table:
    size = " x ".join(map(str, found.size))
    title = (
        f"{found.model} at {size}, {found.method}, phase {found.phase}, "
        f"{found.batch_size} images a step, {found.precision}"
    )
    columns = (
        Column("part", "of a step"),
        Column("ms", "ms", "number"),
        Column("share", "share", "number", unit="%"),
    )
    whole = sum(found.parts.values())
    rows = [
        Row(
            {
                "part": _PARTS[name],
                "ms": f"{1e3 * seconds:.2f}",
                "share": f"{100 * seconds / whole:.1f}",
            }
        )
        for name, seconds in found.parts.items()
        if name != "joining" or found.processes > 1
    ]
    rows.append(
        Row({"part": "all, marked", "ms": f"{1e3 * whole:.2f}", "share": "100.0"}, separator=True)
    )
    rows.append(Row({"part": "a step of a training", "ms": f"{1e3 * found.seconds:.2f}"}))
    note = "marks wait for the device, so on a GPU the parts take longer than the step"
    return Table(title, columns, tuple(rows), (note,) if _on_gpu(found) else ())


def _facts(found: Profile) -> Table:
    columns = Column("what", "measured"), Column("value", "", "number")
    return Table("", columns, tuple(Row({"what": a, "value": b}) for a, b in _lines(found)))


def _lines(found: Profile) -> Iterator[tuple[str, str]]:
    threads = f", {found.threads} thread{'s' * (found.threads > 1)}" if not _on_gpu(found) else ""
    processes = f"{found.processes} processes, " if found.processes > 1 else ""
    compiled = ", compiled" * found.compiled + ", one CUDA graph" * found.graph
    yield "device", f"{processes}{found.device}{threads}{compiled}"
    yield "images a second", f"{found.images_per_second:,.0f}"
    yield "achieved", f"{found.rate / 1e9:,.1f} GFLOP/s"
    each = ", of each process" * (found.processes > 1)
    yield f"a matrix product in {found.precision}{each}", f"{found.peak / 1e9:,.1f} GFLOP/s"
    yield "achieved of that", f"{100 * found.of_peak:.1f} %"
    yield "idle" if _on_gpu(found) else "idle, of the threads' time", f"{100 * found.idle:.1f} %"
    held = "memory, at most" if _on_gpu(found) else "memory of the process, at most"
    yield held, f"{found.memory / 2**20:,.0f} MiB"


def _operators(found: Profile) -> Table:
    columns = (
        Column("name", "slowest operators"),
        Column("calls", "calls a step", "number"),
        Column("ms", "ms a step", "number"),
    )
    rows = tuple(
        Row({"name": one.name, "calls": f"{one.calls:g}", "ms": f"{1e3 * one.seconds:.2f}"})
        for one in found.operators
    )
    return Table("", columns, rows)


def _on_gpu(found: Profile) -> bool:
    return found.kind == "cuda"
