"""A run's plan for people: phases, networks, epochs, work, and the time that they take."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from reid_srdl.report.say import present, say
from reid_srdl.report.tables import Column, Row, Table
from reid_srdl.texts import bytes_told

_COLUMNS = (
    Column("phase", "phase"),
    Column("kind", "kind"),
    Column("networks", "networks"),
    Column("epochs", "epochs", "number"),
    Column("forward", "forward", "number", unit="10^12"),
    Column("backward", "backward", "number", unit="10^12"),
)


def plan_table(plan: Mapping[str, Any]) -> Table:
    """Returns a row for each phase; work is in multiply-accumulates."""
    rows = tuple(
        Row(
            {
                "phase": phase["name"],
                "kind": phase["kind"],
                "networks": _networks(phase["networks"]),
                "epochs": f"{phase['epochs']:g}",
                "forward": _tera(phase["work"]["forward"]),
                "backward": _tera(phase["work"]["backward"]),
            }
        )
        for phase in plan["phases"]
    )
    title = f"{plan['name']}: {plan['method']['label']} on {plan['dataset']['name']}"
    return Table(title, _COLUMNS, rows)


def plan_lines(plan: Mapping[str, Any]) -> list[str]:
    """Returns what stands below the table: networks, cost, time."""
    work, cost = plan["work"], plan["cost"]
    seconds = datetime.timedelta(seconds=round(plan["timing"]["seconds"]))
    shared = [f"budget: {cost['share']:.1%} of each epoch's steps"] if cost["share"] < 1 else []
    return [
        *shared,
        f"judged: {', '.join(plan['networks'])}",
        f"work: {_tera(work['total'])} x 10^12 multiply-accumulates in training, "
        f"TrCost {cost['trcost']:.3g} x 10^16 (forward passes)",
        f"time: about {seconds} of training here, by a few steps of each phase; nothing is written",
        f"disk: at most {bytes_told(plan['disk'])} while it runs",
    ]


def _networks(networks: Mapping[str, Mapping[str, Any]]) -> str:
    return ", ".join(
        facts["model"] if len(networks) == 1 else f"{name} ({facts['model']})"
        for name, facts in networks.items()
    )


def _tera(macs: int) -> str:
    return f"{macs / 1e12:.4g}"


def print_plan(plan: Mapping[str, Any], *, as_json: bool) -> None:
    """Prints a plan as a table with lines below it, or as JSON alone."""
    present(plan_table(plan), plan, as_json=as_json)
    if not as_json:
        for line in plan_lines(plan):
            say(line)
