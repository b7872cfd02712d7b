"""What a run is trained on, gathered before its first moment; needs no network."""

from __future__ import annotations

from pathlib import Path

from reid_srdl.config import AnyConfig, DataConfig, MethodOptions, fingerprint, run_keys, sets_of
from reid_srdl.data.file_digests import file_digest
from reid_srdl.errors import UserError
from reid_srdl.jobs.rehearsal import rehearse
from reid_srdl.methods import own
from reid_srdl.records.content import part_facts
from reid_srdl.records.trained_on import TaughtBy, TrainedOn
from reid_srdl.tasks.data import TaskData
from reid_srdl.training.teacher import Student, Teacher

# What the record holds elsewhere, or what changes no number of the run's result.
_NOT_THE_EXPERIMENT = ("train.seed", "train.precision", "eval.ensembles")


def trained_on(
    config: AnyConfig, found: TaskData, weights: Path | None, teachers: list[Teacher]
) -> TrainedOn:
    """Returns what a run of a configuration would be trained on.

    Args:
        config: the resolved experiment.
        found: its data.
        weights: file of the network's first weights; None: random ones.
        teachers: finished runs that it names.

    Raises:
        UserError: a file cannot be read.
    """
    train, test = part_facts(found.content)
    return TrainedOn(
        settings=fingerprint(config),
        experiment=experiment_of(config, [teacher.experiment for teacher in teachers]),
        name=config.data.name,
        folder=_places(config.data, found),
        train=train,
        test=test,
        classes=tuple(found.classes),
        weights=None if weights is None else file_digest(weights),
        teachers=tuple(
            TaughtBy(run=one.run, experiment=one.experiment, weights=one.digest) for one in teachers
        ),
        method=config.method.digest,
    )


def _places(data: DataConfig, found: TaskData) -> str:
    """Returns where the data stand; of a joint set where each of its parts does."""
    parts = found.parts or (found,)
    told = zip(sets_of(data), parts, strict=True)
    return " + ".join(str(place or part.data.root) for (_, place), part in told)


def named_teachers(config: AnyConfig, found: TaskData) -> list[Teacher]:
    """Reads the finished runs that a configuration names as teachers.

    Raises:
        UserError: one is not there, or cannot teach on this data.
    """
    size = (config.data.height, config.data.width)
    student = Student(config.data.name, found.classes, size, found.content.train.digest)
    return [source.read(student) for source in rehearse(config).sources]


def experiment_of(config: AnyConfig, teachers: list[str]) -> str:
    """Returns the fingerprint of all that makes a run's numbers but the seed.

    Args:
        config: the experiment.
        teachers: the fingerprints of its teachers' own experiments: teachers that differ in
            nothing but the seed make one experiment.
    """
    return fingerprint(with_teachers(config, teachers), without=_NOT_THE_EXPERIMENT)


def with_teachers(config: AnyConfig, told: list[str]) -> AnyConfig:
    """Returns the configuration with finished teachers told otherwise than by their folders."""
    if not told:
        return config
    changes = dict.fromkeys(run_keys(config.method), " + ".join(told))
    return config.model_copy(update={"method": config.method.model_copy(update=changes)})


def check_source(method: MethodOptions) -> None:
    """Checks that the file of a method of one's own is the one that a configuration was made of.

    Raises:
        UserError: it has changed.
    """
    name, digest = method.name, method.digest
    if own.is_own(name) and own.digest_of(name) != digest:
        raise UserError(
            f"--method {own.short(name)}: the file has changed since the run began",
            "restore it, or train under another --name",
        )
