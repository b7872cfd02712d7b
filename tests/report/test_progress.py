"""The display on a terminal and elsewhere: one progress for the whole run."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from reid_srdl.report import progress
from reid_srdl.report.progress import Display
from reid_srdl.tasks.task import Piece
from reid_srdl.training.monitor import EpochRow, NetworkRow, Progress
from reid_srdl.training.phases import MacCount, Phase
from tests.training import tiny

NETWORK = {"first": NetworkRow(terms={"ce": 2.0, "kl": 0.5}, accuracy=0.25)}


def row(epoch: int) -> EpochRow:
    return EpochRow(
        phase="first", epoch=epoch, epochs=4, networks=NETWORK, lr=0.01, seconds=10.0, images=1000
    )


def phases() -> list[Phase]:
    """Two phases of four epochs; a step of the second costs three times the first's."""
    trainer = tiny.planner()
    for name in ("first", "second"):
        model = trainer.new_model()
        trainer.fit(model, epochs=4, loss=trainer.supervised, name=name)
    for phase, macs in zip(trainer.phases, (100, 300), strict=True):
        phase.counts = lambda _, macs=macs: MacCount(macs, 0)  # type: ignore[misc]
    return trainer.phases


def shown(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> str:
    out, clock = io.StringIO(), [100.0]
    console = Console(file=out, force_terminal=terminal, width=200, highlight=False)
    monkeypatch.setattr(progress, "Console", lambda **_: console)
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with Display() as display:
        display.planned(phases())
        display.phase_opened("first", 1 / 4, [row(1)])
        clock[0] += 10.0
        display.progressed(Progress("first", 2, 4, 5, 10, 100.0, NETWORK, 0.01))
        if display._bars is not None:
            display._bars.refresh()  # it draws itself ten times a second only
        display.epoch_finished(row(2))
        display.steps("decoding", 3, 9)
        display.warned("[bold]a name[/bold] is no markup")
    return out.getvalue()


def test_plain_lines_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """An epoch of the first phase, one part in 16 of the work, took 10 s; 14 parts are left."""
    assert shown(monkeypatch, terminal=False).splitlines() == [
        "first: 1 of 4 epochs read back",
        "first epoch 2/4  loss 2.5000 (ce 2.0000  kl 0.5000)  accuracy 25.0%  lr 0.01  "
        "100 images/s  left 0:02:20",
        "warning: [bold]a name[/bold] is no markup",
    ]


def test_a_live_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, terminal=True)
    # Half an epoch, 1/32 of the work, took 10 s; 29/32 are left.
    for word in ("epoch 2/4", "loss 2.5000", "25.0%", "lr 0.01", "100 images/s", "left 0:04:50"):
        assert word in text


def test_long_phases_print_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out, clock = io.StringIO(), [100.0]
    monkeypatch.setattr(progress, "Console", lambda **_: Console(file=out, width=200))
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with Display() as display:
        display.planned(phases())
        display.phase_opened("first", 0.0, [])
        for step in range(1, 9):
            clock[0] += 6.0
            display.progressed(Progress("first", 1, 4, step, 10, 100.0, NETWORK, 0.01))
    lines = out.getvalue().splitlines()
    assert [line.split()[:4] for line in lines] == [
        ["first", "epoch", "1/4", "4/10"],
        ["first", "epoch", "1/4", "8/10"],
    ]


def test_the_first_plain_line_tells_the_time_left_within_30_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However slow an epoch is, and whatever is done before it: an hour's steps, one a second."""
    out, clock, said = io.StringIO(), [100.0], list[float]()
    monkeypatch.setattr(progress, "Console", lambda **_: Console(file=out, width=200))
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with Display() as display:
        display.planned(phases())
        for read in range(12):
            clock[0] += 1.0
            display.steps("decoding train", read, 100_000)
        display.phase_opened("first", 0.0, [])
        for step in range(1, 60):
            clock[0] += 1.0
            display.progressed(Progress("first", 1, 4, step, 3600, 100.0, NETWORK, 0.01))
            if out.getvalue() and not said:
                said.append(clock[0] - 100.0)
    assert said
    assert said[0] <= 30
    first = out.getvalue().splitlines()[0]
    assert first.startswith("first epoch 1/4 ")
    assert re.search(r"images/s  left [1-9]\d*(:\d\d){2}$|images/s  left \d+ days?", first), first


