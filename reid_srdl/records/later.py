"""Later evaluations of a finished run, under ``RUN/evaluations``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from reid_srdl.errors import UserError
from reid_srdl.records.evaluated import Evaluated, EvaluationData, EvaluationsRecord
from reid_srdl.records.parse import parse, read_text, read_tree
from reid_srdl.records.write import write_evaluations
from reid_srdl.retrieval.result import Spread


class LaterEvaluations(EvaluationsRecord):
    """Networks of a run, judged after it was finished; or one network, on each split.

    Attributes:
        run: the run's name.
        mean, spread: means and standard deviations of the single-query scores over the splits of a
            data set, where each was judged; else None.
    """

    run: str
    mean: Spread | None = None
    spread: Spread | None = None


def evaluation_name(evaluations: Sequence[Evaluated]) -> str:
    """Returns the name of the file of some evaluations, made of what sets them apart.

    Evaluations of other content or settings have other names, the same ones the same, wherever
    the data stand.
    """
    data, splits = evaluations[0].data, {one.data.split for one in evaluations}
    parts = [
        data.name,
        "all-splits" if len(splits) > 1 else "" if data.split is None else f"split{data.split}",
        "distractors" if data.distractors_folder is not None else "",
    ]
    told = [(one.network, _place(one.data), one.settings) for one in evaluations]
    text = json.dumps(told, sort_keys=True)
    digest = hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
    return f"{'+'.join(part for part in parts if part)}-{digest}"


def write_later(path: Path, found: LaterEvaluations) -> None:
    """Writes later evaluations, whole or not at all."""
    write_evaluations(path, found)


def read_later(path: Path) -> LaterEvaluations:
    """Reads later evaluations.

    Raises:
        UserError: no such file, or it is damaged, foreign or of another version.
    """
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file", "evaluate the run: reid-srdl eval RUN") from None
    read_tree(path, text)
    return parse(path, text, LaterEvaluations)


def _place(data: EvaluationData) -> tuple[int | None, str | None, str | None]:
    if data.content is not None:
        return data.split, data.content, None
    return data.split, data.folder, data.distractors_folder
