"""What stands beside an exported network: the JSON that says what its file takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue, ValidationError

from reid_srdl.errors import UserError
from reid_srdl.files import file_digest
from reid_srdl.places import read_text
from reid_srdl.records.part import Count, RecordPart

Answer = Literal["features", "logits"]
_HINT = "export the run again, or delete {} and say how the file takes images by options"


class TakenImages(RecordPart):
    """What the file's input takes: N x channels x height x width, float32, N any number.

    Attributes:
        channels: 3 for RGB, 1 for grey.
        height, width: in pixels; the images are resized before.
        low, high: the values of black and white.
        mean, std: by which the file itself normalises each channel.
    """

    channels: Literal[1, 3]
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    low: float = 0.0
    high: float = 1.0
    mean: tuple[float, ...]
    std: tuple[float, ...]


class Checked(RecordPart):
    """How the file was compared with the network after it was written.

    Attributes:
        images: how many.
        of: the data set that they are from; None: they were drawn.
        difference: the largest, relative to each answer's largest value.
    """

    images: Count
    of: str | None
    difference: float


class Exported(RecordPart):
    """A network as a file that needs nothing of this project.

    Attributes:
        file: SHA-256 of the file.
        takes: its input.
        gives: its output, N x ``length`` float32.
        length: of a feature, or the number of classes.
        classes: what the logits stand for, in their order; of features, what was trained on.
        run, network: where it comes from.
        model: the network's name.
        weights: SHA-256 of the weights' file.
        dataset: what the network was trained on.
        evaluation: the run's own keys of the ``eval`` section, those at their defaults left out.
        checked: how the file was tried.
        version: of reid-srdl.
    """

    file: str
    takes: TakenImages
    gives: Answer
    length: int = Field(ge=1)
    classes: tuple[str, ...]
    run: str
    network: str
    model: str
    weights: str
    dataset: str
    evaluation: dict[str, JsonValue]
    checked: Checked
    version: str


@dataclass(frozen=True)
class ForTorchreid:
    """Weights that torchreid loads.

    Attributes:
        name: what torchreid calls the network.
        network: whose weights they are, in words.
        classes: of its classifier.
        size: (height, width) of its input, in pixels.
        mean, std: by which its images are normalised outside of it.
        tried_on: the images on which it was compared, in words.
        difference: the largest, relative to each feature's largest value.
    """

    name: str
    network: str
    classes: int
    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    tried_on: str
    difference: float


def sidecar(file: Path) -> Path:
    """Returns where the JSON of an exported file stands.

    >>> sidecar(Path("out/model.onnx")).name
    'model.onnx.json'
    """
    return file.with_name(f"{file.name}.json")


def read_exported(file: Path) -> Exported | None:
    """Reads what stands beside an exported file; None: nothing does.

    Raises:
        UserError: it cannot be read, or it is about another file.
    """
    path = sidecar(file)
    if not path.exists():
        return None
    try:
        known = Exported.model_validate_json(read_text(path, "the JSON of the exported file"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "JSON"
        raise UserError(
            f"{path}: not what reid-srdl export writes: {where}: {first['msg']}",
            _HINT.format(path.name),
        ) from None
    if known.file != file_digest(file):
        raise UserError(f"{path}: about another file than {file}", _HINT.format(path.name))
    return known