@pytest.mark.parametrize("terminal", [False, True])
def test_at_chance_is_told_as_it_happens(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line of the very epoch has it, while the run goes on."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=200, highlight=False)
    monkeypatch.setattr(progress, "Console", lambda **_: console)
    network = NetworkRow(terms={"ce": 4.6}, accuracy=0.01, marks=("at chance",))
    with Display() as display:
        display.planned(phases())
        display.phase_opened("first", 0.0, [])
        for number, networks in ((1, NETWORK), (2, {"first": network})):
            assert "at chance" not in out.getvalue()
            display.epoch_finished(row(number).model_copy(update={"networks": networks}))
        told = [line for line in out.getvalue().splitlines() if "at chance" in line]
        assert len(told) == 1
        assert "first epoch 2/4" in told[0]


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_what_was_read_back_is_no_work_of_this_process(
    share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a resume: a fit and an extraction of an earlier process, then own work.

    The work of the phases is as 4 to 1 to 8; half of the last one's takes 10 s after what was
    read back, however long that took.
    """
    out, clock = io.StringIO(), [100.0]
    monkeypatch.setattr(progress, "Console", lambda **_: Console(file=out, width=200))
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with Display() as display:
        display._work, display._total = {"first": 4.0, "knowledge": 1.0, "second": 8.0}, 13.0
        display.phase_opened("first", 1.0, [row(4)])
        clock[0] += 7.0
        display.phase_opened("knowledge", 1.0, [])
        clock[0] += 30.0
        display.phase_opened("second", share, [])
        clock[0] += 10.0
        assert display._left(share) == "?"  # nothing of its own is done yet
        left = (1 - share) / 2
        assert display._left(share + left) == "0:00:10"


@pytest.mark.parametrize("width", [60, 120])
def test_one_bar_goes_through_the_whole_run(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding moves nothing, features by their work, and the bar is full with the last of them."""
    clock = [0.0]
    console = Console(file=io.StringIO(), force_terminal=True, width=width, highlight=False)
    monkeypatch.setattr(progress, "Console", lambda **_: console)
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    seen: list[float] = []
    with Display(run=True) as display:

        def look() -> tuple[float, str]:
            (task,) = display._bars.tasks if display._bars else ()
            assert len(task.description) + 18 + len(task.fields["facts"]) <= width
            seen.append(task.completed / task.total if task.total else 0.0)
            return seen[-1], task.fields["facts"]

        display.steps("decoding train", 3, 9)
        assert look() == (0.0, "3 of 9")
        pieces = [Piece("features of query", 20, 100.0), Piece("features of gallery", 80, 300.0)]
        display.planned(phases(), pieces)
        whole = display._total
        trained = whole - 400.0
        display.phase_opened("first", 0.0, [])
        clock[0] = 10.0
        display.progressed(Progress("first", 4, 4, 10, 10, 100.0, NETWORK, 0.01))
        look()
        display.phase_opened("second", 0.0, [])
        clock[0] = 40.0
        display.progressed(Progress("second", 4, 4, 10, 10, 100.0, NETWORK, 0.01))
        assert look()[0] == pytest.approx(trained / whole)
        for what, done, total, more in (
            ("decoding query", 5, 10, 0.0),
            ("features of query", 10, 10, 50.0),
            ("decoding gallery", 40, 40, 50.0),
            ("features of gallery", 40, 40, 200.0),
            ("ranking", 1, 400, 200.0),
            ("features of query", 10, 10, 250.0),  # of the next network
            ("features of gallery", 20, 40, 325.0),
            ("features of gallery", 40, 40, 400.0),
            ("ranking", 400, 400, 400.0),
        ):
            display.steps(what, done, total)
            assert look()[0] == pytest.approx((trained + more) / whole)
            assert "left 0:00:" in look()[1]
    assert seen == sorted(seen)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_one_line_holds_bar_and_time_at_any_width(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pyte = pytest.importorskip("pyte", reason="pyte, a terminal in memory, is not installed")
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=width, height=20, highlight=False)
    monkeypatch.setattr(progress, "Console", lambda **_: console)
    screen = pyte.Screen(width, 20)
    network = {"first": NetworkRow(terms={"ce": 12.34567}, accuracy=0.123)}
    with Display() as display:
        display.planned(phases())
        display.phase_opened("first", 0.25, [row(1)])
        display.progressed(Progress("first", 2, 4, 5, 10, 583.0, network, 0.0125))
        assert display._bars is not None
        display._bars.refresh()
        pyte.Stream(screen).feed(out.getvalue().replace("\n", "\r\n"))
    (line,) = [text for text in screen.display if "epoch 2/4" in text]
    assert "first epoch 2/4" in line
    assert "left 0:0" in line
    assert "%" in line
    assert "━" in line or "╸" in line
    assert "…" not in line
    assert "loss 12.3457" in line
    assert ("accuracy 12.3%" in line) == (width >= 80)
