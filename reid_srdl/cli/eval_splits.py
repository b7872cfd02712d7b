"""``reid-srdl eval RUN --split all``: means over the splits of another data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reid_srdl.errors import UserError


def read_split(text: str | None) -> int | None:
    """Returns the number of a split.

    Raises:
        UserError: it is none.
    """
    if text is None:
        return None
    if not text.isdecimal():
        raise UserError(
            f"--split {text}: neither a number nor all", "count splits from 0", usage=True
        )
    return int(text)


def evaluate_run(
    run: Path,
    dataset: str | None,
    data_dir: Path | None,
    changes: dict[str, Any],
    device: str,
    as_json: bool,
) -> None:
    """Evaluates the run's network on every split and prints means and deviations.

    Raises:
        UserError: as `jobs.splits.evaluate_splits`.
    """
    from reid_srdl.jobs.splits import evaluate_splits
    from reid_srdl.report.progress import Display

    with Display(0) as display:
        scores, kept = evaluate_splits(
            run,
            dataset=dataset,
            data_dir=data_dir,
            changes=changes,
            device=device,
            steps=display.steps,
        )
    if as_json:
        print(scores.model_dump_json(indent=2))
        return
    from rich.console import Console

    from reid_srdl.report.evaluation import splits_table
    from reid_srdl.report.render import to_rich

    console = Console()
    title = f"{run} on {len(scores.splits)} splits of {scores.dataset}"
    table = splits_table(scores.mean, scores.spread, scores.splits[0].protocol, title)
    console.print(to_rich(table, console))
    console.print(f"record: {kept}", soft_wrap=True, highlight=False)
