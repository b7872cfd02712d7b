"""Zips and tars of data sets, extracted into the cache: all or nothing, nothing outside."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from reid_srdl.data.file_digests import file_digest
from reid_srdl.data.kept_folder import kept_folder
from reid_srdl.data.notes import first_ten
from reid_srdl.data.places import ELSEWHERE
from reid_srdl.errors import FileError, UserError
from reid_srdl.texts import sizes_told

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
    ValueError,
    LookupError,
    struct.error,
    lzma.LZMAError,
)


def is_archive(path: Path) -> bool:
    """Tells by its name whether a file is an archive that can be extracted."""
    return path.name.lower().endswith((".zip", *_TARS))


def is_tar(path: Path) -> bool:
    """Tells by its name whether an archive is a tar, and else a zip."""
    return path.name.lower().endswith(_TARS)


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
    """Returns the folder with an archive's content, extracting it where that is not whole.

    The archive's own folder is never written to. The content is kept by the archive's bytes: a copy
    of it is not extracted again, and another archive of its name is. A second process waits for the
    first; one that is killed leaves nothing that counts.

    Args:
        archive: the zip or tar.
        cache_dir: where caches go; the content lands in its folder ``archives``.

    Raises:
        UserError: the archive is damaged or encrypted, an entry points outside or is a link, a
            special file or a duplicate, or the content does not fit on the disk.
    """
    folder = cache_dir / "archives" / f"{archive.stem}-{file_digest(archive)[:16]}"
    try:
        return kept_folder(folder, lambda place: _extract(archive, place))
    except OSError as error:
        raise FileError(error, folder.parent, f"extract {archive.name}", ELSEWHERE) from None


def _extract(archive: Path, folder: Path) -> None:
    kind = "tar" if is_tar(archive) else "zip"
    try:
        if kind == "tar":
            _extract_tar(archive, folder)
        else:
            _extract_zip(archive, folder)
    except _DAMAGES as error:
        reason = str(error).replace("\n", " ") or "it ends too early"
        raise UserError(
            f"{archive}: the {kind} is damaged ({reason})", f"fetch the {kind} again"
        ) from None


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
        takes, has = sizes_told(needed, free)
        raise UserError(
            f"{archive}: its content takes {takes}, the cache has {has}",
            "make room, or set REID_SRDL_CACHE to another folder",
        )
