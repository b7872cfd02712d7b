"""Trains one run and kills itself at a step: ``killed.py TREE.json STEP``."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.train import train
from reid_srdl.training.step import Step


def main() -> None:
    """Counts the steps of all phases together."""
    tree, last = json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2])
    step, done = Step.__call__, [0]

    def counted(self: Step, *arguments: Any) -> Any:
        done[0] += type(self) is Step  # where work is counted, steps are others
        if done[0] > last:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(self, *arguments)

    Step.__call__ = counted  # type: ignore[method-assign]
    train(experiment(tree))


if __name__ == "__main__":
    main()
