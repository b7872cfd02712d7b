"""What a person sees while a run works: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import datetime
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as Bars

from reid_srdl.training.monitor import EpochRow, Progress

_QUIET_SECONDS = 20.0  # between lines about one piece of work


class Display:
    """Shows epoch, loss, accuracy, learning rate, images/s and time left, on standard error.

    Args:
        epochs: epochs of the whole run, all phases together.
        shown: False says nothing at all: of several processes one speaks.
    """

    def __init__(self, epochs: int, *, shown: bool = True) -> None:
        self._console = Console(stderr=True, highlight=False, quiet=not shown)
        self._shown = shown
        self._said = time.monotonic()
        self._epochs = epochs
        self._done = 0
        self._seconds = 0.0
        self._bars: Bars | None = None
        self._bar = TaskID(0)

    def __enter__(self) -> Display:
        if self._console.is_terminal and self._shown:
            self._bars = Bars(
                TextColumn("[bold]{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[facts]}"),
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
        """Prints a line above the bar."""
        self._console.print(line, soft_wrap=True, markup=False)

    def steps(self, what: str, done: int, total: int) -> None:
        """Shows how far a piece of work without epochs is (decoding, features, ranks).

        Elsewhere than on a terminal, long work prints a line now and then.
        """
        if self._bars is not None:
            self._bars.update(self._bar, description=what, completed=done, total=total, facts="")
        elif time.monotonic() - self._said >= _QUIET_SECONDS:
            self._said = time.monotonic()
            self.say(f"{what}: {done:,} of {total:,} ({done / max(total, 1):.0%})")

    def phase_opened(self, name: str, kind: str, rows: list[EpochRow]) -> None:
        """Says what is read back instead of done again."""
        if rows:
            self._done += len(rows)
            self._seconds += sum(row.seconds for row in rows)
            self.say(f"{name}: {len(rows)} of {rows[-1].epochs} epochs read back")

    def progressed(self, progress: Progress) -> None:
        """Moves the bar inside an epoch; elsewhere than on a terminal nothing is printed."""
        if self._bars is None:
            return
        facts = [f"{progress.images_per_second:.0f} images/s"]
        if progress.loss is not None and progress.accuracy is not None:
            facts.insert(0, f"loss {progress.loss:.4f}  accuracy {progress.accuracy:.1%}")
            facts.insert(1, f"lr {progress.lr:.4g}")
            epoch = progress.seconds * progress.steps / progress.step
            facts.append(f"left {self._left(epoch, progress.step / progress.steps)}")
        what = f"{progress.phase} epoch {progress.epoch}/{progress.epochs}"
        self._bars.update(
            self._bar,
            description=what,
            completed=progress.step,
            total=progress.steps,
            facts="  ".join(facts),
        )

    def epoch_finished(self, row: EpochRow) -> None:
        """Prints the epoch's line."""
        self._done += 1
        self._seconds += row.seconds
        terms = "  ".join(f"{name} {value:.4f}" for name, value in row.terms.items())
        self.say(
            f"{row.phase} epoch {row.epoch}/{row.epochs}  loss {row.loss:.4f} ({terms})  "
            f"accuracy {row.accuracy:.1%}  lr {row.lr:.4g}  "
            f"{row.images / row.seconds:.0f} images/s  "
            f"left {self._left(self._seconds / self._done)}"
        )

    def _left(self, epoch_seconds: float, begun: float = 0.0) -> datetime.timedelta:
        """Estimates the run's remaining time from an epoch's, ``begun`` of this one being done."""
        left = epoch_seconds * max(self._epochs - self._done - begun, 0)
        return datetime.timedelta(seconds=round(left))
