"""Features of a data set's test splits, from a network or a run's folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reid_srdl.config import AnyConfig
from reid_srdl.data import load_dataset
from reid_srdl.data.batches import Images
from reid_srdl.data.cache import decoded
from reid_srdl.data.reid.crops import Crops, ReidData
from reid_srdl.methods import OPTIONS
from reid_srdl.models.network import Network
from reid_srdl.models.weights import load_network
from reid_srdl.records.folder import RunFolder
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.training.precision import Compute, choose

Steps = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Extractor:
    """A trained network with all that its features depend on.

    Attributes:
        network: the network, on its device; in evaluation mode once used, weights untouched.
        size: (height, width) of its input, in pixels.
        compute: device and precision of the forward passes.
        batch_size: images of a forward pass.
        flip: average the features of each image and its mirror image.
        steps: told (what, images done, images in all) now and then.
    """

    network: Network
    size: tuple[int, int]
    compute: Compute
    batch_size: int = 128
    flip: bool = False
    steps: Steps | None = None

    def of_pixels(self, what: str, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Returns the N x D features of N x H x W x 3 images, in their order."""
        with self.compute.activated():
            images = Images(pixels, self.size, self.compute.device)
            return _forward(self, images, what)

    def decoded(self, what: str, crops: Crops) -> NDArray[np.uint8]:
        """Returns the pixels of N crops: at their own size where all are alike, else at `size`.

        Raises:
            UserError: images that cannot be read, all named.
        """
        steps = self.steps
        return decoded(
            crops,
            fallback_size=self.size,
            progress=None if steps is None else lambda d, n: steps(f"decoding {what}", d, n),
        )

    def of_crops(self, what: str, crops: Crops) -> FeatureSet:
        """Returns the features of N crops with their labels and names.

        Raises:
            UserError: images that cannot be read, all named.
        """
        pixels = self.decoded(what, crops)
        names = tuple(path.name for path in crops.paths)
        return FeatureSet(self.of_pixels(what, pixels), crops.pids, crops.camids, names)


def extract_features(
    network: Network,
    data: ReidData,
    *,
    size: tuple[int, int],
    compute: Compute,
    batch_size: int = 128,
    flip: bool = False,
    steps: Steps | None = None,
) -> Features:
    """Computes the features of query, gallery and hand-drawn boxes.

    Args:
        network: in evaluation mode afterwards, weights untouched.
        data: the data set.
        size: (height, width) of the network's input, in pixels.
        compute: device and precision of the forward passes.
        batch_size: images of a forward pass.
        flip: average the features of each image and its mirror image.
        steps: told (what, images done, images in all) now and then.

    Raises:
        UserError: images that cannot be read, all named.
    """

    extractor = Extractor(network, size, compute, batch_size, flip, steps)
    return _all_parts(extractor, data)


def features_of_run(
    run: Path,
    *,
    dataset: str | None = None,
    data_dir: Path | None = None,
    flip: bool | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    network: str | None = None,
    steps: Steps | None = None,
) -> tuple[Features, Compute]:
    """Computes features with the network of a finished run; what is not given is as it trained.

    Args:
        run: the run's folder.
        dataset: evaluate on another data set than the run's.
        data_dir: its folder.
        flip: average the features of each image and its mirror image.
        batch_size: images of a forward pass.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        network: which of the run's networks; by default its result.
        steps: told of the progress.

    Returns:
        The features, and what computed them.

    Raises:
        UserError: no run folder, no weights in it, or data that cannot be read.
    """
    config = RunFolder(run).read_config(OPTIONS)
    extractor = extractor_of_run(
        run, flip=flip, batch_size=batch_size, device=device, network=network, steps=steps
    )
    data = load_dataset(dataset or config.data.name, data_dir or _own_dir(config, dataset))
    return _all_parts(extractor, data), extractor.compute


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
    config = folder.read_config(OPTIONS)
    trained = load_network(folder.weights(network or config.method.name))
    compute = choose(device, config.train.precision, config.train.threads)
    return Extractor(
        trained.to(compute.device),
        size=(config.data.height, config.data.width),
        compute=compute,
        batch_size=batch_size or config.eval.batch_size,
        flip=config.eval.flip if flip is None else flip,
        steps=steps,
    )


def _all_parts(extractor: Extractor, data: ReidData) -> Features:
    return Features(
        extractor.of_crops("query", data.query),
        extractor.of_crops("gallery", data.gallery),
        extractor.of_crops("boxes", data.boxes) if data.boxes is not None else None,
    )


def _own_dir(config: AnyConfig, dataset: str | None) -> Path | None:
    """Returns the run's own data folder, unless another data set is asked for."""
    return config.data.dir if dataset in (None, config.data.name) else None


@torch.inference_mode()
def _forward(extractor: Extractor, images: Images, what: str) -> NDArray[np.float32]:
    """Returns N x D features in the images' order."""
    network, steps = extractor.network, extractor.steps
    network.eval()
    rows: list[Tensor] = []
    done = 0
    for batch in images.in_order(extractor.batch_size):
        with extractor.compute.autocast():
            features = network(batch).features
            if extractor.flip:
                features = (features + network(batch.flip(3)).features) / 2
        rows.append(features.cpu())
        done += len(batch)
        if steps is not None:
            steps(f"features of {what}", done, len(images))
    return torch.cat(rows).numpy()
