"""What ``reid-srdl doctor`` finds on a machine; memory and disks in bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Gpu:
    """A CUDA device: its name and memory in bytes."""

    name: str
    memory: int


@dataclass(frozen=True)
class Torch:
    """What PyTorch says of this machine; ``problem`` tells why it cannot be imported."""

    problem: str | None = None
    bf16: bool | None = None
    cuda: str | None = None
    gpus: tuple[Gpu, ...] = ()


@dataclass(frozen=True)
class Faiss:
    """What FAISS says of this machine; ``problem`` tells why it cannot be imported."""

    problem: str | None = None
    gpus: int = 0
    options: str = ""


@dataclass(frozen=True)
class Integers:
    """Whether ONNX Runtime's products of integers are exact; ``problem``: why it is not there."""

    problem: str | None = None
    exact: bool = False


@dataclass(frozen=True)
class FoundData:
    """A data set found under the data folder.

    Attributes:
        name: as in ``--dataset``.
        images: of each split, where counting them needs no reading; empty where it does.
        packed: still in its zip or tar.
    """

    name: str
    images: dict[str, int] = field(default_factory=dict)
    packed: bool = False


@dataclass(frozen=True)
class Data:
    """The data folder that ``REID_SRDL_DATA`` names, and the data sets found there."""

    folder: Path | None
    exists: bool
    found: tuple[FoundData, ...]


@dataclass(frozen=True)
class Cache:
    """The folder of decoded images, and the bytes that are free on its disk."""

    folder: Path
    free: int


@dataclass(frozen=True)
class Choice:
    """What ``auto`` comes to on this machine."""

    device: str
    precision: str
    threads: int


@dataclass(frozen=True)
class Machine:
    """Everything that ``reid-srdl doctor`` tells; memory in bytes."""

    python: str
    system: str
    processor: str
    cores: int
    memory: int | None
    torch: Torch
    faiss: Faiss
    integers: Integers
    packages: dict[str, str | None]
    data: Data
    cache: Cache | None
    auto: Choice | None
