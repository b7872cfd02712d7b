"""Where the numbers come from: settings that differ, versions, machines, time, commands."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from reid_srdl.config.fingerprint import PLACES
from reid_srdl.records.naming import differing_keys, flatten, show
from reid_srdl.records.run import RunRecord
from reid_srdl.report.html.page import Section
from reid_srdl.report.html.runs import ReportRun
from reid_srdl.report.tables import Column, Row, Table

_OWN = {*PLACES, "train.seed"}


def settings_section(runs: Sequence[ReportRun]) -> Section:
    """Returns the keys in which runs differ, beside the runs."""
    settings = [
        {key: value for key, value in flatten(run.record.config).items() if key not in _OWN}
        for run in runs
    ]
    keys = differing_keys(settings)
    if not keys:
        alike = "All runs have the same settings but for places and seeds."
        return Section("settings", "Settings", alike if len(runs) > 1 else "There is one run.")
    columns = (Column("run", "run"), *(Column(key, key) for key in keys))
    rows = [
        Row({"run": run.record.name, **{key: show(own[key]) for key in keys if key in own}})
        for run, own in zip(runs, settings, strict=True)
    ]
    title = f"{len(keys)} of {len({key for own in settings for key in own})} keys differ"
    return Section(
        "settings",
        "Settings",
        "What sets the runs apart; keys that all share, places and seeds are left out.",
        tables=[Table(title, columns, tuple(rows))],
        sorts=True,
    )


def machines_section(runs: Sequence[ReportRun]) -> Section:
    """Returns what computed each run, and for how long."""
    columns = (
        Column("run", "run"),
        Column("seed", "seed", "count"),
        Column("created", "finished (UTC)"),
        Column("device", "device"),
        Column("precision", "precision"),
        Column("threads", "threads", "count"),
        Column("time", "training time"),
        Column("reid_srdl", "reid-srdl"),
        Column("torch", "torch"),
        Column("python", "python"),
    )
    rows = []
    for run in runs:
        record = run.record
        seconds = sum(phase.seconds for phase in record.phases)
        rows.append(
            Row(
                {
                    "run": record.name,
                    "seed": record.seed,
                    "created": f"{record.created:%Y-%m-%d %H:%M}",
                    "device": record.device.name,
                    "precision": record.device.precision,
                    "threads": record.device.threads,
                    "time": str(datetime.timedelta(seconds=round(seconds))) if seconds else None,
                    "reid_srdl": record.versions.reid_srdl,
                    "torch": record.versions.torch,
                    "python": record.versions.python,
                }
            )
        )
    tables = [Table("Versions, devices, time", columns, tuple(rows))]
    return Section("machines", "Machines", tables=tables, sorts=True)


def commands_section(runs: Sequence[ReportRun], own: str) -> Section:
    """Returns the commands that make the numbers again; ``own`` makes this page."""
    told = [(run.record.name, run.command) for run in runs if run.command]
    notes = [
        f"{run.record.name}: not trained here"
        for run in runs
        if not isinstance(run.record, RunRecord)
    ]
    return Section(
        "again",
        "Again",
        "The command that makes each number again, where the data are at hand.",
        commands=[*told, ("this page", own)],
        notes=notes,
    )
