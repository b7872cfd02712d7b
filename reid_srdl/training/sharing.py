"""Phases that runs share: one trains a phase, the others take its files and read them back.

A phase's own key covers its settings and its parents; it is made for one run, in which the rest
stays as it is. What a store's key needs besides are the `circumstances`: all else that the bits of
a phase depend on. A run may go on in others, by another version or on another machine; what it did
before, and all that builds on it, is then no other run's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reid_srdl.errors import FileError, UserError
from reid_srdl.models.tensor_files import read_tensors
from reid_srdl.records.phase_store import PhaseStore, link
from reid_srdl.training.extraction import check_blocks
from reid_srdl.training.keys import key_of
from reid_srdl.training.phases import Phase

_STRANGE = (
    "phase {!r}: was done by another version, on another machine or with other threads; from here "
    "on this run shares no phase"
)


@dataclass(frozen=True)
class Sharing:
    """How a run shares its phases with others.

    Attributes:
        store: where they are kept.
        run: the run's name, as others are told it.
        circumstances: what the bits of a phase depend on beside its key.
        noted: told of a phase that is taken over, or waited for.
        warned: told of a stored phase that is damaged.
        taken: of each phase that was taken over, by its name, the run that trained it.
        strange: phases that were done in other circumstances, by name; from the first on, a run
            neither takes nor leaves any.
    """

    store: PhaseStore
    run: str
    circumstances: Mapping[str, Any]
    noted: Callable[[str], None]
    warned: Callable[[str], None]
    taken: dict[str, str] = field(default_factory=dict)
    strange: list[str] = field(default_factory=list)

    @property
    def here(self) -> str:
        """The hash of the circumstances."""
        return key_of(circumstances=self.circumstances)

    @contextlib.contextmanager
    def of(self, phase: Phase, folder: Path) -> Iterator[None]:
        """Puts a finished phase of the store into a run's folder, where its body reads it back.

        Where the store has none, the body does the phase, others wait for it, and the store gets
        it. A kill at any moment leaves the run's own checkpoints, and a store without half of one.

        Args:
            phase: which.
            folder: of the run's phases.
        """
        key = self.key(phase)
        if self.strange:
            yield
        elif _is_finished(phase, folder):
            yield  # it is read back
            if self._offered(phase, folder, key):
                origin = self.store.origin(key)  # of a phase that an earlier process took over
                if origin not in (None, self.run):
                    self.taken[phase.name] = str(origin)
        else:
            with self.store.held(key, self.run, lambda who: self.noted(_waiting(phase, who))):
                self._take(phase, folder, key)
                phase.made_in.add(self.here)
                yield
                self._offered(phase, folder, key)

    def key(self, phase: Phase) -> str:
        """Returns the store's key of a phase."""
        return key_of(phase=phase.key, circumstances=self.circumstances)

    def _take(self, phase: Phase, folder: Path, key: str) -> None:
        """Links a stored phase into the run's folder; a damaged one is named, and goes."""
        entry = self.store.entry(key)
        if not entry.exists():
            return
        try:
            if (origin := self.store.origin(key)) is None:
                raise UserError(f"{entry}: its list is gone or damaged", "")
            check_finished(phase, entry)
        except UserError as error:
            self.warned(f"{error.what}; the shared phase {phase.name!r} is done again")
            self.store.remove(key)
            return
        for file in files_of(phase, entry):
            link(file, folder / file.name)
        self.taken[phase.name] = origin
        self.noted(f"phase {phase.name!r}: taken over from {origin}, which did the same ({entry})")

    def _offered(self, phase: Phase, folder: Path, key: str) -> bool:
        """Puts a finished phase into the store, unless it was done in other circumstances.

        A full disk there is no reason to stop.
        """
        if phase.made_in != {self.here}:
            self.strange.append(phase.name)
            self.noted(_STRANGE.format(phase.name))
            return False
        told = {
            "run": self.run,
            "phase": phase.name,
            "key": phase.key,
            "circumstances": dict(self.circumstances),
        }
        try:
            self.store.put(key, files_of(phase, folder), told)
        except FileError as error:
            self.warned(f"{error.what}; no other run can take the phase {phase.name!r} over")
        return True


def files_of(phase: Phase, folder: Path) -> list[Path]:
    """Returns the files of a finished phase, in the order in which they make one: state last."""
    stem = phase.stem(folder)
    state = Path(f"{stem}.{phase.all_steps:010d}.safetensors")
    return [state] if phase.kind == "fit" else [Path(f"{stem}.npy"), state]


def check_finished(phase: Phase, folder: Path) -> None:
    """Checks that a phase is finished there, by the checksums of its files.

    Raises:
        UserError: it is not: a file is gone, damaged, or another phase's.
    """
    *_, state = files_of(phase, folder)
    _, facts = read_tensors(state)
    if facts.get("key") != phase.key or not facts.get("finished"):
        raise UserError(f"{state}: holds no finished phase {phase.name!r}", "delete it")
    if phase.kind == "extract":
        check_blocks(Path(f"{phase.stem(folder)}.npy"), facts["blocks"])


def _is_finished(phase: Phase, folder: Path) -> bool:
    try:
        check_finished(phase, folder)
    except UserError:
        return False
    return True


def _waiting(phase: Phase, who: str) -> str:
    return f"phase {phase.name!r}: {who} does the same now; waiting for it"
