"""What is said of an ONNX file: by the options of a command, or by the JSON of our own export."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reid_srdl.data.normalisation import CIFAR10, CIFAR100, IMAGENET, MNIST, Normalisation
from reid_srdl.errors import UserError
from reid_srdl.models.changes import Normalised
from reid_srdl.models.foreign.onnx import Fed
from reid_srdl.records.exported import Exported


def _by(own: Normalisation) -> Normalised:
    return Normalised(own.mean, own.std)


# How a file takes pixels in 0..1, by the channels of its images.
NORMALISATIONS: dict[int, dict[str, Normalised]] = {
    3: {
        "imagenet": _by(IMAGENET),
        "half": Normalised((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        "none": Normalised((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        "cifar10": _by(CIFAR10),
        "cifar100": _by(CIFAR100),
    },
    1: {
        "half": Normalised((0.5,), (0.5,)),
        "none": Normalised((0.0,), (1.0,)),
        "mnist": _by(MNIST),
    },
}
_COLOURS = ("rgb", "bgr")


def told(
    path: Path,
    values: Mapping[str, str],
    *,
    channels: int,
    classes: tuple[str, ...] | None = None,
) -> Fed:
    """Returns what the user says of a file.

    Args:
        path: the file.
        values: ``normalisation`` and, of colours, ``channels``.
        channels: of its images, 3 or 1.
        classes: what its logits stand for; None: it gives features.

    Raises:
        UserError: something is missing, or is no choice.
    """
    of = NORMALISATIONS[channels]
    choices = {"normalisation": tuple(of), "channels": _COLOURS}
    if strange := sorted(values.keys() - choices.keys()):
        known = "an ONNX file is read by --normalisation and --channels"
        what = f"--told {strange[0]}: says nothing about {path}"
        raise UserError(what, f"leave it out: {known}", usage=True)
    if channels == 1:
        if "channels" in values:
            what = f"--channels {values['channels']}: {path} takes grey images"
            raise UserError(what, "leave it out", usage=True)
        del choices["channels"]
    seen = ", which takes grey images" if channels == 1 else ""
    for name, known_as in choices.items():
        if values.get(name) not in known_as:
            what = (
                f"--{name} {values[name]}: not a choice for {path}{seen}"
                if name in values
                else f"{path}{seen}: says nothing of its --{name}"
            )
            raise UserError(what, f"give --{name} {' or '.join(known_as)}", usage=True)
    reverse = values.get("channels") == "bgr"
    return Fed(of[values["normalisation"]], reverse=reverse, classes=classes)


def exported(known: Exported, note: str, channels: int) -> Fed:
    """Returns what the JSON beside an exported file says; the file normalises by itself."""
    none = NORMALISATIONS[channels]["none"]
    classes = known.classes if known.gives == "logits" else None
    return Fed(none, known.evaluation, classes=classes, note=note)
