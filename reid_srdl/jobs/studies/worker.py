"""One run of a study in a process of its own: ``python -m reid_srdl.jobs.studies.worker``.

Reads the configuration from standard input, one line of JSON, and trains as ``reid-srdl train``
does. When standard input ends, whoever started it has gone or wants it to stop: it stops too, and
the run goes on from there the next time.
"""

from __future__ import annotations

import _thread
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from typing import Any

from reid_srdl.config import resolve
from reid_srdl.failures import in_words
from reid_srdl.jobs.train import train
from reid_srdl.methods import OPTIONS
from reid_srdl.report.progress import Display
from reid_srdl.texts import plain

STOPPED = 130
_PATIENCE = 20.0  # seconds until a run that does not stop by itself is ended


def main() -> int:
    """Trains the run that standard input tells; returns the process's exit status."""
    tree = json.loads(sys.stdin.readline())
    # A study that a script started in the background hands on that SIGINT is ignored, and
    # interrupt_main would do nothing.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_stop_at_the_end_of_input, daemon=True).start()
    return train_told(tree)


def train_told(tree: Mapping[str, Any]) -> int:
    """Trains a run, and tells errors on standard error; returns the process's exit status.

    Args:
        tree: the resolved configuration.
    """
    try:
        with Display(run=True) as display:
            train(resolve(tree, OPTIONS), display)
    except Exception as error:
        traceback.print_exception(error)  # the log keeps it; the study tells the last error alone
        told = in_words(error)
        print(f"error: {plain(told.what)}\nhint:  {plain(told.hint)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return STOPPED
    return 0


def _stop_at_the_end_of_input() -> None:
    sys.stdin.read()
    _thread.interrupt_main()
    time.sleep(_PATIENCE)
    os._exit(STOPPED)


if __name__ == "__main__":
    sys.exit(main())
