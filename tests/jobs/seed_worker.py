"""Stands for a run's process: keeps the configuration that it is given, and fails for seed 2."""

import json
import sys
from pathlib import Path


def main() -> None:
    """Reads the configuration from standard input."""
    tree = json.loads(sys.stdin.readline())
    if tree["train"]["seed"] == 2:
        print("error: seed 2 fails", file=sys.stderr)
        sys.exit(1)
    file = Path(tree["run"]["dir"]) / f"{tree['run']['name']}.json"
    file.write_text(json.dumps(tree))


if __name__ == "__main__":
    main()
