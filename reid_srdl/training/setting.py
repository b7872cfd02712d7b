"""What all phases of a run share: network, training set, optimisation, seed. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from reid_srdl.data.augmentation import PLAIN, Augmentation
from reid_srdl.data.samplers import Sampler, Shuffled
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.training.losses import CrossEntropy, LabelLoss
from reid_srdl.training.optimisation import Optimisation


@dataclass(frozen=True)
class DataFacts:
    """What phases depend on of a training set.

    Attributes:
        name: the data set's name, which a finished run must share to teach.
        key: hash of its pixels, its labels and which of these are hidden.
        classes: the names of its classes or identities, in the order of their labels.
        counts: images of each class.
        size: (height, width) of the network's input, in pixels.
        pad, flip, augmentation: what is done to images in training.
        validation: the share that is held out of training, to judge epochs by.
    """

    name: str
    key: str
    classes: tuple[str, ...]
    counts: tuple[int, ...]
    size: tuple[int, int]
    pad: int
    flip: bool
    validation: float = 0.0
    augmentation: Augmentation = PLAIN


@dataclass(frozen=True)
class Setting:
    """What all phases of a run share.

    Attributes:
        network: the run's own network.
        start: where its first weights come from: ``random``, or a digest of a weights file.
        data: the training set.
        optimisation: how ``fit`` descends.
        seed: what all random draws derive from.
        precision, compile: how it computes, because other kernels round otherwise.
        origin: digest of a checkpoint that the network starts from where it is drawn first; empty:
            from ``start``.
        source: digest of the file of a method of one's own; empty for a row of METHODS.
        supervised: the loss of the labels, which methods add to; phases know it by their losses.
        sampler: which images come together in a batch.
        content: digest of the training set's files, which a teacher of people must share. It is in
            no key: the pixels themselves are.
        every: epochs from one judgement on the validation part to the next, the best of which is
            kept; None: the last epoch's alone is made.
        share: of each epoch's steps that are made, so that a run costs what another one would; 1:
            all of them.
    """

    network: NetworkSpec
    start: str
    data: DataFacts
    optimisation: Optimisation
    seed: int
    precision: str
    compile: bool = False
    origin: str = ""
    source: str = ""
    supervised: LabelLoss = field(default_factory=CrossEntropy)
    sampler: Sampler = field(default_factory=Shuffled)
    content: str = ""
    every: int | None = None
    share: float = 1.0
