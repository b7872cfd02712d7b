"""What a run is trained on: ``data.json``, in its folder from the first moment.

A run goes on only with the same content. Where that stands may change: a moved folder, a copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from reid_srdl.errors import UserError
from reid_srdl.records.content import PartFacts, names_digest
from reid_srdl.records.parse import parse, read_text, read_tree
from reid_srdl.records.part import RecordPart
from reid_srdl.seals import write_sealed
from reid_srdl.texts import json_text

_SHOWN = 8  # hexadecimal digits of a digest in a message


class TaughtBy(RecordPart):
    """A finished run that teaches.

    Attributes:
        run: its name.
        experiment: fingerprint of its configuration without the seed.
        weights: digest of its weights file.
    """

    run: str
    experiment: str
    weights: str


class TrainedOn(RecordPart):
    """What a run is trained on, and by which settings.

    Attributes:
        settings: fingerprint of the run's configuration.
        experiment: the same without the seed, as the run's record will have it.
        name: the data set's name.
        folder: where it stood last.
        train, test: its content.
        classes: names of the classes or identities that are trained on, by their labels.
        weights: digest of the file of the first weights; None: they are random.
        teachers: finished runs that teach.
        method: digest of the file of a method of one's own.
    """

    schema_version: Literal[2] = 2
    settings: str
    experiment: str
    name: str
    folder: str
    train: PartFacts
    test: PartFacts
    classes: tuple[str, ...]
    weights: str | None = None
    teachers: tuple[TaughtBy, ...] = ()
    method: str | None = None

    def differences(self, other: TrainedOn) -> Iterator[str]:
        """Yields what another run of the same settings would be trained on that this one is not."""
        if self.name != other.name:
            yield f"data set {self.name}, not {other.name}"
            return
        if self.classes != other.classes:
            yield f"classes: {_count(self)} there, {_count(other)} here"
        for what, ours, theirs in (
            ("training images", self.train, other.train),
            ("test images", self.test, other.test),
        ):
            if ours != theirs:
                yield f"{what}: {_told(ours)} there, {_told(theirs)} here"
        for what, one, another in (
            ("first weights (model.weights)", self.weights, other.weights),
            ("the method's own file", self.method, other.method),
        ):
            if one != another:
                yield f"{what}: {_short(one)} there, {_short(another)} here"
        if _teaching(self) != _teaching(other):
            yield f"teacher: {_teachers(self)} there, {_teachers(other)} here"


def write_trained_on(path: Path, known: TrainedOn) -> None:
    """Writes ``data.json``, whole or not at all."""
    text = json_text(known.model_dump(mode="json")) + "\n"
    write_sealed(path, text, "what the run is trained on")


def read_trained_on(path: Path) -> TrainedOn | None:
    """Reads ``data.json``; None where there is none.

    Raises:
        UserError: it is damaged, foreign or of another version.
    """
    try:
        text = read_text(path)
        read_tree(path, text)
        return parse(path, text, TrainedOn)
    except FileNotFoundError:
        return None
    except UserError as error:
        raise UserError(error.what, "restore the file, or train under another --name") from None


def check_same_content(folder: Path, known: TrainedOn, now: TrainedOn) -> None:
    """Checks that a run's folder holds a run on the content of now.

    Raises:
        UserError: it does not; both places are named, and what differs.
    """
    told = "; ".join(known.differences(now))
    if not told:
        return
    if _same_data(known, now):
        what, hint = "weights or teachers", "restore what has changed"
    else:
        what, hint = "data", f"give --data-dir {known.folder} as it was"
    raise UserError(
        f"{folder}: holds a run on other {what}: it is trained on {known.folder}, "
        f"now {now.folder} is given ({told})",
        f"choose another --name, or {hint}",
    )


def _same_data(one: TrainedOn, other: TrainedOn) -> bool:
    return all(
        getattr(one, key) == getattr(other, key) for key in ("name", "train", "test", "classes")
    )


def _told(part: PartFacts) -> str:
    return f"{part.files:,} files, {part.bytes:,} bytes, {part.digest[:_SHOWN]}"


def _count(known: TrainedOn) -> str:
    return f"{len(known.classes):,} ({names_digest(known.classes)[:_SHOWN]})"


def _short(digest: str | None) -> str:
    return "none" if digest is None else digest[:_SHOWN]


def _teaching(known: TrainedOn) -> list[tuple[str, str]]:
    return [(one.experiment, one.weights) for one in known.teachers]


def _teachers(known: TrainedOn) -> str:
    told = (f"{one.run} ({one.weights[:_SHOWN]})" for one in known.teachers)
    return ", ".join(told) or "none"
