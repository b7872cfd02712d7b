"""Where a run computes and in which precision."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch

from reid_srdl.errors import UserError
from reid_srdl.machine import available_cores, named_threads, processor_name

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Compute:
    """The device, the precision and the CPU threads of a run.

    Attributes:
        device: where networks and batches live.
        precision: ``bf16`` (autocast: products in bfloat16, weights in float32), ``fp32``, or on
            CUDA ``tf32`` (products of float32 with 10 bits of mantissa, as torch's own default is
            for convolutions).
        threads: CPU threads; they change the order of sums, so a run records and restores them.
        compile: forward pass and losses run as torch.compile makes them; other kernels round
            otherwise, so it is part of what a phase is. It is for CUDA: on CPU it brings nothing.
        graph: each step is replayed as one CUDA graph, with the same numbers.
    """

    device: torch.device
    precision: str
    threads: int
    compile: bool = False
    graph: bool = False

    @property
    def device_name(self) -> str:
        """The model of the GPU or of the processor."""
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return processor_name()

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Returns the context in which forward passes run."""
        if self.device.type == "meta":  # where work is counted
            return contextlib.nullcontext()
        return torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"
        )

    def prepared(self, function: F) -> F:
        """Returns what runs in each step: a function itself, or its compiled form.

        It is compiled whole or not at all: where a part of it cannot be, that is an error, never a
        slower step. The first call takes from seconds to minutes. The backward pass follows by
        autograd; the optimiser's own fused kernels stay outside.
        """
        if not self.compile:
            return function
        return cast(F, torch.compile(function, fullgraph=True, dynamic=False))

    def forget_compiled(self) -> None:
        """Forgets whatever was compiled before, so that a phase depends on nothing that ran."""
        if self.compile:
            torch.compiler.reset()

    @contextlib.contextmanager
    def activated(self) -> Iterator[None]:
        """Sets threads and kernels of a run, and leaves them as they were.

        On CUDA convolutions take kernels whose sums have one order, so that a run that goes on
        comes to the same weights.
        """
        before, kernels = torch.get_num_threads(), _Kernels.now()
        torch.set_num_threads(self.threads)
        tf32 = self.precision == "tf32"
        _Kernels(tf32, "high" if tf32 else "highest", deterministic=True).set()
        try:
            yield
        finally:
            torch.set_num_threads(before)
            kernels.set()


@dataclass(frozen=True)
class _Kernels:
    """Torch's settings of convolutions and matrix products on CUDA."""

    convolutions_in_tf32: bool
    products: str
    deterministic: bool

    @classmethod
    def now(cls) -> _Kernels:
        convolutions = torch.backends.cudnn
        return cls(
            bool(convolutions.allow_tf32),
            torch.get_float32_matmul_precision(),
            bool(convolutions.deterministic),
        )

    def set(self) -> None:
        torch.backends.cudnn.allow_tf32 = self.convolutions_in_tf32
        torch.backends.cudnn.deterministic = self.deterministic
        torch.set_float32_matmul_precision(self.products)


def choose(
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    *,
    compile: bool = False,
    graph: bool = False,
) -> Compute:
    """Chooses what ``auto`` means on this machine, and checks what was asked for by name.

    Threads that nobody names are those of OMP_NUM_THREADS, or all cores.

    Raises:
        UserError: the device does not exist here, or has no such precision; nothing can be compiled
            here.
    """
    chosen = _device(device)
    if precision == "tf32" and chosen.type != "cuda":
        raise UserError(
            f"train.precision: tf32 is how CUDA devices multiply, and this is {chosen}",
            "use fp32, or --device cuda",
            usage=True,
        )
    if precision == "auto":
        precision = "bf16" if bf16_is_fast(chosen) else "fp32"
    if compile:
        _try_compiler(chosen)
    graph = graph and chosen.type == "cuda"
    threads = threads or named_threads() or available_cores()
    return Compute(chosen, precision, threads, compile, graph)


def bf16_is_fast(device: torch.device) -> bool:
    """Says whether the device multiplies bfloat16 natively."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return cpu_has_bf16()


def cpu_has_bf16() -> bool:
    """Says whether the processor multiplies bfloat16 itself; oneDNN may emulate it, slowly."""
    if platform.machine().lower() in ("aarch64", "arm64"):
        return bool(torch.cpu.get_capabilities().get("bf16", False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _try_compiler(device: torch.device) -> None:
    """Compiles a small function, so that what is missing is told before anything is trained."""
    try:
        torch.compile(torch.sin, dynamic=False)(torch.zeros(8, device=device))
    except Exception as error:  # whatever the compiler's many layers raise
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise UserError(
            f"train.compile: nothing can be compiled for {device.type} here "
            f"({lines[0] if lines else type(error).__name__})",
            "install a C++ compiler (g++, or set CXX) with Python's headers, "
            "or leave train.compile off",
        ) from None


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise UserError(
            f"train.device: no such device {name!r}", "use auto, cpu, cuda or cuda:0", usage=True
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"train.device: {name!r} is not there ({torch.cuda.device_count()} CUDA devices seen)",
            "use --device cpu, or check the driver with reid-srdl doctor",
        )
    return device
