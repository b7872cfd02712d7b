"""Reads a table of 3 million rows, and says whether it took a minute and a gibibyte at most.

    python tools/bench_people.py [--rows N] [--place DIR]

The images are a few files by very many names: 300 small files, and links to their folder. All that
``train --dataset people`` does before it reads an image is measured, in a process of its own: rows
are read and checked, each file is looked at, a split is drawn. Memory is that process's largest,
interpreter and libraries included. The minute is the processor's: others slow a clock down.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

IMAGES = 300  # in the one real folder
SECONDS, BYTES = 60.0, 2**30


def write_table(place: Path, rows: int) -> Path:
    """Writes a table of so many rows, 15 a person, by five cameras, and what its paths name."""
    (place / "images").mkdir()
    for number in range(IMAGES):
        (place / "images" / f"{number:04d}.jpg").write_bytes(b"x")
    for folder in range(-(-rows // IMAGES)):
        (place / f"folder-{folder:05d}").symlink_to("images")
    with (place / "table.csv").open("w") as file:
        file.write("path,person,camera\n")
        for row in range(rows):
            folder, image = divmod(row, IMAGES)
            file.write(f"folder-{folder:05d}/{image:04d}.jpg,person {row // 15},door {row % 5}\n")
    return place / "table.csv"


def read(table: Path, told: multiprocessing.SimpleQueue[tuple[float, float, int, str]]) -> None:
    """Reads a table as a run does; tells seconds by the clock and of the processor, the largest
    memory in bytes, and what there was."""
    from reid_srdl.data import load_dataset

    start, worked = time.perf_counter(), time.process_time()
    data = load_dataset("people", table)
    seconds, worked = time.perf_counter() - start, time.process_time() - worked
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    parts = f"{len(data.train):,} to train on, {len(data.query):,} queries"
    told.put((seconds, worked, memory, f"{parts}, {len(data.gallery):,} in the gallery"))


def main() -> int:
    """Measures, prints, and returns 1 where a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--place", type=Path, help="where the table is written, and removed")
    asked = parser.parse_args()
    spawned = multiprocessing.get_context("spawn")
    told = spawned.SimpleQueue()
    with tempfile.TemporaryDirectory(dir=asked.place) as folder:
        table = write_table(Path(folder), asked.rows)
        reader = spawned.Process(target=read, args=(table, told))
        reader.start()
        reader.join()
        if reader.exitcode:
            return 1
        seconds, worked, memory, parts = told.get()
    took = f"{seconds:.1f} s ({worked:.1f} s of the processor)"
    print(f"{asked.rows:,} rows: {took}, {memory / 2**20:,.0f} MiB; {parts}")
    return int(worked > SECONDS or memory > BYTES)


if __name__ == "__main__":
    sys.exit(main())
