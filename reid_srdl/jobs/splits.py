"""Evaluates one network on every split of another data set: VIPeR's ten, CUHK03's twenty."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from reid_srdl.data import find_entry
from reid_srdl.errors import FileError, UserError, fail
from reid_srdl.jobs.evaluate import evaluate_run
from reid_srdl.jobs.extract import own_set
from reid_srdl.jobs.later import kept_file
from reid_srdl.methods import KNOWN
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.later import LaterEvaluations, read_later, write_later
from reid_srdl.retrieval.result import Evaluation, Spread
from reid_srdl.tasks.task import Noted, Steps


class SplitScores(BaseModel):
    """Single-query scores over the splits of a data set, as fractions.

    Attributes:
        dataset: its name.
        mean: means over the splits.
        spread: standard deviations over the splits.
        splits: the evaluation of each, in order.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    mean: Spread
    spread: Spread
    splits: tuple[Evaluation, ...]


def evaluate_splits(
    run: Path,
    *,
    dataset: str | None = None,
    data_dir: Path | None = None,
    changes: dict[str, Any] | None = None,
    device: str = "auto",
    steps: Steps | None = None,
    noted: Noted | None = None,
    refused: Callable[[FileError], None] = fail,
) -> tuple[SplitScores, Path]:
    """Evaluates a run's network on every split of another data set.

    Args:
        run, dataset, data_dir, changes, device, steps, noted, refused: as in
            `jobs.evaluate.evaluate_run`; what is refused once is not tried again.

    Returns:
        The scores, and the file under ``RUN/evaluations`` that records them.

    Raises:
        UserError: the data set is the run's own, or has one split; or as `evaluate_run`.
    """
    name = own_set(RunFolder(run).read_config(KNOWN).data, dataset)
    count = find_entry(name).splits
    if count == 1:
        raise UserError(f"--split all: {name} has one split", "leave --split out", usage=True)
    found: list[LaterEvaluations] = []
    results: list[Evaluation] = []
    lost: list[FileError] = []
    for split in range(count):
        _, result, kept = evaluate_run(
            run,
            dataset=name,
            data_dir=data_dir,
            split=split,
            changes=changes,
            device=device,
            steps=steps,
            noted=None if results else noted,
            refused=lost.append,
        )
        results.append(result.evaluation)
        if not lost:
            found.append(read_later(kept))
    scores = averaged(name, results)
    if lost:
        refused(lost[0])
        return scores, kept
    every = tuple(one.evaluations[0] for one in found)
    told = {"evaluations": every, "mean": scores.mean, "spread": scores.spread}
    kept = kept_file(run, every)
    try:
        write_later(kept, found[-1].model_copy(update=told))
    except FileError as error:
        refused(error)
    return scores, kept


def averaged(dataset: str, evaluations: list[Evaluation]) -> SplitScores:
    """Averages the single-query scores of S splits."""
    values = {
        key: [float(getattr(one.single_query, key)) for one in evaluations]
        for key in Spread.model_fields
    }
    return SplitScores(
        dataset=dataset,
        mean=Spread(**{key: math.fsum(own) / len(own) for key, own in values.items()}),
        spread=Spread(**{key: statistics.stdev(own) for key, own in values.items()}),
        splits=tuple(evaluations),
    )
