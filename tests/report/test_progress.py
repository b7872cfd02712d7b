"""The display on a terminal and elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from reid_srdl.report import progress
from reid_srdl.report.progress import Display
from reid_srdl.training.monitor import EpochRow, Progress


def row(epoch: int) -> EpochRow:
    return EpochRow(
        phase="first",
        epoch=epoch,
        epochs=4,
        loss=2.5,
        terms={"ce": 2.0, "kl": 0.5},
        accuracy=0.25,
        lr=0.01,
        seconds=10.0,
        images=1000,
    )


def shown(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=200, highlight=False)
    monkeypatch.setattr(progress, "Console", lambda **_: console)
    with Display(4) as display:
        display.phase_opened("first", "fit", [row(1)])
        display.progressed(Progress("first", 2, 4, 5, 10, 5.0, 100.0, 2.75, 0.125, 0.01))
        if display._bars is not None:
            display._bars.refresh()  # it draws itself ten times a second only
        display.epoch_finished(row(2))
        display.steps("decoding", 3, 9)
    return out.getvalue()


def test_plain_lines_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, terminal=False).splitlines()
    assert lines == [
        "first: 1 of 4 epochs read back",
        "first epoch 2/4  loss 2.5000 (ce 2.0000  kl 0.5000)  accuracy 25.0%  lr 0.01  "
        "100 images/s  left 0:00:20",
    ]


def test_a_live_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, terminal=True)
    # 1 epoch done, half of the second: 2.5 left of 10 s each
    for word in ("epoch 2/4", "loss 2.75", "12.5%", "lr 0.01", "100 images/s", "left 0:00:25"):
        assert word in text
