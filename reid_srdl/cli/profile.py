"""``reid-srdl profile``: where a step's time goes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from reid_srdl.config.option import ENGINE, HOW, WHERE
from reid_srdl.jobs.profile_input import ProfileLine
from reid_srdl.shell.generated import with_options
from reid_srdl.shell.options import PlainJson, argument

EXAMPLE = "Example: reid-srdl profile runs/srdl --trace trace.json"

Source = Annotated[Path, argument("Folder of a run, or a YAML file of keys.", "RUN|CONFIG")]
ONLY = {"phase": HOW, "steps": HOW, "assignments": HOW, "data.dir": WHERE}
ONLY |= {"train.device": ENGINE, "train.precision": ENGINE, "trace": "Output"}


@with_options("train", only=ONLY, own=ProfileLine)
def profile(given: dict[str, Any], source: Source, json: PlainJson = False) -> None:
    """Show where the time of a training step goes; nothing is trained.

    Steps are measured as training makes them, then with marks around their parts, then under
    PyTorch's profiler. Under torchrun, process 0 tells of its own part.
    """
    from reid_srdl.group.processes import joined
    from reid_srdl.jobs.profile import profile_run
    from reid_srdl.report.profile import profile_json, profile_tables
    from reid_srdl.report.progress import Display
    from reid_srdl.report.say import show, show_json, tell_all

    asked = ProfileLine.of("train", given)
    with joined() as group, Display(shown=group.rank == 0) as display:
        found = profile_run(
            source,
            asked.given,
            group,
            display,
            assignments=asked.assignments or (),
            phase=asked.phase,
            steps=asked.steps,
            trace=asked.trace,
        )
    if group.rank == 0:
        show_json(profile_json(found)) if json else show(*profile_tables(found))
        tell_all("written", [asked.trace] if asked.trace else [])
