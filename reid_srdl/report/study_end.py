"""How a study that was run ends, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from reid_srdl.errors import UserError
from reid_srdl.records.studies.progress import Outcome


def command_to_show(study: str, runs: Path, scale: float) -> str:
    """Returns the command that shows what was run."""
    words = [f"reid-srdl study show {study}"]
    words += [f"--runs {runs}"] if runs != Path("runs") else []
    words += [f"--scale {scale:g}"] if scale != 1 else []
    return " ".join(words)


def end_of_study(outcomes: Sequence[Outcome], widths: Mapping[str, str], show: str) -> str:
    """Returns the last line of a study of which nothing failed.

    Args:
        outcomes: what became of each run.
        widths: why the width of a run could not be measured, by the run's name.
        show: the command that shows the study.

    Raises:
        UserError: something failed; it names each error once, with what it befell.
    """
    failed: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.state == "failed":
            failed.setdefault(outcome.error, []).append(outcome.run.name)
    for name, error in widths.items():
        failed.setdefault(error, []).append(f"the width of {name}")
    if failed:
        count = sum(map(len, failed.values()))
        told = "; ".join(f"{', '.join(names)}: {error}" for error, names in failed.items())
        raise UserError(
            f"{count} of {len(outcomes)} runs failed: {told}",
            f"mend what they say, and give the same command again; see the others with {show}",
        )
    return f"all {len(outcomes)} runs are finished; see them with {show}"
