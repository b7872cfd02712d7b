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
    found = []
    for run in runs:
        gaze = Gaze.of(run, device)
        pixels = gaze.pixels(images)
        if identity is not None:
            maps = gaze.towards_class(pixels, _class_of(run, identity))
        elif like is not None:
            maps = gaze.towards_likeness(pixels, gaze.pixels([like]))
        else:
            maps = gaze.mean(pixels)
        found.append(Looks(run, pixels, maps))
    return found


@dataclass(frozen=True)
class Gaze:
    """A network that is asked where it looks: N maps of its last stage, h x w from 0 to 1."""

    extractor: Extractor

    @classmethod
    def of(cls, run: Path, device: str = "auto") -> Gaze:
        """Opens the result of a finished run.

        Raises:
            UserError: no run, damaged weights, or no such device.
        """
        extractor = extractor_of_run(run, device=device)
        extractor.network.eval()
        return cls(extractor)

    def pixels(self, images: Sequence[Path]) -> NDArray[np.uint8]:
        """Reads images as the network sees them: N x H x W x 3.

        Raises:
            UserError: one of them cannot be read.
        """
        return _pixels(images, self.extractor.size)

    def mean(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Returns mean absolute activations."""
        return self._told(mean_activation(self._answer(pixels)[0]))

    def towards_class(self, pixels: NDArray[np.uint8], column: int) -> NDArray[np.float32]:
        """Returns Grad-CAM towards a class, by its column of the logits."""
        a, output = self._answer(pixels)
        return self._told(grad_cam(output.logits[:, column], a))

    def towards_likeness(
        self, pixels: NDArray[np.uint8], others: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        """Returns Grad-CAM towards the cosine similarity to N other images, or to one."""
        y = self._answer(others)[1].features.detach()
        a, output = self._answer(pixels)
        return self._told(grad_cam(cosine_similarity(output.features, y), a))

    def _answer(self, pixels: NDArray[np.uint8]) -> tuple[Tensor, Output]:
        """Returns the last stage's maps and the network's output, which was computed from them."""
        network, compute = self.extractor.network, self.extractor.compute
        own = normalisation_of(network.spec, self.extractor.normalisation)
        images = Images(pixels, self.extractor.size, compute.device, own)
        batch: Tensor = torch.cat(list(images.in_order(len(pixels))))
        with torch.enable_grad():
            output = network(batch.float(), {"stages"})
        return list(output.stages.values())[-1], output

    def _told(self, maps: Tensor) -> NDArray[np.float32]:
        self.extractor.network.zero_grad(set_to_none=True)
        told: NDArray[np.float32] = scaled(maps).float().cpu().numpy()
        return told


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
