"""A process that has imported what training needs and forks itself for each command line.

Importing torch takes seconds, and each of some hundred command lines would pay them. A fork begins
where a new process stands after its imports: no thread runs, nothing is computed, no file is open.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

_AHEAD = (
    *("torch", "torch._dynamo", "torchvision", "scipy.stats", "PIL.Image", "reid_srdl.cli.train"),
    *("reid_srdl.jobs.train", "reid_srdl.jobs.evaluate", "reid_srdl.report.run"),
)


def forked(
    arguments: Sequence[str], cwd: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Returns the finished command line ``reid-srdl ARGUMENTS``, its output captured."""
    with tempfile.TemporaryDirectory() as place:
        out, err = Path(place) / "out", Path(place) / "err"
        asked = {
            "arguments": list(arguments),
            "cwd": str(cwd),
            "environment": dict(environment),
            "files": [str(out), str(err)],
        }
        status = _server().ask(asked)
        return subprocess.CompletedProcess(arguments, status, out.read_text(), err.read_text())


class _Server:
    """The process that forks; it ends with the tests."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.forks"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent.parent,
            start_new_session=True,
        )
        atexit.register(self._end)

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()

    def ask(self, asked: Mapping[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the process that forks has ended"
        return int(answer)


@cache
def _server() -> _Server:
    return _Server()


def _serve() -> None:
    for name in _AHEAD:
        importlib.import_module(name)
    assert threading.active_count() == 1, "an import started a thread: a fork would lose it"
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _become(json.loads(line))
        _, ended = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(ended), flush=True)


def _become(asked: dict[str, Any]) -> None:
    """Runs one command line in this process, as a new one would, and ends it."""
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, file in enumerate(asked["files"], start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.argv = ["reid-srdl", *asked["arguments"]]
    from reid_srdl.cli import main

    try:
        main()
    except SystemExit as ended:
        sys.stdout.flush()
        os._exit(int(ended.code or 0))
    os._exit(0)


if __name__ == "__main__":
    _serve()
