"""Features of a data set's test splits, from a run's folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reid_srdl.config import DataConfig, sets_of
from reid_srdl.data import UNKNOWN, Patterns, find_entry
from reid_srdl.data.normalisation import IMAGENET, Normalisation
from reid_srdl.data.reid.crops import ReidData
from reid_srdl.data.reid.distractors import with_distractors
from reid_srdl.errors import UserError
from reid_srdl.jobs.judging import tell_left_out
from reid_srdl.jobs.networks import choose_for, network_of
from reid_srdl.jobs.people import data_to_test
from reid_srdl.methods import KNOWN
from reid_srdl.places import StrPath, as_path
from reid_srdl.records.belonging import read_run
from reid_srdl.records.folder import RunFolder
from reid_srdl.retrieval.features import Features
from reid_srdl.tasks.features import Extractor, all_parts
from reid_srdl.tasks.task import Noted, Steps
from reid_srdl.training.precision import Compute


def features_of_run(
    run: StrPath,
    *,
    dataset: str | None = None,
    data_dir: StrPath | None = None,
    split: int | None = None,
    distractors: StrPath | None = None,
    flip: bool | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    network: str | None = None,
    steps: Steps | None = None,
    noted: Noted | None = None,
) -> tuple[Features, Compute]:
    """Computes features with the network of a finished run; what is not given is as it trained.

    Args:
        run: the run's folder.
        dataset: evaluate on another data set than the run's.
        data_dir: its folder.
        split: which division of it; by default the run's own, on another data set the first.
        distractors: a folder of images that join the gallery as nobody's.
        flip: average the features of each image and its mirror image.
        batch_size: images of a forward pass.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        network: which of the run's networks; by default its result.
        steps: told of the progress.
        noted: told what of the data was left out.

    Returns:
        The features, and what computed them.

    Raises:
        UserError: no run folder, no weights in it, data that cannot be read, another split than
            the run was trained on, or a joint set of which no part is named.

    >>> features, compute = features_of_run("runs/small")  # doctest: +SKIP
    >>> features.gallery.features.shape  # doctest: +SKIP
    (36, 512)
    """
    extractor, data = opened_run(
        as_path(run),
        dataset=dataset,
        data_dir=as_path(data_dir),
        split=split,
        distractors=as_path(distractors),
        flip=flip,
        batch_size=batch_size,
        device=device,
        network=network,
        steps=steps,
    )
    tell_left_out(data, noted)
    return all_parts(extractor, data), extractor.compute


def opened_run(
    run: Path,
    *,
    dataset: str | None = None,
    data_dir: Path | None = None,
    split: int | None = None,
    distractors: Path | None = None,
    flip: bool | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    network: str | None = None,
    patterns: Patterns | None = None,
    steps: Steps | None = None,
    check: Callable[[ReidData], None] | None = None,
) -> tuple[Extractor, ReidData]:
    """Returns the network of a finished run, and the data that `features_of_run` passes to it.

    Args:
        run, dataset, data_dir, split, distractors, flip, batch_size, device, network, steps: as
            there.
        patterns: of people: what paths tell of cameras and persons; None: the run's own.
        check: shown the data before any image is read; what it raises ends the work.

    Raises:
        UserError: as `features_of_run`.
    """
    config, _ = read_run(RunFolder(run), KNOWN)
    extractor = extractor_of_run(
        run, flip=flip, batch_size=batch_size, device=device, network=network, steps=steps
    )
    name = own_set(config.data, dataset)
    own = name in dict(sets_of(config.data))
    if own and split not in (None, config.data.split):
        raise UserError(
            f"--split {split}: the run was trained on split {config.data.split}, with people whom "
            "other splits test on",
            "leave --split out, or evaluate another data set",
            usage=True,
        )
    if split is None:
        split = config.data.split if own else 0
    data = data_to_test(RunFolder(run), config.data, name, data_dir, split, patterns)
    if distractors is not None:
        data = with_distractors(data, distractors)
    if check is not None:
        check(data)
    return extractor, data


def extractor_of_run(
    run: Path,
    *,
    flip: bool | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    network: str | None = None,
    steps: Steps | None = None,
) -> Extractor:
    """Reads the network of a finished run; what is not given is as it trained.

    Args:
        run, flip, batch_size, device, network, steps: as in `features_of_run`.

    Raises:
        UserError: no run folder, or no weights in it.
    """
    folder = RunFolder(run)
    config, record = read_run(folder, KNOWN)
    trained = network_of(folder, record, network or record.network)
    compute = choose_for(trained.spec, device, config.train.precision, config.train.threads)
    return Extractor(
        trained.to(compute.device),
        size=(config.data.height, config.data.width),
        compute=compute,
        batch_size=batch_size or config.eval.batch_size,
        flip=config.eval.flip if flip is None else flip,
        steps=steps,
        normalisation=seen_by(config.data.name),
    )


def seen_by(dataset: str) -> Normalisation:
    """Returns how networks see the images of a data set; ImageNet's way where it is not known."""
    return IMAGENET if dataset == UNKNOWN else find_entry(dataset).normalisation


def own_set(trained: DataConfig, dataset: str | None) -> str:
    """Returns the name of the set that a run is judged on, unless another one is asked for.

    Raises:
        UserError: the run was trained on a joint set, of which none is named.
    """
    names = [name for name, _ in sets_of(trained)]
    if dataset in (None, trained.name):
        if len(names) > 1:
            raise UserError(
                f"the run was trained on {trained.name}, and each of these is judged by itself",
                f"choose one: --dataset {' or '.join(names)}",
                usage=True,
            )
        return names[0]
    assert dataset is not None
    return dataset
