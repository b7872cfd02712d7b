"""The measurement of large tables runs, and tells what it read."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parent.parent / "tools" / "bench_people.py"


def test_a_small_table_is_measured(tmp_path: Path) -> None:
    words = [sys.executable, str(TOOL), "--rows", "900", "--place", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # 60 persons of 15 images: half train; of the others each of five cameras gives a query.
    parts = r"450 to train on, 150 queries, 300 in the gallery"
    assert re.match(rf"900 rows: .* s of the processor\), .* MiB; {parts}", done.stdout)
    assert not list(tmp_path.iterdir())
