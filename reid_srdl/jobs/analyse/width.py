"""Measures how wide the optima of finished runs are (SRDL paper, Fig 4)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reid_srdl.analysis.entropy import mean_cross_entropy
from reid_srdl.analysis.width import loss_curves
from reid_srdl.jobs.analyse.named_networks import kept_file, movable_network
from reid_srdl.jobs.analyse.place import Place, clean_splits, finite
from reid_srdl.jobs.networks import check_trained_on
from reid_srdl.records.analyses import Width, WidthSettings, read_width
from reid_srdl.records.belonging import check_classes


def measure_width(
    text: str,
    *,
    distances: Sequence[float],
    directions: int = 5,
    subset: int | None = None,
    relative: bool = False,
    seed: int = 0,
    again: bool = False,
    place: Place | None = None,
) -> tuple[Width, Path]:
    """Measures how wide a finished run's optimum is, on train and test (re-id: train alone).

    NOTE: always in float32, TF32 off. bfloat16 rounds the weights by about as much as a small d
    moves them: on a briefly trained ResNet-32 its noise at d = 0.25 was as large as the rise.

    A measurement of the same weights by the same settings is read back instead of done again.

    Args:
        text: the run's folder, ``:`` and a network's name if another than the result is meant.
        distances: values of d, the first 0.
        directions: how many random directions.
        subset: draw so many images of each split; None: all.
        relative: measure d in filter norms.
        seed: of the directions and of the subset.
        again: measure in any case.
        place: data and device.

    Returns:
        The width, and the file under ``RUN/analyses`` that records it.

    Raises:
        UserError: no finished run, no such network, or data that cannot be read or are others than
            the run was trained on.
    """
    place = place or Place()
    named = movable_network(text)
    settings = WidthSettings(
        relative=relative,
        distances=tuple(distances),
        directions=directions,
        seed=seed,
        subset=subset,
        precision="fp32",
    )
    kept = kept_file(named, f"width{'-relative' if relative else ''}")
    known = read_width(kept)
    if known and not again and (known.subject, known.settings) == (named.subject, settings):
        return known, kept
    task, compute = place.opened(named.config, "fp32", named.network.spec)
    check_trained_on(named.folder.path, named.record, task)
    check_classes(text, named.classes, "the data", task.classes)
    with compute.activated():
        splits = clean_splits(task, named.config.eval.batch_size, subset, seed)
        network = named.network.to(compute.device)
        curves = loss_curves(
            network,
            lambda: {
                name: mean_cross_entropy(network, split.batches(), compute.autocast)
                for name, split in splits.items()
            },
            distances,
            directions,
            seed=seed,
            relative=relative,
            progress=lambda done, total: place.steps(f"width of {text}", done, total),
        )
    width = Width(
        subject=named.subject,
        settings=settings,
        images={name: split.images for name, split in splits.items()},
        losses={
            name: tuple(tuple(map(finite, row)) for row in losses.tolist())
            for name, losses in curves.losses.items()
        },
        device=compute.device_name,
    )
    place.keep(kept, width)
    return width, kept
