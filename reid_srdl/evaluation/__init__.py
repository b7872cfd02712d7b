"""Evaluates features: single- and multi-query scores by one protocol, from plain arrays."""

from __future__ import annotations

from reid_srdl.evaluation.checks import check_labels, check_settings
from reid_srdl.evaluation.parts import Counting, Progress, Scored, normalizes
from reid_srdl.evaluation.ranked import evaluate
from reid_srdl.evaluation.settings import check_shared, evaluate_by

__all__ = [
    "Counting",
    "Progress",
    "Scored",
    "check_labels",
    "check_settings",
    "check_shared",
    "evaluate",
    "evaluate_by",
    "normalizes",
]
