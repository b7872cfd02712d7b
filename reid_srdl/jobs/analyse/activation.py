"""Shows where networks of finished runs look in some images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cosine_similarity

from reid_srdl.analysis.activation import grad_cam, mean_activation, scaled
from reid_srdl.data.batches import Images
from reid_srdl.data.images import KINDS, UnreadableError, read_rgb
from reid_srdl.errors import UserError, did_you_mean
from reid_srdl.jobs.extract import extractor_of_run
from reid_srdl.methods import KNOWN
from reid_srdl.models.answering import Output
from reid_srdl.records.belonging import origin_of, read_run
from reid_srdl.records.folder import RunFolder
from reid_srdl.tasks.features import Extractor
from reid_srdl.tasks.normalised import normalisation_of


@dataclass(frozen=True)
class Looks:
    """Where a network looks.

    Attributes:
        run: the run's folder.
        images: N x H x W x 3 pixels as it saw them.
        maps: N x h x w, from 0 to 1.
    """

    run: Path
    images: NDArray[np.uint8]
    maps: NDArray[np.float32]


def activation(
    runs: Sequence[Path],
    images: Sequence[Path],
    *,
    identity: str | None = None,
    like: Path | None = None,
    device: str = "auto",
) -> list[Looks]:
    """Returns where the result of each run looks.

    Args:
        runs: folders of finished runs.
        images: image files.
        identity: Grad-CAM towards this identity or class, by its name.
        like: Grad-CAM towards the cosine similarity to this image; without both: mean absolute
            activation of the last stage.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UserError: no run, an image that cannot be read, no such identity, or a network without
            stages.
    """
    return [_of_run(run, images, identity, like, device) for run in runs]


def _of_run(
    run: Path, images: Sequence[Path], identity: str | None, like: Path | None, device: str
) -> Looks:
    extractor = extractor_of_run(run, device=device)
    network = extractor.network.eval()
    pixels = _pixels(images, extractor.size)
    a, output = _answer(extractor, pixels)
    if identity is not None:
        maps = grad_cam(output.logits[:, _class_of(run, identity)], a)
    elif like is not None:
        other = _answer(extractor, _pixels([like], extractor.size))[1].features.detach()
        maps = grad_cam(cosine_similarity(output.features, other), a)
    else:
        maps = mean_activation(a)
    network.zero_grad(set_to_none=True)
    return Looks(run, pixels, scaled(maps).float().cpu().numpy())


def _answer(extractor: Extractor, pixels: NDArray[np.uint8]) -> tuple[Tensor, Output]:
    """Returns the last stage's maps and the network's output, which was computed from them."""
    network, compute = extractor.network, extractor.compute
    own = normalisation_of(network.spec, extractor.normalisation)
    batch: Tensor = torch.cat(
        list(Images(pixels, extractor.size, compute.device, own).in_order(len(pixels)))
    )
    with torch.enable_grad():
        output = network(batch.float(), {"stages"})
    return list(output.stages.values())[-1], output


def _pixels(files: Sequence[Path], size: tuple[int, int]) -> NDArray[np.uint8]:
    found = []
    for file in files:
        try:
            found.append(read_rgb(file, size))
        except UnreadableError as error:
            raise UserError(f"{file}: {error}", f"give a whole {KINDS} image") from None
    return np.stack(found)


def _class_of(run: Path, identity: str) -> int:
    folder = RunFolder(run)
    _, record = read_run(folder, KNOWN)
    origin = origin_of(folder, record, record.network)
    known = origin.classes
    if identity not in known:
        what = f"--identity {identity}: {run} was not trained on it"
        raise UserError(what, did_you_mean(identity, known), usage=True)
    return known.index(identity)
