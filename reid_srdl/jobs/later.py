"""Later evaluations of a finished run, kept in its folder."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reid_srdl.data import find_entry
from reid_srdl.errors import FileError, fail
from reid_srdl.evaluation import Scored
from reid_srdl.machine import versions
from reid_srdl.records.digests import labels_digest
from reid_srdl.records.evaluated import Evaluated, EvaluationData
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.kept_ranks import write_ranks
from reid_srdl.records.later import LaterEvaluations, evaluation_name, write_later
from reid_srdl.records.run import Device, Versions
from reid_srdl.retrieval.features import Features
from reid_srdl.retrieval.kept import KeptRanks
from reid_srdl.training.precision import Compute


@dataclass(frozen=True)
class Tested:
    """Which re-id data a network is evaluated on.

    Attributes:
        name: the data set's.
        folder: where it stands; None: where data sets are looked for.
        split: which division of it.
        distractors: a folder of images that join the gallery as nobody's.
    """

    name: str
    folder: Path | None
    split: int
    distractors: Path | None

    def facts(self, features: Features, result: Scored, content: str) -> EvaluationData:
        """Returns what a record says of the data; ``content`` is the digest of its test images."""
        several = find_entry(self.name).splits > 1
        return EvaluationData(
            name=self.name,
            split=self.split if several else None,
            query=len(features.query),
            gallery=len(features.gallery),
            boxes=None if features.boxes is None else len(features.boxes),
            distractors=result.evaluation.protocol.distractors,
            labels=labels_digest((features.query, features.gallery, features.boxes)),
            content=content,
            folder=absolute(self.folder),
            distractors_folder=absolute(self.distractors),
        )


def absolute(folder: Path | None) -> str | None:
    """Returns where a folder stands, for a record."""
    return None if folder is None else str(folder.resolve())


def kept_file(run: Path, evaluated: Sequence[Evaluated]) -> Path:
    """Returns the file in the run's folder that records some evaluations."""
    return RunFolder(run).evaluation(evaluation_name(evaluated))


def keep(
    run: Path,
    evaluated: Sequence[Evaluated],
    compute: Compute,
    refused: Callable[[FileError], None] = fail,
    *,
    ranks: KeptRanks | None = None,
) -> Path:
    """Records evaluations in the run's folder and returns their file.

    Args:
        run: the folder.
        evaluated: the evaluations.
        compute: where they were computed.
        refused: told where they cannot be recorded, so that no score is lost.
        ranks: what the one evaluation keeps of its ranking.
    """
    kept = kept_file(run, evaluated)
    found = LaterEvaluations(
        run=run.resolve().name,
        created=datetime.datetime.now(datetime.UTC),
        versions=Versions.model_validate(versions()),
        device=device_facts(compute),
        evaluations=tuple(evaluated),
    )
    try:
        if ranks is not None:
            write_ranks(run, evaluated[0], ranks)
        write_later(kept, found)
    except FileError as error:
        refused(error)
    return kept


def device_facts(compute: Compute) -> Device:
    """Returns what a record says of where numbers were computed."""
    return Device(
        name=compute.device_name,
        precision="bf16" if compute.precision == "bf16" else "fp32",
        threads=compute.threads,
    )
