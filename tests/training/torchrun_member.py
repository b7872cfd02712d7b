"""Trains by every method as one of several processes, or as the only one, in float64.

``torchrun_member.py FOLDER NAMES [float32]``: methods by name, with commas, or ``all``. Process 0
writes the weights of what each method returns; that all processes hold the same bits is checked
here.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reid_srdl.config.loss import LossConfig
from reid_srdl.data.augmentation import Augmentation, Erasing, Jitter
from reid_srdl.data.batches import Images, TrainingSet
from reid_srdl.data.samplers import Identities
from reid_srdl.group.processes import Group, joined
from reid_srdl.methods import METHODS
from reid_srdl.models.changes import GroupNorm
from reid_srdl.models.network import Network
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.training.label_losses import supervised_by
from reid_srdl.training.optimisation import Optimisation
from reid_srdl.training.precision import choose
from reid_srdl.training.schedule import Cosine
from reid_srdl.training.setting import DataFacts, Setting
from reid_srdl.training.trainer import Trainer
from reid_srdl.training.values import Model, View
from tests.training import tiny

CLASSES, SIZE, BATCH, STEPS = 6, (16, 8), 12, 5
TEACHER = {"teacher": "staged"}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in METHODS},
    **{name: (name, TEACHER) for name in ("kd", "fitnet", "at", "rkd", "dkd")},
    "online": ("kd", {**TEACHER, "view": "online"}),
    "at_once": ("dml", {"order": "at_once"}),
    "recipe": ("vanilla", {}),
}


def images() -> TrainingSet:
    """Returns images that are cropped, mirrored, recoloured and erased; some hide their labels."""
    drawn = np.random.default_rng(3)
    labels = np.arange(BATCH * STEPS) % CLASSES
    pixels = drawn.integers(0, 120, (len(labels), *SIZE, 3)) + 20 * labels[:, None, None, None]
    served = Images(pixels.astype(np.uint8), SIZE, torch.device("cpu"))
    plain = served.normalise
    kind = torch.get_default_dtype()
    served.normalise = lambda given: plain(given).to(kind)  # type: ignore[assignment]
    looks = Augmentation(jitter=Jitter(0.5, 0.2, 0.2, 0.1), erasing=Erasing(0.5))
    return TrainingSet(
        served,
        labels.astype(np.int64),
        pad=2,
        flip=True,
        augmentation=looks,
        labelled=drawn.random(len(labels)) > 0.2,
    )


def setting(case: str, made: TrainingSet) -> Setting:
    """Returns a setting without batch norm.

    The recipe has P x K, pairs, centres and averages, and keeps the best of the judged epochs.
    """
    own = Setting(
        network=NetworkSpec("staged", CLASSES, SIZE, changes=(GroupNorm(2),)),
        start="random",
        data=DataFacts(
            "walkers", made.key, tuple("abcdef"), made.counts(CLASSES), SIZE, made.pad, made.flip
        ),
        optimisation=Optimisation(Cosine(0.05), 0.9, True, 2e-4, BATCH),
        seed=1,
        precision="fp32",
    )
    if case != "recipe":
        return own
    loss = LossConfig.model_validate(
        {"triplet": {"weight": 1.0}, "centre": {"weight": 0.005}, "smoothing": 0.1}
    )
    return replace(
        own,
        data=replace(own.data, validation=0.1),
        every=2,
        optimisation=replace(own.optimisation, ema=0.9, clip=1.0),
        supervised=supervised_by(loss),
        sampler=Identities(CLASSES, BATCH // CLASSES),
    )


def accuracy(network: Network, view: View | None) -> float:
    """Judges a network by its accuracy on the training images."""
    made = images()
    with torch.no_grad():
        logits = torch.cat([network.eval()(clean).logits for clean in made.clean(BATCH)])
    return float((logits.argmax(dim=1) == made.labels).double().mean())


def trained(case: str, folder: Path, group: Group, **how: Any) -> Mapping[str, Model]:
    """Returns what a method returns."""
    name, more = CASES[case]
    made = images()
    trainer = Trainer(
        setting(case, made),
        training_set=made,
        compute=choose("cpu", "fp32", 1),
        folder=folder / case,
        monitor=tiny.Recorder(),
        extract_batch=7,  # so that there are last batches that are not full
        judge=accuracy,
        group=group,
        **how,
    )
    return METHODS[name].program(trainer, 4, METHODS[name].options(name=name, **more))


def states(models: Mapping[str, Model]) -> dict[str, torch.Tensor]:
    """Returns all weights of what a method returned, its averages among them."""
    networks = {name: model.network for name, model in models.items()}
    for name, model in models.items():
        networks |= {f"{name}.{kind}": other.network for kind, other in model.kept.items()}
    return {
        f"{name}.{key}": value
        for name, network in networks.items()
        for key, value in network.state_dict().items()
    }


def main() -> None:
    folder, names = Path(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float32 if sys.argv[3:] == ["float32"] else torch.float64)
    with joined() as group:
        for case in CASES if names == "all" else names.split(","):
            made = states(trained(case, folder, group))
            digest = hashlib.blake2b()
            for value in made.values():
                digest.update(value.numpy().tobytes())
            assert len(set(group.texts(digest.hexdigest()))) == 1, f"{case}: unlike networks"
            if group.rank == 0:
                torch.save(made, folder / f"{case}.pt")


if __name__ == "__main__":
    main()
