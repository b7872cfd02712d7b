"""Evaluates features: single- and multi-query scores by one protocol, from plain arrays."""

from __future__ import annotations

from reid_srdl.evaluation.by_distances import evaluate_distances, evaluate_given, of_given
from reid_srdl.evaluation.checks import check_boxes, check_labels, check_settings
from reid_srdl.evaluation.parts import Counting, Progress, Scored, normalizes
from reid_srdl.evaluation.ranked import evaluate
from reid_srdl.evaluation.settings import check_shared, evaluate_by
from reid_srdl.evaluation.verified import check_verification

__all__ = [
    "Counting",
    "Progress",
    "Scored",
    "check_boxes",
    "check_labels",
    "check_settings",
    "check_shared",
    "check_verification",
    "evaluate",
    "evaluate_by",
    "evaluate_distances",
    "evaluate_given",
    "normalizes",
    "of_given",
]
