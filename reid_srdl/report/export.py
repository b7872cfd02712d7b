"""An exported network in a few lines."""

from __future__ import annotations

from pathlib import Path

from reid_srdl.records.exported import Exported, ForTorchreid, sidecar
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


def print_weights(output: Path, facts: ForTorchreid, note: str | None) -> None:
    """Prints which of torchreid's networks takes the weights, and how they were tried."""
    say(
        f"{output}: {facts.network}, for torchreid's {facts.name} with {facts.classes} classes: "
        "load_pretrained_weights takes all of it"
    )
    say(f"largest difference of its features: {facts.difference:.1e}, on {facts.tried_on}")
    if note is not None:
        tell(f"note: {note}")
    mean, std = (", ".join(map(str, values)) for values in (facts.mean, facts.std))
    height, width = facts.size
    say(f"images: {height} x {width}, normalised by the mean {mean} and the deviation {std}")
