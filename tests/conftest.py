"""Tests see one width of terminal, and their processes import this checkout's package."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, (str(ROOT), os.environ.get("PYTHONPATH", "")))
)
os.environ["COLUMNS"] = "200"
