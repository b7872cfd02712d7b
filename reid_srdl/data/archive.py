"""Zips and tars of data sets, extracted into the cache: all or nothing, nothing outside."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from filelock import FileLock

from reid_srdl.data.reid.names import first_ten
from reid_srdl.errors import UserError

_ENCRYPTED = 0x1  # bit of an entry's flags
_PLAIN = (0, stat.S_IFREG, stat.S_IFDIR)  # 0: written where files have no modes
_TARS = (".tar", ".tar.gz", ".tgz")
_DAMAGES = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
)


def is_archive(path: Path) -> bool:
    """Tells by its name whether a file is an archive that can be extracted."""
    return path.name.lower().endswith((".zip", *_TARS))


def md5_of(path: Path, progress: Callable[[int, int], None] | None = None) -> str:
    """Returns a file's MD5 sum, as data sets are published with.

    Args:
        path: the file, of any size.
        progress: called with (MiB read, MiB in all).
    """
    content = hashlib.md5(usedforsecurity=False)
    whole = -(-path.stat().st_size // 2**20)
    with path.open("rb") as file:
        done = 0
        while piece := file.read(16 * 2**20):
            content.update(piece)
            done += 16
            if progress is not None:
                progress(min(done, whole), whole)
    return content.hexdigest()


def extracted(archive: Path, cache_dir: Path) -> Path:
    """Returns the folder with an archive's content, extracting it at the first call.

    The archive's own folder is never written to. One whose size or time has changed is extracted
    anew; a second process waits for the first; one that is killed leaves nothing that counts.

    Args:
        archive: the zip or tar.
        cache_dir: where caches go; the content lands in its folder ``archives``.

    Raises:
        UserError: the archive is damaged or encrypted, an entry points outside or is a link, a
            special file or a duplicate, or the content does not fit on the disk.
    """
    status = archive.stat()
    identity = f"{archive.name}/{status.st_size}/{status.st_mtime_ns}"
    key = hashlib.blake2b(identity.encode(), digest_size=8).hexdigest()
    folder = cache_dir / "archives" / f"{archive.stem}-{key}"
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f"{archive.stem}.lock"):
            if not folder.is_dir():  # else another process extracted it while this one waited
                _remove_leftovers(folder.parent, archive.stem)
                _extract(archive, folder)
    except OSError as error:
        raise UserError(
            f"{folder.parent}: can't extract {archive.name} ({error.strerror or error})",
            "make room, or set REID_SRDL_CACHE to another folder",
        ) from None
    return folder


def _remove_leftovers(parent: Path, stem: str) -> None:
    """Removes what killed processes left; the caller holds the lock of all that extract here."""
    for leftover in parent.glob(f".{stem}-*.tmp"):
        shutil.rmtree(leftover, ignore_errors=True)


def _extract(archive: Path, folder: Path) -> None:
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    temporary.mkdir()
    kind = "tar" if archive.name.lower().endswith(_TARS) else "zip"
    try:
        if kind == "tar":
            _extract_tar(archive, temporary)
        else:
            _extract_zip(archive, temporary)
        temporary.rename(folder)
    except _DAMAGES as error:
        reason = str(error).replace("\n", " ") or "it ends too early"
        raise UserError(
            f"{archive}: the {kind} is damaged ({reason})", f"fetch the {kind} again"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _extract_zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as content:
        entries = content.infolist()
        _check(archive, folder, [_Entry.of_zip(entry) for entry in entries])
        for entry in entries:
            content.extract(entry, folder)


def _extract_tar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as content:
        entries = content.getmembers()
        _check(archive, folder, [_Entry.of_tar(entry) for entry in entries])
        content.extractall(folder, entries, filter="data")


@dataclass(frozen=True)
class _Entry:
    """What is checked of one file or folder of an archive."""

    name: str
    size: int
    is_plain: bool
    is_encrypted: bool = False

    @classmethod
    def of_zip(cls, entry: zipfile.ZipInfo) -> _Entry:
        # The name as stored: ZipFile cuts ``filename`` at a null byte.
        is_plain = stat.S_IFMT(entry.external_attr >> 16) in _PLAIN
        encrypted = bool(entry.flag_bits & _ENCRYPTED)
        return cls(entry.orig_filename, entry.file_size, is_plain, encrypted)

    @classmethod
    def of_tar(cls, entry: tarfile.TarInfo) -> _Entry:
        return cls(entry.name, entry.size, entry.isreg() or entry.isdir())

    @property
    def fault(self) -> str:
        """What makes the entry unsafe; empty where nothing does."""
        parts = self.name.removesuffix("/").split("/")
        if self.name.startswith("/") or any(odd in self.name for odd in ("\\", ":", "\0")):
            return "absolute path, drive or odd character"
        if any(part in ("", ".", "..") for part in parts):
            return "path that leaves its folder"
        if not self.is_plain:
            return "link or special file"
        return "encrypted" if self.is_encrypted else ""


def _check(archive: Path, folder: Path, entries: list[_Entry]) -> None:
    """Refuses the whole archive for one bad entry, before anything is written."""
    bad = [f"{entry.name!r} ({entry.fault})" for entry in entries if entry.fault]
    seen: set[PurePosixPath] = set()
    for entry in entries:
        path = PurePosixPath(entry.name)
        if path in seen:
            bad.append(f"{entry.name!r} (twice)")
        seen.add(path)
    if bad:
        raise UserError(
            f"{archive}: refused for unsafe entries: {first_ten(bad)}",
            "fetch the official archive, or extract this one yourself and give --data-dir its "
            "folder",
        )
    needed, free = sum(entry.size for entry in entries), shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"{archive}: its content takes {needed / 2**20:,.0f} MiB, "
            f"the cache has {free / 2**20:,.0f} MiB",
            "make room, or set REID_SRDL_CACHE to another folder",
        )
