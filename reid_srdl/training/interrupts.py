"""Signals that ask a training to stop: it stops at the next step, with a checkpoint.

Of several processes that train together all stop where any is asked.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from reid_srdl.errors import Terminated
from reid_srdl.training.joining import Joining

_ASKS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Remembers which signal asked for a stop.

    Args:
        joining: the processes that work together, if there are several. To each of them a queue and
            torchrun may both pass on one wish, so that later signals say nothing new.

    Attributes:
        asked: the signal's number; None while none came.
    """

    def __init__(self, joining: Joining | None = None) -> None:
        self._joining = joining or Joining()
        self.asked: int | None = None
        self._at_once = False

    def stop(self) -> None:
        """Ends the work as the signal asked.

        Raises:
            KeyboardInterrupt: after Ctrl-C.
            Terminated: after SIGTERM.
            LostError: another process was lost, and so this one was told to end.
        """
        self._joining.check()
        if self.asked is None:  # another process was asked
            raise Terminated()
        raise Terminated() if self.asked == signal.SIGTERM else KeyboardInterrupt()

    @contextlib.contextmanager
    def stopping_at_once(self) -> Iterator[None]:
        """Ends the work at once when a signal comes, or has come: nothing would be lost."""
        if self.asked is not None:
            self.stop()
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Takes SIGINT and SIGTERM as wishes; a second Ctrl-C ends the process as usual.

        A second SIGTERM says nothing new: queues send several, to each process and to all.
        Signals reach the main thread alone: in another one, nothing changes.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in _ASKS}

        def asked(number: int, _frame: FrameType | None) -> None:
            self.asked = number
            if self._joining.size == 1:
                signal.signal(signal.SIGINT, before[signal.SIGINT])
            if self._at_once:
                self.stop()

        try:
            for number, handler in before.items():
                if handler is not signal.SIG_IGN:
                    signal.signal(number, asked)
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
