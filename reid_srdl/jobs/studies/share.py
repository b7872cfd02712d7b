"""How many runs share the machine, and how many threads each takes."""

from __future__ import annotations

from dataclasses import dataclass

from reid_srdl.machine import available_cores

_MEMORY = 16 * 2**30  # bytes of a CUDA device that a run is given; a guess, not a limit
_CORES = 2  # a run that computes on CUDA still reads and orders its batches


@dataclass(frozen=True)
class Share:
    """Runs at once, and CPU threads of each; None: as the configuration says."""

    jobs: int
    threads: int | None


def share_machine(device: str | None, jobs: int | None, precision: str | None = None) -> Share:
    """Decides how many runs go on at once.

    Args:
        device: as the user gave it; None or ``auto``: CUDA where there is one.
        jobs: runs at once as the user gave it; None: one on CPU, on CUDA one for each 16 GiB of
            free memory and 2 cores, at least one.
        precision: as the user gave it.

    Raises:
        UserError: the device is not there, or has no such precision.
    """
    from reid_srdl.training.precision import choose

    chosen = choose(device or "auto", precision or "auto").device
    if jobs is None:
        jobs = _jobs_on_cuda(chosen.index or 0) if chosen.type == "cuda" else 1
    return Share(jobs, max(1, available_cores() // jobs) if jobs > 1 else None)


def _jobs_on_cuda(index: int) -> int:
    import torch

    free, _ = torch.cuda.mem_get_info(index)
    return max(1, min(free // _MEMORY, available_cores() // _CORES))
