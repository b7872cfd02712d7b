"""Facts about this machine that records and choices need, without any heavy package."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

from reid_srdl.version import __version__

_MOST = 1024  # threads; more end in a crash of the system's allocator

# Import name -> the distributions that may bring it.
_PACKAGES = {
    "torch": ("torch",),
    "torchvision": ("torchvision",),
    "torchreid": ("torchreid",),
    "faiss": ("faiss-gpu", "faiss-cpu"),
    "onnxruntime": ("onnxruntime",),
    "numpy": ("numpy",),
    "scipy": ("scipy",),
    "PIL": ("pillow",),
    "pydantic": ("pydantic",),
    "safetensors": ("safetensors",),
}


def versions() -> dict[str, str | None]:
    """Returns the versions that a record names; None for a package that is not installed."""
    installed = packages()
    named = {name: installed[name] for name in ("torch", "torchvision", "numpy", "faiss")}
    return {"python": platform.python_version(), **named, "reid_srdl": __version__}


def packages() -> dict[str, str | None]:
    """Returns the version of each package by its import name, without importing any."""
    return {name: _version(name, sources) for name, sources in _PACKAGES.items()}


def installed(*distributions: str) -> dict[str, str | None]:
    """Returns the version of each distribution, whether it is imported or not; None: not there."""
    return {name: _version("", (name,)) for name in distributions}


@cache
def code_digest() -> str:
    """Returns a hash of every Python file of this package, by its place and content."""
    top = Path(__file__).parent
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(top.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(top).as_posix()} {len(content)} ".encode())
        digest.update(content)
    return digest.hexdigest()


def available_cores() -> int:
    """Returns the processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def named_threads() -> int | None:
    """Returns the threads that OMP_NUM_THREADS names, as for any numerical program; None: none."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(int(first), _MOST) if first.isdecimal() and int(first[:9]) > 0 else None


def processor_name() -> str:
    """Returns the processor's model name."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _version(name: str, distributions: tuple[str, ...]) -> str | None:
    # An imported module knows its build too: 2.15.0+cu132.
    imported = getattr(sys.modules.get(name), "__version__", None)
    if imported is not None:
        return str(imported)
    for distribution in distributions:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return None
