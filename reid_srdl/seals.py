"""Checksums of the files of a run's folder, in ``checksums.json`` beside them.

Checkpoints, weights and knowledge have checksums inside, too; these here also tell a whole file of
another run. A file is written together with its seal so that a kill at any moment leaves a file
that its seal allows: while it is replaced, the seal allows the old content and the new.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import filelock

from reid_srdl.errors import UserError
from reid_srdl.files import file_digest, write_text
from reid_srdl.places import check_no_pipe, writing
from reid_srdl.texts import json_text

SEALS = "checksums.json"
LOCK = ".checksums.lock"
_BELOW = ("weights", "evaluations", "analyses", "phases", "ranks", "search", "tensorboard")

# What stands in the run's folder itself, which may be called as one of those.
_AT_TOP = ("config.yaml", "data.json", "split.csv", "metrics.jsonl", "record.json", SEALS)


def run_folder_of(path: Path) -> Path:
    """Returns the run's folder that a file of it belongs to.

    >>> run_folder_of(Path("runs/weights/weights/srdl.safetensors")).as_posix()
    'runs/weights'
    >>> run_folder_of(Path("runs/weights/record.json")).as_posix()
    'runs/weights'
    """
    below = path.parent.name in _BELOW and path.name not in _AT_TOP
    return path.parent.parent if below else path.parent


def name_of(path: Path) -> str:
    """Returns how the seals name a file: its path within the run's folder."""
    return path.relative_to(run_folder_of(path)).as_posix()


def write_sealed(path: Path, text: str, what: str = "this file") -> None:
    """Writes a text whole or not at all, with its seal.

    Raises:
        FileError: the operating system refuses.
    """
    content = text.encode("utf-8", "backslashreplace")
    with sealed(path, (hashlib.sha256(content).hexdigest(),)):
        write_text(path, text, what)


@contextlib.contextmanager
def sealed(path: Path, allowed: Sequence[str] | None = None) -> Iterator[None]:
    """Seals what the body writes to ``path``.

    Args:
        path: a file of a run's folder.
        allowed: the digest of what will be written; None where it is not known before: until the
            body ends, the file has no seal.
    """
    if allowed is None:
        _change(path, ())
    else:
        _change(path, (*read_seals(run_folder_of(path)).get(name_of(path), ()), *allowed))
    yield
    _change(path, (file_digest(path),))


def unseal(path: Path) -> None:
    """Forgets a file's seal, since the file will grow."""
    if is_sealed(path):
        _change(path, ())


def check_seal(path: Path) -> None:
    """Refuses a file that is not what its run wrote; one that has no seal passes.

    Raises:
        UserError: it is damaged, or another run's, or the seals themselves are damaged.
    """
    folder = run_folder_of(path)
    allowed = read_seals(folder).get(name_of(path))
    if allowed is not None and path.is_file() and file_digest(path) not in allowed:
        raise UserError(
            f"{path}: damaged, or of another run: its content does not have its checksum",
            way_out(path),
        )


def is_sealed(path: Path) -> bool:
    """Says whether a file has a seal, so that `check_seal` tells its content from any other.

    Raises:
        UserError: the seals are damaged.
    """
    return name_of(path) in read_seals(run_folder_of(path))


def way_out(path: Path) -> str:
    """Says what to do about a damaged file of a run."""
    folder, name = run_folder_of(path), name_of(path)
    if name == "record.json":
        return f"delete it, then: reid-srdl train --resume {folder} (phases are read back)"
    if name.startswith("weights/") or name == "metrics.jsonl":
        return f"reid-srdl runs check {folder} --repair"
    if name.startswith("phases/"):
        return f"delete it, then: reid-srdl train --resume {folder} (the phase is done again)"
    if name.startswith(("evaluations/", "analyses/", "ranks/")):
        return "delete it, and evaluate or analyse the run again"
    if is_dispensable(name):
        return "delete it: nothing else depends on it, and a search makes its own again"
    return "restore it from a copy, or train again under another --name"


def is_dispensable(name: str) -> bool:
    """Says whether a file of a run may go: a search makes its own again, events are for the eye."""
    return name.startswith(("search/", "tensorboard/"))


def read_seals(folder: Path) -> dict[str, tuple[str, ...]]:
    """Returns the digests that each file of a run's folder may have; empty where none are kept.

    Raises:
        UserError: the seals are damaged.
    """
    path = folder / SEALS
    check_no_pipe(path)
    try:
        text = path.read_text(encoding="utf-8")
        tree = json.loads(text)
        files = {str(name): tuple(map(str, digests)) for name, digests in tree["files"].items()}
        sound = text == _text(files)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        sound, files = False, {}
    if not sound:
        raise UserError(
            f"{path}: damaged, so that nothing vouches for the run's files",
            f"restore it, or delete it, then: reid-srdl runs check {folder}",
        )
    return files


def _change(path: Path, digests: Sequence[str]) -> None:
    """Replaces a file's seal; none given: it goes."""
    folder = run_folder_of(path)
    with writing(folder / SEALS, "the checksums"):
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / LOCK)
        lock.acquire()
    try:
        files = read_seals(folder)
        before = dict(files)
        files.pop(name_of(path), None)
        if digests:
            files[name_of(path)] = tuple(dict.fromkeys(digests))
        if files != before:
            write_text(folder / SEALS, _text(files), "the checksums")
    finally:
        lock.release()


def _text(files: dict[str, tuple[str, ...]]) -> str:
    """Returns what the file of seals holds: a checksum of itself, too."""
    plain = {name: list(files[name]) for name in sorted(files)}
    digest = hashlib.blake2b(json.dumps(plain).encode(), digest_size=16).hexdigest()
    return json_text({"files": plain, "digest": digest}) + "\n"
