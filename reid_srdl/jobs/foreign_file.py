"""A foreign file and what is said of it on the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from reid_srdl.errors import UserError, did_you_mean
from reid_srdl.models import LIBRARIES, NETWORK_NAMES, ONNX
from reid_srdl.models.build import check_network
from reid_srdl.models.foreign.found import Told
from reid_srdl.models.foreign.network import Foreign, read_foreign
from reid_srdl.places import check_input, read_text
from reid_srdl.records.exported import read_exported, sidecar

if TYPE_CHECKING:
    from reid_srdl.models.foreign.onnx import Fed

_OF_ONNX = {"normalisation", "channels"}


@dataclass(frozen=True)
class ForeignFile:
    """A file of weights that another code wrote.

    Attributes:
        path: the file.
        model: the network's name, as ``--model`` takes it.
        height, width: of its input in pixels; None: its code's.
        classes: a file with the name of a class a line; None: nobody knows them.
        told: what its keys cannot show.
    """

    path: Path
    model: str
    height: int | None = None
    width: int | None = None
    classes: Path | None = None
    told: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return str(self.path)

    def read(self) -> Foreign:
        """Returns the network; nothing in the file is executed.

        Raises:
            UserError: as `models.foreign.network.read_foreign`, or names of classes that cannot be.
        """
        if self.model == ONNX:
            return self._read_onnx()
        if not self.path.is_file():
            raise UserError(f"{self.path}: no such file", "name a file of weights, .pth or .pt")
        if self.model not in NETWORK_NAMES:
            library = f"a library's network is {' or '.join(f'{one}:NAME' for one in LIBRARIES)}"
            raise UserError(
                f"--model: no network {self.model!r}",
                f"{did_you_mean(self.model, NETWORK_NAMES)} {library}",
                usage=True,
            )
        check_network(self.model)
        if of_onnx := sorted(_OF_ONNX & self.told.keys()):
            what = f"--{of_onnx[0]}: says nothing about --model {self.model}"
            raise UserError(what, "leave it out: an ONNX file alone is read by it", usage=True)
        names = None if self.classes is None else class_names(self.classes)
        size = (self.height, self.width)
        return read_foreign(self.path, self.model, size=size, classes=names, told=Told(self.told))

    def _read_onnx(self) -> Foreign:
        """Returns the network that an ONNX file holds, fed as the JSON beside it or the user says.

        Raises:
            UserError: neither says it, or both do; or as `models.foreign.onnx.read_onnx`.
        """
        from reid_srdl.models.foreign.onnx import read_onnx

        check_input(self.path, "the ONNX file")
        return read_onnx(self.path, self._fed(), (self.height, self.width))

    def _fed(self) -> Callable[[int], Fed]:
        from reid_srdl.jobs.onnx_told import exported, told

        known = read_exported(self.path)
        if known is None:
            names = None if self.classes is None else class_names(self.classes)
            return lambda channels: told(self.path, self.told, channels=channels, classes=names)
        beside = sidecar(self.path)
        if self.told or self.classes is not None:
            name = next(iter(self.told), "classes")
            of = "how {} takes images" if self.told else "what {} gives"
            what = f"--{name}: {beside} says {of.format(self.path.name)}"
            raise UserError(what, "leave it out", usage=True)
        note = f"{self.path.name} is {known.network} of {known.run}, by {beside.name}"
        return lambda channels: exported(known, note, channels)


def class_names(path: Path) -> tuple[str, ...]:
    """Reads the names of classes, one a line.

    Raises:
        UserError: the file cannot be read, holds fewer than two, or one twice.
    """
    lines = (line.strip() for line in read_text(path, "the names of the classes").splitlines())
    names = tuple(line for line in lines if line)
    hint = "write the name of each class in a line, in the order of the classifier's rows"
    if len(names) < 2:
        raise UserError(f"{path}: names {len(names)} classes", hint)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"{path}: {twice!r} stands twice", hint)
    return names


def told_of(texts: Sequence[str], words: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """Reads ``KEY=VALUE`` words.

    Args:
        texts: the words.
        words: what options of their own say; None: nothing.

    Raises:
        UserError: one is not of this form, or a key stands twice.
    """
    told = {key: value for key, value in (words or {}).items() if value is not None}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key or not value or key in told:
            what = f"--told {text}: " + ("stands twice" if key in told else "not KEY=VALUE")
            raise UserError(what, "write it as --told stride=1", usage=True)
        told[key] = value
    return told
