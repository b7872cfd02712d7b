"""``reid-srdl doctor``: what this machine has, and what will be used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from reid_srdl.jobs.doctor import FoundData, Machine

EXAMPLE = "Example: REID_SRDL_DATA=/data reid-srdl doctor"
_GIB = 2**30


def doctor(
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print JSON alone; memory in bytes.", rich_help_panel="Output"),
    ] = False,
) -> None:
    """Show what this machine has and what training on it will use.

    Looks at the processor, memory, GPUs, packages, the cache's disk and the data sets under
    REID_SRDL_DATA. Writes nothing.
    """
    from reid_srdl.jobs.doctor import inspect
    from reid_srdl.report.say import show_json, show_pairs

    machine = inspect()
    if as_json:
        show_json(json.loads(json.dumps(asdict(machine), default=str)))
    else:
        show_pairs(_lines(machine))


def _lines(machine: Machine) -> Iterator[tuple[str, str]]:
    yield "Python", f"{machine.python} on {machine.system}"
    memory = f", {machine.memory / _GIB:.1f} GiB memory" if machine.memory else ""
    yield "processor", f"{machine.processor}, {machine.cores} cores{memory}"
    yield "torch", _torch(machine)
    yield "FAISS", _faiss(machine)
    yield "ONNX", _integers(machine)
    others = {name: told for name, told in machine.packages.items() if name not in _OWN_LINES}
    yield "packages", ", ".join(f"{name} {told or 'missing'}" for name, told in others.items())
    yield "data", _data(machine)
    if machine.cache:
        yield "cache", f"{machine.cache.folder}, {machine.cache.free / _GIB:.1f} GiB free"
    if machine.auto:
        auto = machine.auto
        yield (
            "will use",
            f"device {auto.device}, precision {auto.precision}, {auto.threads} threads",
        )
    elif machine.torch.problem:
        yield "will use", "nothing can be trained here until torch can be imported"


_OWN_LINES = ("torch", "faiss", "onnxruntime")


def _torch(machine: Machine) -> str:
    torch = machine.torch
    if torch.problem:
        return f"cannot be imported: {torch.problem}; install reid-srdl again with pip"
    bf16 = "with bf16" if torch.bf16 else "without bf16"
    gpus = [f"{gpu.name} ({gpu.memory / _GIB:.0f} GiB)" for gpu in torch.gpus]
    found = ", ".join(gpus) or "no GPU"
    build = f"CUDA {torch.cuda}" if torch.cuda else "no CUDA"
    return f"{machine.packages['torch']}, built for {build}; {found}; processor {bf16}"


def _faiss(machine: Machine) -> str:
    faiss = machine.faiss
    if faiss.problem:
        return f"cannot be imported: {faiss.problem}; install reid-srdl again with pip"
    return f"{machine.packages['faiss']}, sees {faiss.gpus} GPUs; {faiss.options}"


def _integers(machine: Machine) -> str:
    if machine.integers.problem:
        problem = machine.integers.problem
        return f"cannot be imported: {problem}; evaluation multiplies in float32, more slowly"
    exact = (
        "exact" if machine.integers.exact else "not exact here: evaluation multiplies in float32"
    )
    return f"Runtime {machine.packages['onnxruntime']}, products of integers {exact}"


def _data(machine: Machine) -> str:
    data = machine.data
    if data.folder is None:
        return "REID_SRDL_DATA is not set; give --data-dir, or set it to the folder of your data"
    if not data.exists:
        return f"{data.folder}: no such folder; set REID_SRDL_DATA to the folder of your data"
    sets = ", ".join(map(_data_set, data.found))
    return f"{data.folder}: {sets or 'no data set found'}"


def _data_set(found: FoundData) -> str:
    if found.packed:
        return f"{found.name} (in its archive)"
    counts = ", ".join(f"{images} {split}" for split, images in found.images.items())
    return f"{found.name} ({counts})" if counts else found.name
