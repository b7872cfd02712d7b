"""How runs were trained: loss, accuracy and learning rate over epochs, phase after phase."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from reid_srdl.report.html.charts import Chart, Series, lines
from reid_srdl.report.html.page import Section
from reid_srdl.report.html.runs import Entry
from reid_srdl.training.monitor import EpochRow, NetworkRow

Value = Callable[[EpochRow, NetworkRow], float | None]

MEASURES: tuple[tuple[str, str, Value], ...] = (
    ("Training loss", "loss", lambda epoch, network: network.loss),
    ("Training accuracy", "%", lambda epoch, network: _percent(network.accuracy)),
    ("Validation", "%", lambda epoch, network: _percent(network.validation)),
    ("Learning rate", "lr", lambda epoch, network: epoch.lr),
)
MOST = 24  # rows in one chart
_BAND = "Lines are means over seeds; bands reach from the lowest run to the highest."


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def curves_section(found: Sequence[Entry]) -> Section | None:
    """Returns curves of each data set's runs; None where no run kept its epochs."""
    charts: list[Chart] = []
    for dataset in dict.fromkeys(entry.row.dataset.name for entry in found):
        own = [entry for entry in found if entry.row.dataset.name == dataset]
        note = f"The first {MOST} of {len(own):,} rows." if len(own) > MOST else ""
        for title, up, value in MEASURES:
            series = [one for entry in own[:MOST] for one in curves(entry, value)]
            if series:
                charts.append(_drawn(f"{dataset}: {title}", series, up, note))
    if not charts:
        return None
    return Section("curves", "Training", f"Each phase is a line of its own. {_BAND}", charts=charts)


def _drawn(title: str, series: Sequence[Series], up: str, note: str) -> Chart:
    return lines(title, series, "epoch", up, note, from_zero=up == "lr")


def curves(entry: Entry, value: Value) -> Iterator[Series]:
    """Yields a curve for each phase and network, over all epochs so far."""
    first = 0
    runs = [kept for run in entry.runs if (kept := run.epochs())]
    for phase in dict.fromkeys(row.phase for rows in runs for row in rows):
        of_phase = [[row for row in rows if row.phase == phase] for rows in runs]
        length = max(len(rows) for rows in of_phase)
        several = len(of_phase[0][0].networks) > 1 if of_phase[0] else False
        for network in dict.fromkeys(
            name for rows in of_phase for row in rows for name in row.networks
        ):
            table = np.full((len(of_phase), length), np.nan)
            for number, rows in enumerate(of_phase):
                for row in rows:
                    told = row.networks.get(network)
                    known = None if told is None else value(row, told)
                    if known is not None and row.epoch <= length:
                        table[number, row.epoch - 1] = known
            kept = ~np.isnan(table).all(axis=0)
            if not kept.any():
                continue
            x = first + 1 + np.flatnonzero(kept).astype(np.float64)
            y = table[:, kept]
            band = (np.nanmin(y, axis=0), np.nanmax(y, axis=0)) if len(y) > 1 else (None, None)
            name = f"{entry.name}: {phase}{f', {network}' if several else ''}"
            yield Series(name, x, np.nanmean(y, axis=0), *band)
        first += length
