"""Which runs share phases, where, and what must be alike for that."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reid_srdl.config import AnyConfig, MethodOptions, RunConfig
from reid_srdl.machine import code_digest, installed
from reid_srdl.methods import own
from reid_srdl.records.phase_store import FOLDER, PhaseStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from reid_srdl.training.precision import Compute
    from reid_srdl.training.setting import Setting
    from reid_srdl.training.sharing import Sharing

# What the scores of a validation part depend on; the rest of ``eval`` is of the finished networks.
_NOT_JUDGED = {"enabled", "ensembles"}


def store_of(run: RunConfig, method: MethodOptions) -> PhaseStore | None:
    """Returns the store in which a run shares its phases; None: it does not.

    NOTE: one by a method of one's own does not: what its file imports is in no key.
    """
    if run.shared is None or own.is_own(method.name):
        return None
    return PhaseStore(run.shared)


def with_store(config: AnyConfig, *, on: bool, runs: Path | None = None) -> AnyConfig:
    """Returns a configuration whose phases are shared, or not.

    Args:
        config: any; a store that it names stays.
        on: whether they are.
        runs: the folder of all runs; None: the configuration's.
    """
    shared = config.run.shared or (runs or config.run.dir) / FOLDER
    run = config.run.model_copy(update={"shared": shared if on else None})
    return config.model_copy(update={"run": run})


def sharing_of(
    config: AnyConfig,
    setting: Setting,
    compute: Compute,
    noted: Callable[[str], None],
    warned: Callable[[str], None],
) -> Sharing | None:
    """Returns how a run shares its phases; None: it does not.

    Args:
        config: the resolved experiment.
        setting: what its phases share.
        compute: where it runs.
        noted, warned: told of what is taken over and waited for, and of damage.
    """
    from reid_srdl.training.sharing import Sharing

    if (store := store_of(config.run, config.method)) is None:
        return None
    told = circumstances(config, setting, compute)
    return Sharing(store, _name(config.run, store), told, noted, warned)


def circumstances(config: AnyConfig, setting: Setting, compute: Compute) -> dict[str, Any]:
    """Returns what the bits of a phase depend on beside its key, as plain values.

    That is the code and what it stands on; the device, whose kernels round in their own ways;
    threads and the batches of extraction, which change the order of sums; what is measured along
    the way; and where epochs are judged, what they are judged on.
    """
    import torch

    judged: dict[str, Any] | None = None
    if config.data.validation:
        judged = {
            "content": setting.content,
            "data": config.data.model_dump(mode="json", exclude={"dir", "dirs"}),
            "eval": config.eval.model_dump(mode="json", exclude=_NOT_JUDGED),
        }
    return {
        "code": code_digest(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "packages": installed("numpy", "pillow", "torchvision", "timm", "torchreid"),
        "cuda": torch.version.cuda,
        "device": compute.device_name,
        "kind": compute.device.type,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": compute.threads,
        "batch": config.eval.batch_size,
        "gradients": config.watch.gradients,
        "judged": judged,
    }


def _name(run: RunConfig, store: PhaseStore) -> str:
    """Returns how others are told of a run: its folder, seen from that of the store."""
    assert run.name is not None
    folder = (run.dir / run.name).resolve()
    top = store.folder.parent
    return folder.relative_to(top).as_posix() if top in folder.parents else os.fspath(folder)
