"""Measures finished networks under Gaussian noise in their weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from reid_srdl.analysis.noise import noisy
from reid_srdl.jobs.analyse.named_networks import kept_file, movable_network
from reid_srdl.jobs.analyse.place import Place, clean_splits, finite
from reid_srdl.jobs.networks import check_trained_on
from reid_srdl.models.network import Network
from reid_srdl.records.belonging import check_classes
from reid_srdl.records.network_analyses import Noise, NoiseSettings


def measure_noise(
    text: str,
    *,
    deviations: Sequence[float],
    draws: int = 10,
    subset: int | None = None,
    relative: bool = False,
    seed: int = 0,
    place: Place | None = None,
) -> tuple[Noise, Path]:
    """Measures a finished network at theta + sigma e, on train and test (re-id: train alone).

    As with `measure_width` the passes are float32, TF32 off: bfloat16 rounds weights by as much as
    a small sigma moves them.

    Args:
        text: ``RUN`` or ``RUN:NAME``.
        deviations: values of sigma.
        draws: of e.
        subset: draw so many images of each split; None: all.
        relative: sigma in units of each parameter tensor's root mean square.
        seed: of the noise and of the subset.
        place: data and device.

    Returns:
        What was measured, and the file under ``RUN/analyses`` that records it.

    Raises:
        UserError: no finished run, no such network, or data that cannot be read or are others than
            the run was trained on.
    """
    place = place or Place()
    named = movable_network(text)
    task, compute = place.opened(named.config, "fp32", named.network.spec)
    check_trained_on(named.folder.path, named.record, task)
    check_classes(text, named.classes, "the data", task.classes)
    with compute.activated():
        splits = clean_splits(task, named.config.eval.batch_size, subset, seed)
        network = named.network.to(compute.device)
        found = noisy(
            network,
            lambda: {name: loss_and_accuracy(network, s.batches()) for name, s in splits.items()},
            deviations,
            draws,
            seed=seed,
            relative=relative,
            progress=lambda done, total: place.steps(f"noise in {text}", done, total),
        )
    record = Noise(
        subject=named.subject,
        settings=NoiseSettings(
            deviations=tuple(deviations),
            draws=draws,
            relative=relative,
            seed=seed,
            subset=subset,
            precision="fp32",
        ),
        images={name: split.images for name, split in splits.items()},
        losses={
            name: tuple(tuple(map(finite, row)) for row in losses)
            for name, (losses, _) in found.items()
        },
        accuracies={name: tuple(map(tuple, shares)) for name, (_, shares) in found.items()},
        device=compute.device_name,
    )
    kept = kept_file(named, f"noise{'-relative' if relative else ''}")
    place.keep(kept, record)
    return record, kept


@torch.inference_mode()
def loss_and_accuracy(
    network: Network, batches: Iterable[tuple[Tensor, Tensor]]
) -> tuple[float, float]:
    """Returns mean cross-entropy in nats, summed in float64, and the share of right decisions.

    Noise may overflow: answers that are not finite decide nothing, and are not right.
    """
    network.eval()
    total = right = torch.zeros((), dtype=torch.float64)
    images = 0
    for clean, labels in batches:
        logits = network(clean).logits
        loss = F.cross_entropy(logits.double(), labels, reduction="sum")
        hits = ((logits.argmax(dim=1) == labels) & logits.isfinite().all(dim=1)).sum()
        total, right = total.to(loss) + loss, right.to(loss) + hits
        images += len(labels)
    return float(total) / images, float(right) / images
