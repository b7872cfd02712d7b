"""What ``reid-srdl doctor`` shows: what this machine has, and what a run on it would use.

A missing package is a finding here, not a failure, so everything heavy is imported on trial.
"""

from __future__ import annotations

import importlib
import os
import platform
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

from reid_srdl.data.locate import VARIABLE, locate
from reid_srdl.errors import UserError
from reid_srdl.machine import available_cores, packages, processor_name
from reid_srdl.records.machine import (
    Cache,
    Choice,
    Data,
    Faiss,
    FoundData,
    Gpu,
    Integers,
    Machine,
    Torch,
)

_NOT_SETS = (
    "folder",
    "class-folder",
    "people",
)  # layouts that any folder may have, no sets to look for


def inspect() -> Machine:
    """Looks at this machine. A missing package is a finding, not a failure."""
    folder = os.environ.get(VARIABLE)
    return Machine(
        python=platform.python_version(),
        system=platform.platform(),
        processor=processor_name(),
        cores=available_cores(),
        memory=_memory(),
        torch=_torch(),
        faiss=_faiss(),
        integers=_integers(),
        packages=packages(),
        data=_data(Path(folder).expanduser() if folder else None),
        cache=_cache(),
        auto=_auto(),
    )


def _import(name: str) -> ModuleType | str:
    """Returns the module, or why it cannot be imported: missing, or a library that won't load."""
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:
        return str(error).splitlines()[0] if str(error) else type(error).__name__


def _torch() -> Torch:
    torch = _import("torch")
    if isinstance(torch, str):
        return Torch(problem=torch)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    found = [torch.cuda.get_device_properties(index) for index in range(count)]
    gpus = tuple(Gpu(str(gpu.name), int(gpu.total_memory)) for gpu in found)
    return Torch(bf16=_bf16(), cuda=torch.version.cuda, gpus=gpus)


def _bf16() -> bool | None:
    precision = _import("reid_srdl.training.precision")
    return None if isinstance(precision, str) else bool(precision.cpu_has_bf16())


def _integers() -> Integers:
    runtime = _import("onnxruntime")
    if isinstance(runtime, str):
        return Integers(problem=runtime)
    from reid_srdl.retrieval.counting.kernels.integer_product import is_exact  # needs NumPy

    return Integers(exact=is_exact())


def _faiss() -> Faiss:
    faiss = _import("faiss")
    if isinstance(faiss, str):
        return Faiss(problem=faiss)
    gpus = faiss.get_num_gpus() if hasattr(faiss, "get_num_gpus") else 0
    return Faiss(gpus=int(gpus), options=str(faiss.get_compile_options()).strip())


def _memory() -> int | None:
    """Returns the bytes of memory, or of this container's share where that is less."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="utf-8").strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total


def _data(folder: Path | None) -> Data:
    if folder is None or not folder.is_dir():
        return Data(folder, exists=False, found=())
    return Data(folder, exists=True, found=_found(folder))


def _found(folder: Path) -> tuple[FoundData, ...]:
    """Returns the data sets that can be read under ``folder``."""
    data = _import("reid_srdl.data")
    if isinstance(data, str) or not hasattr(data, "DATASETS"):
        return ()
    found: dict[Path, FoundData] = {}
    for name, entry in data.DATASETS.items():
        if name in _NOT_SETS:
            continue
        if (archive := _unextracted(entry, folder)) is not None:
            found[archive] = FoundData(name, packed=True)
            continue
        try:
            if entry.task == "classification":
                found.setdefault(locate(entry, folder), FoundData(name))
                continue
            read = data.load_dataset(name, folder)
        except UserError:
            continue
        # A folder that is a set itself answers to every name: told once, by its own.
        told = folder.resolve().name if read.root == folder else name
        splits = {"training": read.train, "query": read.query, "gallery": read.gallery}
        counts = {split: len(crops) for split, crops in splits.items()}
        found.setdefault(read.root, FoundData(told, counts))
    return tuple(found.values())


def _unextracted(entry: Any, folder: Path) -> Path | None:
    """Returns the zip of a data set that reading would extract: looking must write nothing."""
    if any((folder / name).is_dir() for name in entry.folders):
        return None
    zips = (folder / name for name in entry.archives)
    return next((path for path in zips if path.is_file()), None)


def _cache() -> Cache | None:
    """Returns the folder of decoded images; its disk is that of its nearest existing parent."""
    cache = _import("reid_srdl.data.cache")
    if isinstance(cache, str):
        return None
    folder = Path(cache.default_cache_dir())
    standing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return Cache(folder, shutil.disk_usage(standing).free)


def _auto() -> Choice | None:
    """Asks the trainer what it would choose; without PyTorch it can choose nothing."""
    precision = _import("reid_srdl.training.precision")
    if isinstance(precision, str):
        return None
    chosen = precision.choose()
    return Choice(str(chosen.device), chosen.precision, chosen.threads)
