"""Records of what networks do: under noise, on test images, in the plane, along training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reid_srdl.records.analyses import Loss, Part, Subject

Share = Annotated[float, Field(ge=0, le=1)]


class NoiseSettings(Part):
    """How a network was measured under noise.

    Attributes:
        deviations: sigma of each column.
        draws: rows.
        relative: sigma in units of each parameter tensor's root mean square.
        seed: of the noise and of the subset.
        subset: images of each split that were drawn; None: all.
        precision: of the forward passes.
    """

    deviations: tuple[float, ...]
    draws: int
    relative: bool
    seed: int
    subset: int | None
    precision: str


class Noise(Part):
    """Cross-entropy (nats) and accuracy at theta + sigma e: a row per draw, a column per sigma.

    Attributes:
        images: of each split.
        losses: by split; None where one is not finite.
        accuracies: by split.
    """

    kind: Literal["noise"] = "noise"
    subject: Subject
    settings: NoiseSettings
    images: dict[str, int]
    losses: dict[str, tuple[tuple[Loss, ...], ...]]
    accuracies: dict[str, tuple[tuple[Share, ...], ...]]
    device: str


class Predictions(Part):
    """How sure a network is of its test images.

    Attributes:
        images: test images.
        entropy: mean entropy of the predictions, in nats.
        right, wrong: the same of the images that it gets right and wrong; None where none is.
        edges: of the histogram's bins, in nats, from 0 to ln C.
        counts: images in each bin.
    """

    kind: Literal["predictions"] = "predictions"
    subject: Subject
    images: int
    entropy: float
    right: float | None
    wrong: float | None
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    device: str


class Agreement(Part):
    """Where networks agree on the same test images.

    Attributes:
        subjects: the K networks.
        images: test images.
        accuracy: of each network.
        decisions: K x K shares of images with equal decisions.
        errors: K x K: of the images that at least one of two gets wrong, the share with the same
            error.
    """

    kind: Literal["agreement"] = "agreement"
    subjects: tuple[Subject, ...]
    images: int
    accuracy: tuple[Share, ...]
    decisions: tuple[tuple[Share, ...], ...]
    errors: tuple[tuple[Share, ...], ...]
    device: str


class Projection(Part):
    """Features of all test images in the plane.

    Attributes:
        at: ``features``, or the stage or branch whose they are.
        by: ``pca`` or ``tsne``.
        images: their number.
        dim: length of a feature.
        explained: of PCA, each component's share of the variance.
        perplexity, seed: of t-SNE; None of PCA.
        classes: the classes' names.
        labels: N classes.
        points: N x 2.
    """

    kind: Literal["projection"] = "projection"
    subject: Subject
    at: str
    by: Literal["pca", "tsne"]
    images: int
    dim: int
    explained: tuple[float, ...]
    perplexity: float | None
    seed: int | None
    classes: tuple[str, ...]
    labels: tuple[int, ...]
    points: tuple[tuple[float, float], ...]
    device: str


class Gradients(Part):
    """The norms of a network's gradients along training: a row per epoch, a column per layer.

    Attributes:
        run: the run's name.
        method, dataset, seed: of the run.
        network: its name in its phase.
        phase: the phase.
        layers: from the input to the output.
        epochs: of the phase, from 1.
        norms: mean over the epoch's steps.
    """

    kind: Literal["gradients"] = "gradients"
    run: str
    method: str
    dataset: str
    seed: int
    network: str
    phase: str
    layers: tuple[str, ...]
    epochs: tuple[int, ...]
    norms: tuple[tuple[float, ...], ...]
