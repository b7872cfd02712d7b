"""Which persons and images a finished run is judged on, where its data set is one of people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reid_srdl.config import DataConfig, sets_of
from reid_srdl.data import Patterns, load_dataset
from reid_srdl.data.people.kept_split import split_text
from reid_srdl.data.reid.crops import ReidData
from reid_srdl.records.folder import RunFolder

if TYPE_CHECKING:
    from reid_srdl.tasks.data import TaskData  # which waits for torch


def drawn_split(found: TaskData) -> str | None:
    """Returns the drawn split of a data set, or of one that it joins, as a run keeps it."""
    for part in (found, *found.parts):
        if isinstance(part.data, ReidData) and part.data.drawn is not None:
            return split_text(part.data.drawn)
    return None


def data_to_test(
    run: RunFolder,
    trained: DataConfig,
    dataset: str,
    data_dir: Path | None,
    split: int,
    patterns: Patterns | None = None,
) -> ReidData:
    """Lists the data that a run is judged on; the run's own people in the split that it keeps.

    Args:
        run: the run's folder.
        trained: the data that it was trained on.
        dataset: its own set, a part of it, or another one.
        data_dir: where that is; None: where the run's own was, or where data sets are looked for.
        split: which division, where the set has several.
        patterns: what paths tell; None: the run's own.

    Raises:
        UserError: as `data.load_dataset`.
    """
    own = dict(sets_of(trained))
    kept = run.split if dataset in own and run.split.exists() else None
    patterns = patterns or Patterns(trained.camera, trained.person)
    return load_dataset(dataset, data_dir or own.get(dataset), split, patterns, kept)
