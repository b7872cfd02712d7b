"""Tests see one width of terminal, and their processes import this checkout's package."""

import os
import signal
from pathlib import Path

from hypothesis import settings

ROOT = Path(__file__).parents[1]
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, (str(ROOT), os.environ.get("PYTHONPATH", "")))
)
os.environ["COLUMNS"] = "200"
os.environ["REID_SRDL_OFFLINE"] = "1"

# A shell's background job inherits that Ctrl-C is ignored, and hands it on to what the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run, however busy the machine is; `--hypothesis-profile=default` draws
# others.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
