"""What a data set is made of: names, labels and the bytes of its files, wherever it stands.

Two data sets have the same content where the relative names, sizes, labels and bytes of their files
are the same: moved, copied, listed in another order or packed into an archive, they stay the same.
Knowledge, checkpoints and records are of one content, and are never used for another.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reid_srdl.data.classes.file_table import FileTable
from reid_srdl.data.classes.samples import ClassData, Samples
from reid_srdl.data.file_digests import file_digests, signature
from reid_srdl.data.images import Steps
from reid_srdl.data.reid.crops import DISTRACTOR, Crops, ReidData

_FORMAT = 1

# Streamed sets above this are known by names, sizes and labels alone: ImageNet would take minutes.
WHOLE_BYTES = 5 * 2**30

_Row = tuple[str, str, str]  # relative name, label, file; no file where another row holds it


@dataclass(frozen=True)
class Part:
    """The content of one part of a data set.

    Attributes:
        digest: 32 hexadecimal digits; equal for equal content.
        files: how many files there are.
        bytes: how many bytes they hold.
        by: ``bytes``, or ``names``: of names, sizes and labels alone, so that a changed file of
            the same size is not noticed.
    """

    digest: str
    files: int
    bytes: int
    by: str


@dataclass(frozen=True)
class Content:
    """The content of a data set: what is trained on, and what scores are made on.

    Attributes:
        train: the training images.
        test: query, gallery and boxes; or the test images of a classification set.
    """

    train: Part
    test: Part


def content_of(data: ReidData | ClassData, steps: Steps | None = None) -> Content:
    """Returns the content of a data set; files not seen before are read once.

    Args:
        data: as loaded; distractors that joined its gallery count as test images.
        steps: called with (what, files done, files in all) while files are read.

    Raises:
        UserError: a file is not there or can't be read.
    """
    if isinstance(data, ClassData):
        train = _samples(data, data.train, steps, "reading train")
    elif data.parts:
        return joint_content(data, [content_of(part, steps) for part in data.parts])
    else:
        train = _part(data.root, _crops(data, data.train), steps, "reading train")
    return Content(train, content_of_test(data, steps))


def joint_content(data: ReidData, contents: Sequence[Content]) -> Content:
    """Returns the content of a joint set from those of its parts, in their order."""
    names = [part.name for part in data.parts]
    return Content(
        _joint(names, [own.train for own in contents]),
        _joint(names, [own.test for own in contents]),
    )


def _joint(names: Sequence[str], parts: Sequence[Part]) -> Part:
    told = repr((_FORMAT, [(name, part.digest) for name, part in zip(names, parts, strict=True)]))
    return Part(
        hashlib.blake2b(told.encode(), digest_size=16).hexdigest(),
        sum(part.files for part in parts),
        sum(part.bytes for part in parts),
        "names" if any(part.by == "names" for part in parts) else "bytes",
    )


def content_of_test(data: ReidData | ClassData, steps: Steps | None = None) -> Part:
    """Returns the content of what scores are made on, as `content_of`.

    Raises:
        UserError: a file is not there or can't be read.
    """
    if isinstance(data, ClassData):
        return _samples(data, data.test, steps, "reading test")
    if data.parts:
        names = [part.name for part in data.parts]
        return _joint(names, [content_of_test(part, steps) for part in data.parts])
    sides = {"query": data.query, "gallery": data.gallery}
    if data.boxes is not None:
        sides["boxes"] = data.boxes
    rows = [row for side, crops in sides.items() for row in _crops(data, crops, f"{side} ")]
    return _part(data.root, rows, steps, "reading test")


def files_digest(root: Path, files: Sequence[Path]) -> str:
    """Returns a digest of files in their order: last folder and name, size, bytes.

    Above ``WHOLE_BYTES`` of names and sizes alone. For what is known by its position in a list.

    Args:
        root: the data set's folder.
        files: N files.

    Raises:
        UserError: a file is not there or can't be read.
    """
    names = enumerate(_texts(files))
    rows = [(f"{number:012d} {'/'.join(name.split('/')[-2:])}", "", name) for number, name in names]
    return _part(root, rows, None, "", streamed=True).digest


def _crops(data: ReidData, crops: Crops, side: str = "") -> list[_Row]:
    rows = []
    packed = f"{data.packed.folder}/" if data.packed is not None else None
    labels = _labels(data, crops)
    for name, label in zip(_texts(crops.paths), labels, strict=True):
        file = "" if packed is not None and name.startswith(packed) else name
        rows.append((_relative(data.root, name), f"{side}{label}", file))
    if data.packed is not None:
        rows += [(path.name, f"{side}packed", str(path)) for path in data.packed.files]
    return rows


def _labels(data: ReidData, crops: Crops) -> Iterator[str]:
    """Yields who and which camera each crop is of, whatever their numbers here."""
    pids, camids = crops.pids.tolist(), crops.camids.tolist()
    if data.persons:
        # Names as JSON, so that no two pairs make one text, and none means what a number does.
        persons = {n: json.dumps(data.person(n)) if n > DISTRACTOR else str(n) for n in set(pids)}
        cameras = {n: json.dumps(data.camera(n)) if n > 0 else str(n) for n in set(camids)}
        return (f"{persons[pid]} {cameras[camid]}" for pid, camid in zip(pids, camids, strict=True))
    return (f"{pid} {camid}" for pid, camid in zip(pids, camids, strict=True))


def _samples(data: ClassData, part: Samples, steps: Steps | None, what: str) -> Part:
    if len(part.files) == len(part.labels):
        labels = [data.classes[label] for label in part.labels.tolist()]
    else:  # a few files hold all images and labels
        labels = [" ".join(data.classes)] * len(part.files)
    files = zip(_texts(part.files), labels, strict=True)
    rows = [(_relative(data.root, name), label, name) for name, label in files]
    streamed = not isinstance(part.pixels, np.ndarray)
    return _part(data.root, rows, steps, what, streamed=streamed)


def _part(
    root: Path, rows: Sequence[_Row], steps: Steps | None, what: str, *, streamed: bool = False
) -> Part:
    """Hashes rows in the order of their names, whatever order they come in."""
    rows = sorted(rows)
    files = sorted({file for _, _, file in rows if file})
    signatures = {file: signature(file) for file in files}
    sizes = {file: own.size for file, own in signatures.items()}
    whole = sum(sizes.values())
    by = "names" if streamed and whole > WHOLE_BYTES else "bytes"
    digests = {}
    if by == "bytes":
        tell = None if steps is None else _named(steps, what)
        digests = file_digests(root, signatures, tell)
    content = hashlib.blake2b(repr((_FORMAT, by, len(rows))).encode(), digest_size=16)
    for name, label, file in rows:
        # Null bytes part them, which neither names nor numbers hold.
        content.update(os.fsencode(f"{name}\0{label}\0{sizes.get(file)}\0{digests.get(file)}\0"))
    return Part(content.hexdigest(), len(files), whole, by)


def _named(steps: Steps, what: str) -> Callable[[int, int], None]:
    return lambda done, total: steps(what, done, total)


def _texts(files: Sequence[Path]) -> Iterator[str]:
    """Yields the files' paths as text, sooner than as paths."""
    if isinstance(files, FileTable):
        yield from (f"{folder}/{name}" for folder, name in files.texts())
    else:
        yield from map(str, files)


def _relative(root: Path, name: str) -> str:
    """Returns a file's name as seen from the set's folder; by itself where it stands elsewhere."""
    below = f"{root}/"
    return name[len(below) :] if name.startswith(below) else name.rpartition("/")[2]
