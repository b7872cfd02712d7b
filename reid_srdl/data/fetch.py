"""Fetches data sets that their authors let anyone fetch; says where to ask for the others.

Addresses and checksums are torchvision's. A file arrives under another name, is compared with its
official MD5 sum, and only then gets its own: nothing half-written bears it.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reid_srdl.data import DATASETS, find_entry
from reid_srdl.data.archive import md5_of
from reid_srdl.errors import UserError
from reid_srdl.files import whole_file
from reid_srdl.models.offline import VARIABLE, offline

_STALLED = 60  # seconds without a byte
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS)

# Sets that people ask for by names which no row of the table has.
_ASKED_FOR = {
    "cuhk03": DATASETS["cuhk03-labeled"].fetch,
    "duke": "nobody: its authors took DukeMTMC-reID back in 2019",
    "dukemtmc": "nobody: its authors took DukeMTMC-reID back in 2019",
    "dukemtmcreid": "nobody: its authors took DukeMTMC-reID back in 2019",
    "dukemtmc-reid": "nobody: its authors took DukeMTMC-reID back in 2019",
}


@dataclass(frozen=True)
class Source:
    """A file of a data set.

    Attributes:
        path: where it belongs below the data folder.
        urls: where it is published; the next one is asked where one fails.
        md5: its official MD5 sum.
    """

    path: str
    urls: tuple[str, ...]
    md5: str


def _cifar10() -> Iterator[Source]:
    from torchvision.datasets import CIFAR10

    yield Source(CIFAR10.filename, (CIFAR10.url,), CIFAR10.tgz_md5)


def _cifar100() -> Iterator[Source]:
    from torchvision.datasets import CIFAR100

    yield Source(CIFAR100.filename, (CIFAR100.url,), CIFAR100.tgz_md5)


def _mnist() -> Iterator[Source]:
    from torchvision.datasets import MNIST

    for file, md5 in MNIST.resources:
        yield Source(f"MNIST/raw/{file}", tuple(f"{site}{file}" for site in MNIST.mirrors), md5)


def _tiny_imagenet() -> Iterator[Source]:
    for file, md5 in DATASETS["tiny-imagenet"].md5.items():
        yield Source(file, (f"http://cs231n.stanford.edu/{file}",), md5)


SOURCES: Mapping[str, Callable[[], Iterator[Source]]] = {
    "cifar10": _cifar10,
    "cifar100": _cifar100,
    "mnist": _mnist,
    "tiny-imagenet": _tiny_imagenet,
}


def get_dataset(name: str, folder: Path) -> Iterator[tuple[Path, bool]]:
    """Fetches the files of a data set that are not there yet.

    Args:
        name: one of SOURCES.
        folder: the data folder; it is made.

    Yields:
        Each file, and whether it was fetched: else it was there already.

    Raises:
        UserError: the set is not for anyone to fetch, nothing may be fetched, no address answers,
            or what came, or stands there already, is not the official file.
    """
    if name not in SOURCES:
        raise _not_for_anyone(name)
    for source in SOURCES[name]():
        path = folder / source.path
        if path.exists():
            if md5_of(path) != source.md5:
                raise UserError(
                    f"{path}: there already, and not the official file (another MD5 sum)",
                    "move it away, or give another --data-dir",
                )
            yield path, False
            continue
        _fetch(source, path)
        yield path, True


def _not_for_anyone(name: str) -> UserError:
    where = _ASKED_FOR.get(name.lower().replace("_", "-")) or find_entry(name).fetch
    fetched = ", ".join(SOURCES)
    return UserError(
        f"{name}: can't be fetched; those that can: {fetched}", f"to have it: {where}", usage=True
    )


def _fetch(source: Source, path: Path) -> None:
    by_hand = f"fetch {source.urls[0]} and put it at {path}"
    if offline():
        raise UserError(f"{path}: not there, and nothing is fetched ({VARIABLE} is set)", by_hand)
    problem = "nobody publishes it"
    with whole_file(path, "the data set") as temporary:
        for url in source.urls:
            temporary.unlink(missing_ok=True)
            problem = _tried(url, source.md5, temporary)
            if not problem:
                return
        raise UserError(f"{path}: can't be fetched ({problem})", f"try again, or {by_hand}")


def _tried(url: str, md5: str, path: Path) -> str:
    """Fetches a file; returns what is wrong with what came, nothing where it is the official one.

    Raises:
        OSError: the disk is full or closed.
    """
    from torchvision.datasets.utils import download_url

    try:
        with _impatient(), contextlib.redirect_stdout(None):
            download_url(url, path.parent, path.name)
        found = md5_of(path)
    except (OSError, RuntimeError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
            raise
        return f"{url}: {type(error).__name__}: {error}".partition("\n")[0]
    if found == md5:
        return ""
    size = path.stat().st_size
    return f"{url}: {size:,} bytes came, cut or changed: MD5 sum {found}, the official one is {md5}"


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_STALLED)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
