"""What a person sees while a run works: one live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bars

from reid_srdl.texts import plain

if TYPE_CHECKING:
    from reid_srdl.tasks.task import Piece
    from reid_srdl.training.monitor import EpochRow, NetworkRow, Progress
    from reid_srdl.training.phases import Phase

_BAR = 18  # columns of a terminal for the bar, its percentage and what keeps them apart
_QUIET_SECONDS = 20.0  # between lines about one piece of work


class Display:
    """Shows the whole run's progress, epoch, loss, accuracy, rate and time left, on standard error.

    One bar goes through phases and final evaluation, never back. They are weighed by their counted
    work, so that it moves evenly over phases of unlike networks; the time left follows from the
    work that this process has done and what it took. What it reads back is none of its work, and
    the seconds before its first own phase count for nothing.

    Args:
        shown: False says nothing at all: of several processes one speaks.
        run: a plan will follow; what comes before it has no share of the bar.
    """

    def __init__(self, *, shown: bool = True, run: bool = False) -> None:
        self._console = Console(stderr=True, highlight=False, quiet=not shown)
        self._shown = shown
        self._said = time.monotonic()
        self._run = run
        self._work: dict[str, float] = {}  # of each phase that is planned
        self._judging: dict[str, float] = {}  # work of each image of an evaluation's pieces
        self._total = 0.0  # work of all that is planned
        self._before = 0.0  # work of the phases before this one
        self._judged = 0.0  # work of the evaluation that is done
        self._piece = ("", 0)  # what was last done besides the phases, and how much of it
        self._phase = ""
        self._read_back = 0.0  # work that earlier processes did
        self._began: float | None = None  # when this process opened its first phase of own work
        self._bars: Bars | None = None
        self._bar = TaskID(0)

    def __enter__(self) -> Display:
        if self._console.is_terminal and self._shown:
            self._bars = Bars(
                TextColumn("{task.description}", style="bold", markup=False),
                BarColumn(bar_width=None),  # what the texts leave
                TaskProgressColumn(),
                TextColumn("{task.fields[facts]}", markup=False),
                console=self._console,
                transient=True,
            )
            self._bar = self._bars.add_task("", total=None, facts="")
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def say(self, line: str) -> None:
        """Prints a line above the bar; what others named is shown and not obeyed."""
        self._console.print(plain(line), soft_wrap=True, markup=False)

    def warned(self, line: str) -> None:
        """Prints a warning."""
        self.say(f"warning: {line}")

    def noted(self, line: str) -> None:
        """Prints a note."""
        self.say(line)

    def steps(self, what: str, done: int, total: int) -> None:
        """Shows how far a piece of work besides the phases is (decoding, features, ranks).

        Elsewhere than on a terminal, long work prints a line now and then.
        """
        self._note(what, done)
        planned = self._began is not None and self._total > 0
        left = [f"left {self._left(1.0)}"] if planned else []
        if self._bars is not None:
            at: tuple[float, float | None] = (done, total)
            facts: list[str] = []
            if self._run:
                at, facts = (
                    (self._done(1.0), self._total or None),
                    [f"{done:,} of {total:,}", *left],
                )
            self._shows(what, *at, facts)
        elif time.monotonic() - self._said >= _QUIET_SECONDS:
            self._said = time.monotonic()
            far = f"{what}: {done:,} of {total:,} ({done / max(total, 1):.0%})"
            self.say("  ".join([far, *left]))

    def _shows(self, what: str, done: float, total: float | None, facts: Sequence[str]) -> None:
        """Draws the bar: what is done now, and the facts that there is room for."""
        assert self._bars is not None
        room = self._console.width - len(what) - _BAR
        told = "  ".join(_fitting(facts, room)) if facts else ""
        self._bars.update(
            self._bar, description=plain(what), completed=done, total=total, facts=told
        )

    def _note(self, what: str, done: int) -> None:
        """Adds what a piece of the evaluation has gone on by."""
        piece, before = self._piece
        more = done - before if piece == what and done >= before else done
        self._piece = what, done
        self._judged += more * self._judging.get(what, 0.0)

    def planned(self, phases: Sequence[Phase], judging: Sequence[Piece] = ()) -> None:
        """Takes in what there is to do."""
        self._work = {phase.name: float(phase.work.total) for phase in phases}
        self._judging = {piece.name: piece.work / max(piece.images, 1) for piece in judging}
        self._total = sum(self._work.values()) + sum(piece.work for piece in judging)

    def phase_opened(self, name: str, share: float, rows: list[EpochRow]) -> None:
        """Says what is read back instead of done again."""
        self._before += self._work.get(self._phase, 0.0)
        self._phase = name
        if self._began is None or self._before <= self._read_back:
            self._began = time.monotonic()
        self._read_back += share * self._work.get(name, 0.0)
        if rows:
            self.say(f"{name}: {len(rows)} of {rows[-1].epochs} epochs read back")

    def progressed(self, progress: Progress) -> None:
        """Moves the bar; elsewhere than on a terminal a line is printed now and then."""
        facts = [f"{progress.images_per_second:.0f} images/s", f"left {self._left(progress.share)}"]
        if progress.networks:
            facts = [*_told(progress.networks).split("  "), f"lr {progress.lr:.4g}", *facts]
        what = progress.phase
        if progress.networks:
            what = f"{what} epoch {progress.epoch}/{progress.epochs}"
        if self._bars is not None:
            self._shows(what, self._done(progress.share), self._total or None, facts)
        elif time.monotonic() - self._said >= _QUIET_SECONDS:
            self._said = time.monotonic()
            self.say("  ".join([f"{what} {progress.step}/{progress.steps}", *facts]))

    def epoch_finished(self, row: EpochRow) -> None:
        """Prints the epoch's line."""
        self._said = time.monotonic()
        self.say(
            f"{row.phase} epoch {row.epoch}/{row.epochs}  {_terms(row.networks)}  "
            f"lr {row.lr:.4g}  {row.images_per_second:.0f} images/s  "
            f"left {self._left(row.epoch / row.epochs)}"
        )

    def _done(self, share: float) -> float:
        return self._before + share * self._work.get(self._phase, 0.0) + self._judged

    def _left(self, share: float) -> str:
        """Estimates the run's remaining time; ``?`` where nothing is known yet."""
        done = self._done(share)
        own = done - self._read_back
        if self._began is None or own <= 0 or not self._work:
            return "?"
        seconds = (time.monotonic() - self._began) / own * (self._total - done)
        return str(datetime.timedelta(seconds=round(max(seconds, 0.0))))


