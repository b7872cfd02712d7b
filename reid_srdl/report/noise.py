"""Networks under weight noise, as a table and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reid_srdl.records.network_analyses import Noise
from reid_srdl.report.analysis import label
from reid_srdl.report.figures import new_figure, save_figure
from reid_srdl.report.tables import Column, Row, Table, Value

_QUANTITIES = {"losses": "cross-entropy (nats)", "accuracies": "accuracy (%)"}


def noise_table(found: Sequence[Noise]) -> Table:
    """Returns two rows for each network and split: loss and accuracy at each deviation."""
    deviations = found[0].settings.deviations
    columns = (
        Column("network", "network"),
        Column("seed", "seed", "number"),
        Column("split", "split"),
        Column("quantity", "measured"),
        *(
            Column(f"at{place}", f"{sigma:.3g}", "number", "", "sigma =")
            for place, sigma in enumerate(deviations)
        ),
    )
    rows = []
    for one in found:
        for split in one.losses:
            for quantity, told in _QUANTITIES.items():
                cells = {
                    f"at{place}": _cell(getattr(one, quantity)[split], place, quantity)
                    for place in range(len(deviations))
                }
                about: dict[str, Value] = {"network": label(one.subject), "seed": one.subject.seed}
                about |= {"split": f"{split} ({one.images[split]:,})", "quantity": told}
                rows.append(Row({**about, **cells}, separator=quantity == "losses"))
    unit = "each tensor's root mean square" if found[0].settings.relative else "the weights' own"
    notes = (
        f"mean ± standard deviation over {found[0].settings.draws} draws of e at theta + sigma e, "
        f"sigma in units of {unit}; batch-norm statistics as trained",
    )
    return Table("Loss and accuracy under Gaussian weight noise", columns, tuple(rows), notes)


def plot_noise(found: Sequence[Noise], path: Path) -> None:
    """Draws mean and band (one standard deviation) over sigma: loss above, accuracy below."""
    import numpy as np

    splits = list(dict.fromkeys(split for one in found for split in one.losses))
    figure = new_figure(5.5 * len(splits), 7)
    panels = figure.subplots(2, len(splits), squeeze=False)
    for row, (quantity, told) in enumerate(_QUANTITIES.items()):
        for axes, split in zip(panels[row], splits, strict=True):
            for one in found:
                if split not in one.losses:
                    continue
                values = np.array(getattr(one, quantity)[split], dtype=float)  # None: a gap
                values *= 100 if quantity == "accuracies" else 1
                mean = values.mean(axis=0)
                band = values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros_like(mean)
                sigma = one.settings.deviations
                (line,) = axes.plot(sigma, mean, marker=".", label=label(one.subject))
                colour = line.get_color()
                axes.fill_between(sigma, mean - band, mean + band, alpha=0.2, color=colour)
            axes.set_title(split)
            axes.set_xlabel("sigma (relative)" if found[0].settings.relative else "sigma")
            axes.set_ylabel(told)
            axes.grid(alpha=0.3)
    panels[0][0].legend(fontsize=8)
    draws = found[0].settings.draws
    figure.suptitle(f"Gaussian weight noise, {found[0].subject.dataset}: {draws} draws each")
    save_figure(figure, path)


def _cell(rows: Sequence[Sequence[float | None]], place: int, quantity: str) -> str:
    import numpy as np

    column = [row[place] for row in rows]
    if any(value is None for value in column):
        return "overflow"
    values = np.array(column, dtype=float) * (100 if quantity == "accuracies" else 1)
    digits = 2 if quantity == "accuracies" else 4
    spread = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{spread}"
