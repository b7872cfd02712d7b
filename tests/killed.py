"""Trains one run and kills itself at a step: ``killed.py STEP``, then ``TREE.json`` or words.

The words are those of the command line: ``train --dataset folder ...``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from reid_srdl.training.step import Step


def main() -> None:
    """Counts the steps of all phases together."""
    last, words = int(sys.argv[1]), sys.argv[2:]
    step, done = Step.__call__, [0]

    def counted(self: Step, *arguments: Any) -> Any:
        done[0] += type(self) is Step  # where work is counted, steps are others
        if done[0] > last:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(self, *arguments)

    Step.__call__ = counted  # type: ignore[method-assign]
    run(words)


def run(words: list[str]) -> None:
    """Trains by a tree of settings, or as the command line does."""
    if len(words) == 1:
        from reid_srdl.jobs.experiment import experiment
        from reid_srdl.jobs.train import train

        train(experiment(json.loads(Path(words[0]).read_text())))
    else:
        from reid_srdl.cli import main

        sys.argv = ["reid-srdl", *words]
        main()


if __name__ == "__main__":
    main()
