"""Zips of data sets, extracted into the cache: all of a zip or nothing, nothing outside."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from filelock import FileLock

from reid_srdl.data.reid.names import first_ten
from reid_srdl.errors import UserError

_ENCRYPTED = 0x1  # bit of an entry's flags
_PLAIN = (0, stat.S_IFREG, stat.S_IFDIR)  # 0: written where files have no modes


def extracted(archive: Path, cache_dir: Path) -> Path:
    """Returns the folder with a zip's content, extracting it at the first call.

    The zip's own folder is never written to. A zip whose size or time has changed is extracted
    anew; a second process waits for the first; one that is killed leaves nothing that counts.

    Args:
        archive: the zip.
        cache_dir: where caches go; the content lands in its folder ``archives``.

    Raises:
        UserError: the zip is damaged or encrypted, an entry points outside or is a link, a special
            file or a duplicate, or the content does not fit on the disk.
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
    try:
        with zipfile.ZipFile(archive) as content:
            entries = content.infolist()
            _check(archive, entries, shutil.disk_usage(temporary).free)
            for entry in entries:
                content.extract(entry, temporary)
        temporary.rename(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        reason = str(error).replace("\n", " ") or "it ends too early"
        raise UserError(
            f"{archive}: the zip is damaged ({reason})", "fetch the zip again"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check(archive: Path, entries: list[zipfile.ZipInfo], free: int) -> None:
    """Refuses the whole zip for one bad entry, before anything is written."""
    bad = [f"{entry.filename!r} ({reason})" for entry in entries if (reason := _fault(entry))]
    seen: set[PurePosixPath] = set()
    for entry in entries:
        path = PurePosixPath(entry.filename)
        if path in seen:
            bad.append(f"{entry.filename!r} (twice)")
        seen.add(path)
    if bad:
        raise UserError(
            f"{archive}: refused for unsafe entries: {first_ten(bad)}",
            "fetch the official zip, or extract this one yourself and give --data-dir its folder",
        )
    needed = sum(entry.file_size for entry in entries)
    if needed > free:
        raise UserError(
            f"{archive}: its content takes {needed / 2**20:,.0f} MiB, "
            f"the cache has {free / 2**20:,.0f} MiB",
            "make room, or set REID_SRDL_CACHE to another folder",
        )


def _fault(entry: zipfile.ZipInfo) -> str:
    """Says what makes an entry unsafe; empty where nothing does."""
    # The name as stored: ZipFile cuts ``filename`` at a null byte.
    name = entry.orig_filename
    parts = name.removesuffix("/").split("/")
    if name.startswith("/") or "\\" in name or ":" in name or "\0" in name:
        return "absolute path, drive or odd character"
    if any(part in ("", ".", "..") for part in parts):
        return "path that leaves its folder"
    if stat.S_IFMT(entry.external_attr >> 16) not in _PLAIN:
        return "link or special file"
    if entry.flag_bits & _ENCRYPTED:
        return "encrypted"
    return ""
