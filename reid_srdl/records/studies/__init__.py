"""Studies: a grid of runs against published numbers. Nothing here loads torch."""

from __future__ import annotations

from reid_srdl.records.studies.plan import CellPlan, Plan, RunPlan, plan_study
from reid_srdl.records.studies.read import find_study, read_study, study_files
from reid_srdl.records.studies.results import StudyResults, gather
from reid_srdl.records.studies.schema import Cell, Study

__all__ = [
    "Cell",
    "CellPlan",
    "Plan",
    "RunPlan",
    "Study",
    "StudyResults",
    "find_study",
    "gather",
    "plan_study",
    "read_study",
    "study_files",
]
