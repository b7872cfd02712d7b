"""Projects the features of all test images of a network, a stage or a branch into the plane."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from reid_srdl.analysis.projection import By, project
from reid_srdl.errors import UserError, did_you_mean
from reid_srdl.jobs.analyse.named_networks import kept_file, named_network
from reid_srdl.jobs.analyse.place import Place
from reid_srdl.jobs.analyse.tested import opened_classes
from reid_srdl.models.network import Network
from reid_srdl.records.network_analyses import Projection
from reid_srdl.tasks.classification import ClassificationTask
from reid_srdl.training.precision import Compute

FEATURES = "features"


def project_features(
    text: str,
    by: By,
    *,
    at: str = FEATURES,
    perplexity: float = 30.0,
    seed: int = 0,
    place: Place | None = None,
) -> tuple[Projection, Path]:
    """Projects what a network makes of all its test images.

    Args:
        text: ``RUN`` or ``RUN:NAME``.
        by: ``pca`` or ``tsne``.
        at: ``features``, or the name of a stage, whose maps are averaged over their places, or of
            a branch.
        perplexity, seed: of t-SNE.
        place: data and device.

    Returns:
        The points, and the file under ``RUN/analyses`` that records them.

    Raises:
        UserError: as `named_network`; a re-id run; or the network has no such stage or branch.
    """
    place = place or Place()
    named = named_network(text)
    _check_at(text, named.network, at)
    task, compute = opened_classes(text, named, place)
    with compute.activated():
        features = features_at(named.network.to(compute.device), at, task, compute, place)
    place.steps(f"{by} of {len(features):,} images", 0, 1)
    projected = project(features, by, perplexity=perplexity, seed=seed)
    record = Projection(
        subject=named.subject,
        at=at,
        by=by,
        images=len(features),
        dim=features.shape[1],
        explained=projected.explained,
        perplexity=perplexity if by == "tsne" else None,
        seed=seed if by == "tsne" else None,
        classes=task.classes,
        labels=tuple(task.test_labels.tolist()),
        points=tuple((float(x), float(y)) for x, y in projected.points),
        device=compute.device_name,
    )
    kept = kept_file(named, f"{by}{'' if at == FEATURES else f'-{at}'}")
    place.keep(kept, record)
    return record, kept


@torch.inference_mode()
def features_at(
    network: Network, at: str, task: ClassificationTask, compute: Compute, place: Place
) -> NDArray[np.float32]:
    """Returns N x D features of all test images, in order."""
    network.eval()
    branch, stage = at in network.branches, at in network.stages
    needs = frozenset({"branches"} if branch else {"stages"} if stage else ())
    rows, images = [], task.test_images
    for batch in images.in_order(task.batch_size):
        with compute.autocast():
            output = network(batch, needs, at if stage else None)
        if stage:
            made = output.stages[at].float().mean(dim=(2, 3))
        else:
            made = (output.branches[at] if branch else output).features
        rows.append(made.float().cpu())
        place.steps("features", sum(map(len, rows)), len(images))
    return torch.cat(rows).numpy()


def _check_at(text: str, network: Network, at: str) -> None:
    known = (FEATURES, *network.stages, *network.branches)
    if at not in known:
        raise UserError(
            f"{text}: has no stage or branch {at!r}", did_you_mean(at, known), usage=True
        )
