"""The metrics that tables compare, by task, and where a record holds them."""

from __future__ import annotations

from reid_srdl.analysis.class_scores import ClassScores
from reid_srdl.config import TaskName
from reid_srdl.retrieval.result import Evaluation

Result = Evaluation | ClassScores

METRICS: dict[TaskName, tuple[str, ...]] = {
    "reid": ("single_rank1", "single_mAP", "multi_rank1", "multi_mAP"),
    "classification": ("top1", "top5"),
}


def score_of(result: Result | None, metric: str) -> float | None:
    """Returns a result's score as a fraction; None where it has none.

    >>> score_of(ClassScores(top1=0.5, loss=1.2, images=10), "top1")
    0.5
    """
    if result is None:
        return None
    if isinstance(result, ClassScores):
        score = getattr(result, metric, None)
    else:
        query, _, name = metric.partition("_")
        score = getattr(getattr(result, f"{query}_query", None), name, None)
    return None if score is None else float(score)
