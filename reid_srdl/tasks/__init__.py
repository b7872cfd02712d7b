"""The two kinds of task: how a data set is trained on, and how networks are judged on it."""

from __future__ import annotations

from reid_srdl.config import AnyConfig
from reid_srdl.data import find_entry
from reid_srdl.data.balanced import check_balance
from reid_srdl.group.processes import Group
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.tasks.batches import check_batches
from reid_srdl.tasks.classification import ClassificationTask
from reid_srdl.tasks.data import TaskData
from reid_srdl.tasks.normalised import normalisation_of
from reid_srdl.tasks.reid import ReidTask
from reid_srdl.tasks.task import Steps, Task
from reid_srdl.training.precision import Compute


def open_task(
    config: AnyConfig,
    compute: Compute,
    steps: Steps,
    found: TaskData | None = None,
    network: NetworkSpec | None = None,
    group: Group | None = None,
) -> Task:
    """Opens the configured data set.

    Args:
        config: the experiment.
        compute: where it runs.
        steps: told (what, pieces done, pieces in all) of decoding and evaluating.
        found: the data set, where it was listed before.
        network: takes its pixels as its spec says; None: as suits the data set.
        group: the processes that judge networks together.

    Raises:
        UserError: the data cannot be read, or does not fill a batch.
    """
    entry = find_entry(config.data.name)
    kind = ReidTask if entry.task == "reid" else ClassificationTask
    own = None if network is None else normalisation_of(network, entry.normalisation)
    task: Task = kind(config.data, config.eval, compute, steps, found, own, group)
    counts = task.training_set.counts(len(task.classes))
    check_batches(config, dict(zip(task.classes, counts, strict=True)))
    if task.training_set.sets is not None:
        check_balance(task.training_set.sets, config.optim.batch_size, config.sampler.identities)
    return task
