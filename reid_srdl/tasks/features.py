"""Features of a re-id data set's test splits, computed by a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from reid_srdl.data.batches import Images
from reid_srdl.data.cache import ImageFiles, decoded
from reid_srdl.data.colours import grey
from reid_srdl.data.normalisation import IMAGENET, Normalisation
from reid_srdl.data.reid.crops import Crops, ReidData
from reid_srdl.errors import UserError
from reid_srdl.group.processes import Alone, Group
from reid_srdl.models.graphs.network import gives_features
from reid_srdl.models.network import Network
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.tasks.answers import answers_of, check_answers
from reid_srdl.tasks.normalised import normalisation_of
from reid_srdl.training.precision import Compute

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
        normalisation: by which the network sees images, unless its spec says another.
        group: the processes that share the forward passes, each of which has all features then.

    Raises:
        UserError: the network gives no features.
    """

    network: Network
    size: tuple[int, int]
    compute: Compute
    batch_size: int = 128
    flip: bool = False
    steps: Steps | None = None
    normalisation: Normalisation = IMAGENET
    group: Group = field(default_factory=Alone)

    def __post_init__(self) -> None:
        if not gives_features(self.network):
            raise UserError(
                "the network gives logits alone, and images are compared by features",
                "give a file of features: reid-srdl export without --logits, import without "
                "--classes",
            )

    def of_pixels(self, what: str, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Returns the N x D features of N x H x W x 3 images, in their order.

        A network that takes grey images sees their luma.
        """
        if getattr(self.network, "channels", 3) == 1:
            pixels = grey(pixels)
        with self.compute.activated():
            spec = getattr(self.network, "spec", None)  # a network made by hand has none
            suits = self.normalisation
            normalisation = suits if spec is None else normalisation_of(spec, suits)
            images = Images(pixels, self.size, self.compute.device, normalisation)
            return _forward(self, images, what)

    def decoded(self, what: str, crops: ImageFiles) -> NDArray[np.uint8]:
        """Returns the pixels of N images: at their own size where all are alike, else at `size`.

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

    >>> from reid_srdl import load_dataset, open_run  # doctest: +SKIP
    >>> from reid_srdl.training.precision import choose  # doctest: +SKIP
    >>> data = load_dataset("folder", "set")  # doctest: +SKIP
    >>> made = {"size": (32, 16), "compute": choose("cpu", "fp32", 1)}  # doctest: +SKIP
    >>> found = extract_features(open_run("runs/small").network(), data, **made)  # doctest: +SKIP
    >>> found.query.features.shape  # doctest: +SKIP
    (12, 512)
    """

    extractor = Extractor(network, size, compute, batch_size, flip, steps)
    return all_parts(extractor, data)


def all_parts(extractor: Extractor, data: ReidData) -> Features:
    """Returns the features of query, gallery and boxes.

    Raises:
        UserError: images that cannot be read, all named.
    """
    return Features(
        extractor.of_crops("query", data.query),
        extractor.of_crops("gallery", data.gallery),
        extractor.of_crops("boxes", data.boxes) if data.boxes is not None else None,
    )


def told_of(part: str) -> str:
    """Returns how `Steps` names the features of a data set's part."""
    return f"features of {part}"


def _forward(extractor: Extractor, images: Images, what: str) -> NDArray[np.float32]:
    """Returns N x D features in the images' order.

    Raises:
        UserError: they are not finite.
    """
    network, steps = extractor.network, extractor.steps
    network.eval()

    def answer(batch: Tensor) -> Tensor:
        with extractor.compute.autocast():
            features: Tensor = network(batch).features
            if extractor.flip:
                features = (features + network(batch.flip(3)).features) / 2
        return features

    def told(done: int) -> None:
        if steps is not None:
            steps(told_of(what), done, len(images))

    order, group = np.arange(len(images)), extractor.group
    found = answers_of(answer, images, order, extractor.batch_size, told=told, group=group)
    check_answers(found, what)
    return found.numpy()