def _fitting(facts: Sequence[str], room: int) -> list[str]:
    """Returns the facts that fit in a line: the last, the time that is left, before all others."""
    kept = [facts[-1]]
    left = room - len(facts[-1])
    for fact in facts[:-1]:
        if len(fact) + 2 <= left:
            kept.insert(-1, fact)
            left -= len(fact) + 2
    return kept


def _told(networks: Mapping[str, NetworkRow]) -> str:
    """Returns loss and accuracy of each network; names only where there are several."""
    return "  ".join(
        f"{name + ' ' if len(networks) > 1 else ''}loss {row.loss:.4f}{_accuracy(row)}"
        for name, row in networks.items()
    )


def _terms(networks: Mapping[str, NetworkRow]) -> str:
    return "  ".join(
        f"{name + ' ' if len(networks) > 1 else ''}loss {row.loss:.4f} "
        f"({'  '.join(f'{term} {value:.4f}' for term, value in row.terms.items())}){_accuracy(row)}"
        for name, row in networks.items()
    )


def _accuracy(row: NetworkRow) -> str:
    accuracy = "" if row.accuracy is None else f"  accuracy {row.accuracy:.1%}"
    judged = "" if row.validation is None else f"  validation {row.validation:.1%}"
    return "".join((accuracy, judged, *(f"  {mark}" for mark in row.marks)))
