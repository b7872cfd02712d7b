"""Keeps the top of each ranking beside the record that its scores stand in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from reid_srdl.records.evaluated import Evaluated
from reid_srdl.records.kept_ranks import write_ranks
from reid_srdl.retrieval.kept import KeptRanks
from reid_srdl.tasks.task import Judged


def keep_ranks(
    run: Path, evaluated: Sequence[Evaluated], judged: Mapping[str, Judged | None]
) -> None:
    """Writes what each evaluation of a run keeps.

    Args:
        run: the run's folder.
        evaluated: as its record holds them.
        judged: what networks came to, by name; on a joint set on each of its sets in turn.

    Raises:
        FileError: the operating system refuses.
    """
    for name, done in judged.items():
        own = [one for one in evaluated if one.network == name]
        for one, kept in zip(own, _kept(done), strict=False):
            if kept is not None:
                write_ranks(run, one, kept)


def _kept(done: Judged | None) -> Iterator[KeptRanks | None]:
    if done is not None:
        yield from (one.kept for one in (done, *done.further))
