"""Which run waits for which: for its teacher, and for the first that does a phase it needs too."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from reid_srdl.config import AnyConfig
from reid_srdl.jobs.rehearsal import rehearse
from reid_srdl.methods import own
from reid_srdl.records.studies.plan import RunPlan
from reid_srdl.training.keys import key_of


def needs_of(
    runs: Sequence[RunPlan], missing: Collection[str], *, share: bool
) -> dict[str, tuple[str, ...]]:
    """Returns the missing runs that each missing run waits for, by name.

    A phase that several of them need is done by the first of them, in the plan's order; the others
    find it in the store.

    Args:
        runs: teachers first.
        missing: the names of those that are not finished.
        share: phases are shared.
    """
    makers: dict[str, str] = {}
    needs = {}
    for run in runs:
        if run.name not in missing:
            continue
        first = [] if run.teacher not in missing else [str(run.teacher)]
        for phase in _phases(run.config) if share else ():
            if (maker := makers.setdefault(phase, run.name)) != run.name:
                first.append(maker)
        needs[run.name] = tuple(dict.fromkeys(first))
    return needs


def _phases(config: AnyConfig) -> Iterator[str]:
    """Yields what tells a run's phases from all others of the study, before its data is opened.

    NOTE: data, first weights and budget count whole, though a phase may depend on less: two that
    differ here are never the same, and at worst a run waits without need.
    """
    if own.is_own(config.method.name):
        return  # such runs share nothing
    around = {
        "data": config.data.model_dump_json(exclude={"dir", "dirs"}),
        "model": config.model.model_dump_json(),
        "budget": config.train.budget,
        "method": config.method.model_dump_json() if config.train.budget != "own" else "",
    }
    for phase in rehearse(config).phases:
        yield key_of(phase=phase.key, **around)
