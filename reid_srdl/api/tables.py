"""The leaderboard from Python."""

from __future__ import annotations

from reid_srdl.places import StrPath, as_path
from reid_srdl.records import leaderboard as records
from reid_srdl.records.board import Leaderboard
from reid_srdl.records.store import of_dataset, read_records


def leaderboard(runs: StrPath = "runs", dataset: str | None = None) -> Leaderboard:
    """Returns the leaderboard of finished runs: a row per setting, and gains over vanilla.

    Args:
        runs: one run's folder, or a folder that holds runs at any depth.
        dataset: only this data set; None: all.

    Raises:
        UserError: no finished run there, or none of that data set.

    >>> board = leaderboard("runs", dataset="folder")  # doctest: +SKIP
    >>> {(row.network, row.method, row.seeds) for row in board.rows}  # doctest: +SKIP
    {('resnet18', 'vanilla', (0,))}
    """
    found, _ = read_records(runs, queries=False)
    return records.leaderboard(
        found if dataset is None else of_dataset(found, dataset, as_path(runs))
    )
