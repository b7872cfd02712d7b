"""Where the numbers come from: settings that differ, versions, machines, time, commands."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from reid_srdl.config.fingerprint import PLACES
from reid_srdl.records.naming import differing_keys, flatten, show
from reid_srdl.records.run import RunRecord
from reid_srdl.report.html.page import Section
from reid_srdl.report.html.runs import ReportRun
from reid_srdl.report.tables import Column, Row, Table

_OWN = {*PLACES, "train.seed"}
_BESIDE = 6  # runs that are columns of the settings
Settings = Sequence[Mapping[str, Any]]


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
    title = f"{len(keys)} of {len({key for own in settings for key in own})} keys differ"
    by_key = len(runs) <= _BESIDE
    names = [run.record.name for run in runs]
    return Section(
        "settings",
        "Settings",
        "What sets the runs apart; keys that all share, places and seeds are left out.",
        tables=[(_by_key if by_key else _by_run)(title, keys, names, settings)],
        sorts=True,
    )


def _by_run(title: str, keys: Sequence[str], names: Sequence[str], settings: Settings) -> Table:
    columns = (Column("run", "run"), *(Column(key, key) for key in keys))
    rows = [
        Row({"run": name, **{key: show(own[key]) for key in keys if key in own}})
        for name, own in zip(names, settings, strict=True)
    ]
    return Table(title, columns, tuple(rows))


def _by_key(title: str, keys: Sequence[str], names: Sequence[str], settings: Settings) -> Table:
    """A key in each row: a page is narrow, and keys are many where runs are few."""
    columns = (Column("key", "key"), *(Column(f"{i}", name) for i, name in enumerate(names)))
    rows = [
        Row(
            {"key": key, **{f"{i}": show(own[key]) for i, own in enumerate(settings) if key in own}}
        )
        for key in keys
    ]
    return Table(title, columns, tuple(rows))


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
