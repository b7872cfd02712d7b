"""What an evaluation keeps of its ranking, in one sealed file: ``RUN/ranks/NAME.npz``.

The first images of each query, the matches that stand farther down with their ranks, and figures
by query and gallery camera. Pictures and reports read it, so nothing is extracted or ranked again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.errors import UserError
from reid_srdl.files import whole_file
from reid_srdl.records.evaluated import Evaluated
from reid_srdl.records.later import evaluation_name
from reid_srdl.seals import check_seal, sealed

OTHER, MATCH, IGNORED = 0, 1, 2  # what a listed image is to its query
KEPT = 20  # images that count, per query
_FORMAT = 1

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Images:
    """N images that are named: queries, or those of the gallery that a list shows.

    Attributes:
        positions: N positions in the data set's part.
        pids, camids: N each.
        names: N names; empty texts where the features came without.
    """

    positions: Ints
    pids: Ints
    camids: Ints
    names: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True)
class CameraFigures:
    """Scores of the queries of A cameras, each in the gallery of one of B cameras alone.

    Attributes:
        query, gallery: A and B cameras, ascending.
        queries: A x B numbers of queries that were scored.
        mAP, rank1, mINP: A x B fractions; NaN where no query was scored.
    """

    query: Ints
    gallery: Ints
    queries: Ints
    mAP: NDArray[np.float64]  # noqa: N815 - the field's own name
    rank1: NDArray[np.float64]
    mINP: NDArray[np.float64]  # noqa: N815


@dataclass(frozen=True)
class KeptRanks:
    """The top of a ranking of Q queries.

    Attributes:
        queries: who asks.
        images: the gallery images that are listed or missed.
        offsets: Q + 1; query i lists offsets[i] to offsets[i + 1].
        listed: positions in ``images``, nearest first, up to 20 that count, and those before the
            last of these that do not.
        distances: float32, what they were ranked by.
        kinds: OTHER, MATCH or IGNORED (the query's identity by its own camera).
        missed_offsets: Q + 1, likewise of the matches that are not listed.
        missed: positions in ``images``, by rank.
        missed_ranks: from 1, ignored images left out; 0: not retrieved.
        measure: which distance it is.
        cameras: None where they were not taken: more than 64 cameras.
    """

    queries: Images
    images: Images
    offsets: Ints
    listed: Ints
    distances: NDArray[np.float32]
    kinds: NDArray[np.uint8]
    missed_offsets: Ints
    missed: Ints
    missed_ranks: Ints
    measure: str
    cameras: CameraFigures | None = None

    def __len__(self) -> int:
        return len(self.queries)

    def list_of(self, query: int) -> slice:
        """Returns where a query's list stands."""
        return slice(int(self.offsets[query]), int(self.offsets[query + 1]))

    def missed_of(self, query: int) -> slice:
        """Returns where a query's missed matches stand."""
        return slice(int(self.missed_offsets[query]), int(self.missed_offsets[query + 1]))


def ranks_file(run: Path, one: Evaluated) -> Path:
    """Returns the file that keeps an evaluation's ranks: named by what sets evaluations apart."""
    return run / "ranks" / f"{evaluation_name([one])}.npz"


def write_ranks(run: Path, one: Evaluated, kept: KeptRanks) -> Path:
    """Writes the ranks that an evaluation of a run gave, whole or not at all, with a checksum.

    Raises:
        FileError: the operating system refuses.
    """
    path = ranks_file(run, one)
    content = io.BytesIO()
    np.savez_compressed(content, **_arrays(kept))
    data = content.getvalue()
    with sealed(path, (hashlib.sha256(data).hexdigest(),)), whole_file(path, "the ranks") as file:
        file.write_bytes(data)
    return path


def read_ranks(path: Path) -> KeptRanks | None:
    """Reads kept ranks; None where there are none.

    Raises:
        UserError: the file is damaged, another run's, or of another version.
    """
    if not path.is_file():
        return None
    check_seal(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            return _kept({name: file[name] for name in file.files})
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        what = "of another version" if str(error) == "version" else "damaged"
        raise UserError(f"{path}: {what}", "evaluate the run again: reid-srdl eval RUN") from None


def _arrays(kept: KeptRanks) -> dict[str, Any]:
    """Returns everything as arrays; whole numbers as small as they fit."""
    found: dict[str, Any] = {"format": np.array(_FORMAT)}
    for field in dataclasses.fields(kept):
        value = getattr(kept, field.name)
        if dataclasses.is_dataclass(value):
            for inner in dataclasses.fields(value):
                found[f"{field.name}.{inner.name}"] = _small(getattr(value, inner.name))
        elif value is not None:
            found[field.name] = _small(np.asarray(value))
    return found


def _small(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype != np.int64 or not len(values):
        return values
    return values.astype(np.promote_types(*map(np.min_scalar_type, (values.min(), values.max()))))


def _kept(arrays: dict[str, NDArray[Any]]) -> KeptRanks:
    if int(arrays.pop("format")) != _FORMAT:
        raise ValueError("version")
    parts: dict[str, Any] = {"queries": {}, "images": {}, "cameras": {}}
    for name, values in arrays.items():
        wide = values.astype(np.int64) if values.dtype.kind in "iu" and name != "kinds" else values
        part, _, inner = name.partition(".")
        if inner:
            parts[part][inner] = wide
        else:
            parts[name] = str(wide) if name == "measure" else wide
    cameras = CameraFigures(**parts["cameras"]) if parts["cameras"] else None
    own = {part: Images(**parts[part]) for part in ("queries", "images")}
    return KeptRanks(**{**parts, **own, "cameras": cameras})
