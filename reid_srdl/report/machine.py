"""A machine in words: what it has, and what training on it will use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from reid_srdl.records.machine import FoundData, Machine

_GIB = 2**30
_OWN_LINES = ("torch", "faiss", "onnxruntime")  # the other packages share one


def machine_json(machine: Machine) -> Any:
    """Returns a machine as plain values; memory in bytes, folders as texts."""
    return json.loads(json.dumps(asdict(machine), default=str))


def machine_pairs(machine: Machine) -> Iterator[tuple[str, str]]:
    """Yields what each line is about, and what it says."""
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
            f"device {auto.device}, precision {auto.precision}, "
            f"{auto.threads} thread{'s' * (auto.threads > 1)}",
        )
    elif machine.torch.problem:
        yield "will use", "nothing can be trained here until torch can be imported"


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
