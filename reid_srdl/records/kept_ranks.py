"""What an evaluation keeps of its ranking, in one sealed file: ``RUN/ranks/NAME.npz``.

The first images of each query, the matches that stand farther down with their ranks, and figures
by query and gallery camera. Pictures and reports read it, so nothing is extracted or ranked again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.errors import UserError
from reid_srdl.files import whole_file
from reid_srdl.records.evaluated import Evaluated
from reid_srdl.records.later import evaluation_name
from reid_srdl.retrieval.kept import CameraFigures, Images, KeptRanks
from reid_srdl.seals import check_seal, sealed

_FORMAT = 1
_TEXTS = ("measure", "cameras_note")


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
            parts[name] = str(wide) if name in _TEXTS else wide
    cameras = CameraFigures(**parts["cameras"]) if parts["cameras"] else None
    own = {part: Images(**parts[part]) for part in ("queries", "images")}
    return KeptRanks(**{**parts, **own, "cameras": cameras})
