"""An exported network in a few lines."""

from __future__ import annotations

from pathlib import Path

from reid_srdl.records.exported import Exported, sidecar
from reid_srdl.report.say import say, tell


def print_graph(output: Path, facts: Exported, note: str | None) -> None:
    """Prints what a graph takes and gives, and how it was tried."""
    takes, tried = facts.takes, facts.checked
    colours = "RGB" if takes.channels == 3 else "grey"
    say(
        f"{output}: {facts.network} of {facts.run}: N x {takes.channels} x {takes.height} x "
        f"{takes.width} float32 in 0..1, {colours}, to N x {facts.length} {facts.gives}"
    )
    kind = "drawn images" if tried.of is None else f"images of {tried.of}"
    say(
        f"largest difference from the network: {tried.difference:.1e}, on {tried.images} {kind}, "
        "in batches of 1 and 7"
    )
    if note is not None:
        tell(f"note: {note}")
    say(f"what it takes and gives: {sidecar(output)}")
