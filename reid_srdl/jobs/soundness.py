"""Every file of a run against its checksum, and the repair of those that others can make again."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reid_srdl.config import fingerprint
from reid_srdl.errors import UserError
from reid_srdl.files import file_digest, write_text
from reid_srdl.methods import KNOWN
from reid_srdl.models.origin import Origin
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.phase_store import LISTING, PhaseStore
from reid_srdl.records.run import RunRecord
from reid_srdl.records.store import read_any_record
from reid_srdl.seals import LOCK, SEALS, is_dispensable, name_of, read_seals, sealed, way_out
from reid_srdl.training.keys import key_of

FIT_FILE = re.compile(r"(?P<stem>.+-[0-9a-f]{16})\.[0-9]{10}\.safetensors")
_OF_THEIR_OWN = "phases/"  # checksums of their own
_Phases = dict[str, tuple[dict[str, Any], dict[str, Any]]]  # tensors and facts, by file
_UNSEALED = {SEALS, LOCK, ".lock"}


@dataclass(frozen=True)
class Problem:
    """What is wrong with a file of a run.

    Attributes:
        what: the file, and what is wrong with it.
        hint: what to do.
        repaired: it was made again, and is what the run wrote.
    """

    what: str
    hint: str
    repaired: bool = False


def problems_of(path: Path, *, repair: bool) -> Iterator[Problem]:
    """Yields what is wrong with each file of a run's folder, and repairs it if asked for."""
    try:
        seals = read_seals(path)
    except UserError as error:
        yield Problem(error.what, error.hint)
        return
    if not seals:
        yield Problem(f"{path / SEALS}: not there: nothing vouches for the run's files", _NO_SEALS)
    whole, wrong = _phases(path / "phases")
    yield from wrong
    told = []
    for name in sorted(seals):
        file = path / name
        gone = not file.is_file()
        if (gone and is_dispensable(name)) or (not gone and file_digest(file) in seals[name]):
            continue
        done = repair and _repaired(file, seals[name], path, whole)
        what = f"{file}: " + ("gone" if gone else "damaged, or of another run")
        yield Problem(what, way_out(file), done)
        told.append(f"{file}: ")
    yield from _strangers(path, seals)
    yield from (one for one in _record(path) if not one.what.startswith(tuple(told)))


_NO_SEALS = "it was deleted, or the run is from before there were checksums"


def problems_of_store(folder: Path) -> Iterator[Problem]:
    """Yields what is wrong with each phase of a store that runs share."""
    for entry in sorted(folder.glob("[!.]*/")):
        hint = f"delete {entry}: runs keep what they have of it, and others train it again"
        told = PhaseStore(folder).listing(entry.name) or {}
        key = told.get("key")
        if key_of(phase=key, circumstances=told.get("circumstances")) != entry.name:
            yield Problem(f"{entry / LISTING}: damaged, or of another phase", hint)
            continue
        found, wrong = _phases(entry)
        yield from (Problem(one.what, hint) for one in wrong)
        if not wrong and (not found or any(facts.get("key") != key for _, facts in found.values())):
            yield Problem(f"{entry}: does not hold the phase that its list names", hint)


def _phases(folder: Path) -> tuple[_Phases, list[Problem]]:
    """Returns files of phases that are whole, by name, and what is wrong with the others."""
    phases = {file.name: _phase(file) for file in sorted(folder.glob("*.safetensors"))}
    whole = {name: found for name, found in phases.items() if not isinstance(found, Problem)}
    wrong = [found for found in phases.values() if isinstance(found, Problem)]
    return whole, [*wrong, *_knowledge(folder, whole)]


def _phase(file: Path) -> Problem | tuple[dict[str, Any], dict[str, Any]]:
    """Returns tensors and facts of a phase's file, or what is wrong with it."""
    from reid_srdl.models.tensor_files import read_tensors

    try:
        tensors, facts = read_tensors(file, hint=way_out(file))
    except UserError as error:
        return Problem(error.what, error.hint)
    stem = FIT_FILE.fullmatch(file.name)
    key = str(facts.get("key", ""))
    if stem is not None and not stem["stem"].endswith(f"-{key[:16]}"):
        return Problem(f"{file}: belongs to another phase", way_out(file))
    return tensors, facts


