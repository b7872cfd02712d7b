"""Judges networks between epochs, on what was held out of the training part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from reid_srdl.analysis.accuracy import class_scores
from reid_srdl.config import EvalConfig, Protocol
from reid_srdl.data.reid.crops import Crops
from reid_srdl.errors import UserError
from reid_srdl.evaluation import check_labels, evaluate
from reid_srdl.evaluation.cameras import SameCamera
from reid_srdl.group.processes import Alone, Group
from reid_srdl.models.network import Network
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.retrieval.labels import UNKNOWN_CAMERA, Labels
from reid_srdl.tasks.features import Extractor
from reid_srdl.training.precision import Compute
from reid_srdl.training.values import View

LogitsOf = Callable[[Network], torch.Tensor]


@dataclass(frozen=True)
class RetrievalJudge:
    """Scores a network by the mAP of held-out people, each image searched in all the others.

    An image is never its own match: images of a query's camera and identity do not count. The
    distance is that of the run's evaluation; its other rules are for test data.

    Attributes:
        crops: of the people who are held out.
        pixels: N x h x w x 3 uint8, of the crops in their order.
        size: (height, width) of a network's input, in pixels.
        compute: where it runs.
        settings: of the run's evaluation.
        group: the processes that judge together; number 0 alone ranks and knows the score.
    """

    crops: Crops
    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    compute: Compute
    settings: EvalConfig
    group: Group = field(default_factory=Alone)

    def __call__(self, network: Network, view: View | None) -> float:
        """Returns the mAP, 0 to 1; features know no classes, so the view does not matter.

        Raises:
            UserError: the features are not finite.
        """
        settings, compute = self.settings, self.compute
        batch, flip = settings.batch_size, settings.flip
        extractor = Extractor(network, self.size, compute, batch, flip, group=self.group)
        features = extractor.of_pixels("validation", self.pixels)
        if self.group.rank > 0:
            return 0.0
        labels = judged_labels(self.crops, settings.same_camera)
        images = FeatureSet(features, labels.pids, labels.camids)
        protocol = Protocol(distance=settings.distance, normalize=settings.normalize)
        done = evaluate(Features(images, images), protocol, device=str(compute.device))
        return done.evaluation.single_query.mAP


def judged_labels(crops: Crops, same_camera: SameCamera) -> Labels:
    """Returns labels by which no image is its own match, though it is searched for among all.

    Where matches of one camera count, and where a camera is not known, each image has its own.
    """
    own = -3 - np.arange(len(crops))  # no camera has such a number
    alone = (crops.camids == UNKNOWN_CAMERA) | (same_camera == "keep")
    return Labels(crops.pids, np.where(alone, own, crops.camids))


def check_held_out(crops: Crops, same_camera: SameCamera) -> None:
    """Checks by labels alone that held-out people can be searched for.

    Raises:
        UserError: none of them was seen by two cameras, or twice where one will do.
    """
    labels = judged_labels(crops, same_camera)
    try:
        check_labels(labels, labels, Protocol())
    except UserError:
        raise UserError(
            "data.validation: nothing to judge by: none of the people who are held out was seen by "
            f"{'two cameras' if same_camera == 'ignore' else 'a camera twice'}",
            "set a larger data.validation, or leave it out",
            usage=True,
        ) from None


@dataclass(frozen=True)
class ClassJudge:
    """Scores a network by its top-1 accuracy on held-out images.

    Attributes:
        logits: gives N x C logits of these images.
        labels: N classes, int64.
        classes: the classes' names, by label.
    """

    logits: LogitsOf
    labels: NDArray[np.int64]
    classes: tuple[str, ...]

    def __call__(self, network: Network, view: View | None) -> float:
        """Returns the top-1 accuracy, 0 to 1, on the images of a view's classes or of all.

        Raises:
            UserError: the logits are not finite.
        """
        chosen, labels = in_view(self.labels, self.classes, view)
        logits = self.logits(network)[torch.from_numpy(chosen)]
        return class_scores(logits, torch.from_numpy(labels)).top1


def in_view(
    labels: NDArray[np.int64], classes: Sequence[str], view: View | None
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Returns which of N images are of a view's classes, and the labels of these among them.

    Args:
        labels: N classes, int64.
        classes: the classes' names, by label.
        view: None: all of them.
    """
    if view is None:
        return np.ones(len(labels), bool), labels
    places = np.full(len(classes), -1, np.int64)
    places[[classes.index(name) for name in view.classes]] = np.arange(len(view.classes))
    own = places[labels]
    return own >= 0, own[own >= 0]
