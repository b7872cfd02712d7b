"""Features of a data set's test splits, from a network or a run's folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reid_srdl.config import AnyConfig
from reid_srdl.data import load_dataset
from reid_srdl.data.batches import Images
from reid_srdl.data.cache import decoded
from reid_srdl.data.crops import Crops, ReidData
from reid_srdl.methods import OPTIONS
from reid_srdl.models.network import Network
from reid_srdl.models.weights import load_network
from reid_srdl.records.folder import RunFolder
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.training.precision import Compute, choose

Steps = Callable[[str, int, int], None]


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

    def features_of(what: str, crops: Crops) -> FeatureSet:
        pixels = decoded(
            crops,
            fallback_size=size,
            progress=None if steps is None else lambda d, n: steps(f"decoding {what}", d, n),
        )
        images = Images(pixels, size, compute.device)
        rows = _forward(network, images, compute, batch_size, flip, what, steps)
        names = tuple(path.name for path in crops.paths)
        return FeatureSet(rows, crops.pids, crops.camids, names)

    with compute.activated():
        return Features(
            features_of("query", data.query),
            features_of("gallery", data.gallery),
            features_of("boxes", data.boxes) if data.boxes is not None else None,
        )


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
    folder = RunFolder(run)
    config = folder.read_config(OPTIONS)
    name = network or config.method.name
    trained = load_network(folder.weights(name))
    compute = choose(device, config.train.precision, config.train.threads)
    data = load_dataset(dataset or config.data.name, data_dir or _own_dir(config, dataset))
    features = extract_features(
        trained.to(compute.device),
        data,
        size=(config.data.height, config.data.width),
        compute=compute,
        batch_size=batch_size or config.eval.batch_size,
        flip=config.eval.flip if flip is None else flip,
        steps=steps,
    )
    return features, compute


def _own_dir(config: AnyConfig, dataset: str | None) -> Path | None:
    """Returns the run's own data folder, unless another data set is asked for."""
    return config.data.dir if dataset in (None, config.data.name) else None


@torch.inference_mode()
def _forward(
    network: Network,
    images: Images,
    compute: Compute,
    batch_size: int,
    flip: bool,
    what: str,
    steps: Steps | None,
) -> NDArray[np.float32]:
    """Returns N x D features in the images' order."""
    network.eval()
    rows: list[Tensor] = []
    done = 0
    for batch in images.in_order(batch_size):
        with compute.autocast():
            features = network(batch).features
            if flip:
                features = (features + network(batch.flip(3)).features) / 2
        rows.append(features.cpu())
        done += len(batch)
        if steps is not None:
            steps(f"features of {what}", done, len(images))
    return torch.cat(rows).numpy()
