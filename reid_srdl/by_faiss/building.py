"""Indexes by the strings that FAISS's factory reads: checked by name, built, timed.

FAISS ends the process at some strings, prints advice to standard error, and has messages of its own
for all others. Here all of them become errors of one line.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from reid_srdl.errors import UserError
from reid_srdl.retrieval.rows import Rows

_SAFE = 1 << 20  # images that an index is trained on at most
_DIMS = (2048, 1920, 1536, 1280)  # networks' features; multiples of most numbers of parts
_REDUCED = re.compile(r"(?:PCA[RW]*|OPQ\d+_)(\d+)")  # FAISS refuses too many as it trains
_LISTS = re.compile(r"IVF(\d+)")
_PROBED = re.compile(r"(?:^|,)nprobe=([\d.]+)")
_CODES = re.compile(r"(?<!O)PQ\d+(?:x(\d+))?")  # 2^8 for each part, or 2^x
_PARAMETERS = "write the parameters of --index as nprobe=8,efSearch=64"
_MOST_LINKS = 1024
_ADVICE = re.compile(r"please provide at least (\d+) training points")


@dataclass(frozen=True)
class BuiltIndex:
    """A gallery in an index.

    Attributes:
        name: what was asked for: FACTORY, or FACTORY;PARAMETER=VALUE,...
        index: FAISS's index.
        seconds: training and adding.
        bytes: size of the index written down.
        advice: how many training images FAISS advises, where the gallery has fewer; else 0.
    """

    name: str
    index: Any
    seconds: float
    bytes: int
    advice: int


def build_index(name: str, gallery: Rows, *, gpu: bool = False) -> BuiltIndex:
    """Builds an index of squared Euclidean distances over all gallery rows.

    Args:
        name: a FAISS factory string, and after ``;`` its run-time parameters as FAISS's
            ParameterSpace reads them: ``IVF256,Flat;nprobe=8``.
        gallery: N rows; the index is trained on them (2^20 of them, evenly spread, at most).
        gpu: let a GPU answer, where FAISS sees one and has the index.

    Raises:
        UserError: FAISS refuses the string or a parameter, or the gallery is too small to train it.
    """
    import faiss

    parameters = name.partition(";")[2]
    index = _made(name, gallery.dim)
    start = time.perf_counter()
    hint = f"choose an index that {len(gallery):,} images of {gallery.dim} dimensions can train"
    with _told_by_faiss(name, hint), _heard() as lines:
        if not index.is_trained:
            chosen = np.linspace(0, len(gallery) - 1, min(len(gallery), _SAFE), dtype=np.int64)
            index.train(gallery.take(chosen))
        for first, last in gallery.steps():
            index.add(np.ascontiguousarray(gallery.block(first, last)))
    seconds = time.perf_counter() - start
    if parameters:
        _set_parameters(name, index, parameters)
    size = int(faiss.serialize_index(index).nbytes)
    advice = max([int(found[1]) for line in lines if (found := _ADVICE.search(line))], default=0)
    return BuiltIndex(name, _moved(faiss, index) if gpu else index, seconds, size, advice)


def check_name(name: str, dim: int | None = None) -> None:
    """Checks an index's name without any features.

    Args:
        name: as for `build_index`.
        dim: of the features; None: it need only fit one of some common numbers.

    Raises:
        UserError: FAISS refuses the string or a parameter.
    """
    refused = None
    if dim is not None and any(int(most) > dim for most in _REDUCED.findall(name)):
        raise UserError(
            f"index {name!r}: features have {dim} dimensions, it would reduce them to more",
            f"choose an --index that fits {dim} dimensions, such as HNSW32",
        )
    for some in _DIMS if dim is None else (dim,):
        try:
            index = _made(name, some)
        except UserError as error:
            refused = refused or error
            continue
        if parameters := name.partition(";")[2]:
            _set_parameters(name, index, parameters)
        return
    assert refused is not None
    raise refused


def check_trainable(name: str, images: int) -> None:
    """Checks that a gallery has an image for each cluster that an index learns.

    Args:
        name: as for `build_index`.
        images: of the gallery, without junk.

    Raises:
        UserError: it has fewer, which FAISS refuses as it trains.
    """
    factory = name.partition(";")[0]
    clusters = [int(lists) for lists in _LISTS.findall(factory)]
    clusters += [2 ** min(int(bits or 8), 24) for bits in _CODES.findall(factory)]
    if max(clusters, default=0) > min(images, _SAFE):
        raise UserError(
            f"index {name!r}: it learns {max(clusters):,} clusters, the gallery has {images:,} "
            "images without junk",
            f"choose an --index of at most {min(images, _SAFE):,} clusters, such as HNSW32, "
            "which has none",
            usage=True,
        )


def _set_parameters(name: str, index: Any, parameters: str) -> None:
    import faiss

    with _told_by_faiss(name, _PARAMETERS):
        space: Any = faiss.ParameterSpace()
        space.set_index_parameters(index, parameters)
    lists = [int(count) for count in _LISTS.findall(name.partition(";")[0])]
    probed = [int(float(count)) for count in _PROBED.findall(parameters)]
    if lists and max(probed, default=0) > lists[0]:
        raise UserError(
            f"index {name!r}: nprobe={max(probed)} is more than its {lists[0]} lists",
            f"nprobe={lists[0]} looks into all of them",
            usage=True,
        )


def _made(name: str, dim: int) -> Any:
    import faiss

    factory = name.partition(";")[0]
    _check_bounds(name)
    with _told_by_faiss(name, f"choose an --index that fits {dim} dimensions, such as HNSW32"):
        return faiss.index_factory(dim, factory, faiss.METRIC_L2)


def _check_bounds(name: str) -> None:
    """Refuses what FAISS takes and then ends the process by, or answers nothing to.

    Raises:
        UserError: a graph of fewer than 2 or very many links, or a parameter that is not above 0.
    """
    factory, _, parameters = name.partition(";")
    for kind, links in re.findall(r"(HNSW|NSG)(\d+)", factory):
        if not 2 <= int(links) <= _MOST_LINKS:
            what = "fewer than 2" if int(links) < 2 else f"more than {_MOST_LINKS}"
            raise UserError(
                f"index {factory!r}: {kind}{links} has {what} links per image",
                f"write --index {kind}32, for example",
                usage=True,
            )
    for value in re.findall(r"=([^,]*)", parameters):
        if not re.fullmatch(r"0*[1-9]\d{0,8}|\d{1,9}\.\d*[1-9]\d*", value):
            raise UserError(
                f"index {name!r}: a parameter is {value!r}, not a number above 0",
                _PARAMETERS,
                usage=True,
            )


@contextmanager
def _told_by_faiss(name: str, hint: str) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, AssertionError, OverflowError) as error:
        text = str(error).strip() or type(error).__name__
        reason = re.sub(r"^.* at \S+?:\d+: ", "", " ".join(text.split()))
        reason = re.sub(r"^Error: '.*?' failed: ", "", reason)
        raise UserError(f"index {name!r}: FAISS refuses it: {reason}", hint, usage=True) from None


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Catches what FAISS's C++ code prints to standard error: a line per cluster it trains."""
    lines: list[str] = []
    with tempfile.TemporaryFile() as file:
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            lines += file.read().decode(errors="replace").splitlines()


def _moved(faiss: Any, index: Any) -> Any:
    """Returns a copy on a GPU; the index itself where FAISS sees none or cannot move it."""
    if not getattr(faiss, "get_num_gpus", int)():
        return index
    try:
        resources = faiss.StandardGpuResources()
        clone = faiss.index_cpu_to_gpu(resources, 0, index)
    except RuntimeError:
        return index
    clone.resources = resources  # must live as long as the index
    return clone