def _knowledge(folder: Path, phases: _Phases) -> Iterator[Problem]:
    """Yields tables whose blocks are not those that the phase's last file tells."""
    from reid_srdl.training.logit_table import LogitTable

    for file in sorted(folder.glob("*.npy")):
        told = [name for name in phases if name.startswith(f"{file.stem}.")]
        damaged = Problem(f"{file}: damaged, or not what its phase wrote", way_out(file))
        if not told:
            yield Problem(f"{file}: no phase vouches for it", way_out(file))
            continue
        try:
            table = LogitTable(file)
        except UserError:
            yield damaged
            continue
        first = 0
        for rows, digest in phases[max(told)][1].get("blocks", []):
            found = hashlib.blake2b(table.bytes_of(first, rows), digest_size=16).hexdigest()
            if found != digest:
                yield damaged
                break
            first += rows
        else:
            if first == len(table) and not table.fills_its_file():
                yield damaged


def _strangers(path: Path, seals: dict[str, tuple[str, ...]]) -> Iterator[Problem]:
    """Yields files in a finished run's folder that nothing vouches for."""
    if not seals or not (path / "record.json").exists():
        return
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path).as_posix()
        vouched = name in seals or name in _UNSEALED or name.startswith(_OF_THEIR_OWN)
        if file.is_file() and not vouched:
            yield Problem(f"{file}: has no checksum", "look whether it is the run's")


def _record(path: Path) -> Iterator[Problem]:
    """Yields a record that is not of the run's configuration."""
    folder = RunFolder(path)
    if not folder.record.exists() or not folder.config.exists():
        return
    try:
        config, record = folder.read_config(KNOWN), read_any_record(path)
    except UserError as error:
        yield Problem(error.what, error.hint)
        return
    theirs = record.config.get("train")
    seed = theirs.get("seed") if isinstance(theirs, dict) else None
    if isinstance(record, RunRecord) and (record.seed, seed) != (config.train.seed,) * 2:
        told = f"seed {record.seed} and not {config.train.seed} ({fingerprint(config)[:6]})"
        yield Problem(f"{folder.record}: of another run: {told}", way_out(folder.record))


def _repaired(
    file: Path,
    digests: tuple[str, ...],
    path: Path,
    phases: _Phases,
) -> bool:
    """Makes a file again from the phases; only what has its old checksum is kept."""
    name = name_of(file)
    if name == "metrics.jsonl":
        return _repair_metrics(file, digests, path, phases)
    if name.startswith("weights/"):
        return any(_repair_weights(file, digests, path / "phases" / one) for one in phases)
    return False


def _repair_weights(file: Path, digests: tuple[str, ...], phase: Path) -> bool:
    from reid_srdl.models.tensor_files import read_tensors
    from reid_srdl.models.weights import save_network
    from reid_srdl.training.checkpoint import network_in, weights_in

    tensors, facts = read_tensors(phase)
    origin = _origin(file)
    members = facts.get("specs") or {}
    for member, kind in ((name, kind) for name in members for kind in weights_in(tensors, name)):
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "made.safetensors"
            network = network_in(phase, facts["key"], member, kind)
            save_network(made, network, origin)
            if file_digest(made) in digests:
                with sealed(file):
                    save_network(file, network, origin)
                return True
    return False


def _origin(file: Path) -> Origin | None:
    """Returns what the run's weights file of this name said of where it comes from."""
    folder = RunFolder(file.parent.parent)
    try:
        known, config = folder.read_trained_on(), folder.read_config(KNOWN)
    except UserError:  # named already
        return None
    if known is None or config.run.name is None:
        return None
    return Origin(
        run=config.run.name,
        network=file.stem,
        experiment=known.experiment,
        seed=config.train.seed,
        classes=known.classes,
        among=known.classes,
    )


def _repair_metrics(
    file: Path,
    digests: tuple[str, ...],
    path: Path,
    phases: _Phases,
) -> bool:
    from reid_srdl.training.monitor import EpochRow

    try:
        record = read_any_record(path)
    except UserError:
        return False
    rows: list[str] = []
    for phase in record.phases:
        stem = f"{phase.name}-{phase.key[:16]}."
        last = max((name for name in phases if name.startswith(stem)), default=None)
        for row in phases[last][1].get("rows", []) if last else []:
            rows.append(EpochRow.model_validate(row).model_dump_json())
    text = "".join(f"{row}\n" for row in rows)
    if hashlib.sha256(text.encode()).hexdigest() not in digests:
        return False
    with sealed(file):
        write_text(file, text, "the metrics")
    return True
