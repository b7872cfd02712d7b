"""``reid-srdl doctor``: what this machine has, and what will be used."""

from __future__ import annotations

from typing import Annotated

from reid_srdl.config.option import OUTPUT
from reid_srdl.shell.options import option

EXAMPLE = "Example: REID_SRDL_DATA=/data reid-srdl doctor"


def doctor(
    json: Annotated[
        bool, option(OUTPUT, "Print only JSON; memory in bytes.", flags="--json")
    ] = False,
) -> None:
    """Show what this machine has and what training on it will use.

    Looks at the processor, memory, GPUs, packages, the cache's disk and the data sets under
    REID_SRDL_DATA. Writes nothing.
    """
    from reid_srdl.jobs.doctor import inspect
    from reid_srdl.report.machine import machine_json, machine_pairs
    from reid_srdl.report.say import show_json, show_pairs

    machine = inspect()
    if json:
        show_json(machine_json(machine))
    else:
        show_pairs(machine_pairs(machine))
