"""Stands for the worker of a study: ends as the run's name says, trains nothing.

``fails`` tells an error, ``dies`` kills itself, ``waits`` goes on until its input ends, ``shares``
goes on until another one is there too; all others finish at once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path


def main() -> int:
    config = json.loads(sys.stdin.readline())
    name = config["run"]["name"]
    folder = Path(config["run"]["dir"]) / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "told.json").write_text(json.dumps(config))
    if "fails" in name:
        print(f"epoch 1\nerror: {name} is not to be trained\nhint:  leave it", file=sys.stderr)
        return 1
    if "dies" in name:
        os.kill(os.getpid(), signal.SIGKILL)
    if "waits" in name:
        sys.stdin.read()
        (folder / "stopped").touch()
        return 130
    if "shares" in name:
        for _ in range(500):
            if len(list(folder.parent.glob("shares*"))) > 1:
                return 0
            time.sleep(0.02)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
