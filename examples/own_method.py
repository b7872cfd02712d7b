"""Trains by a method of your own, beside a built-in one: own_method.py DATA

DATA holds crops in Market-1501's layout. The method trains a network, and then a second one on
labels and on what the first one says of the very same images.
"""

import sys
from typing import Any

from reid_srdl import leaderboard, train
from reid_srdl.config import MethodOptions
from reid_srdl.methods import Method
from reid_srdl.methods.srdl import Referenced


class Options(MethodOptions):
    """How soft the first network's knowledge is."""

    temperature: float = 3.0


def twice(trainer: Any, epochs: int, options: Options) -> dict[str, Any]:
    """Trains a teacher for half of the epochs, and a student for the rest."""
    half = epochs // 2
    first = trainer.fit(trainer.new_model(), epochs=half, loss=trainer.supervised, name="first")
    loss = Referenced(trainer.supervised, trainer.extract(first), options.temperature)
    start = trainer.new_model("second")
    return {"twice": trainer.fit(start, epochs=epochs - half, loss=loss, name="second")}


program = Method(twice, Options, "a network learns from another one of its kind")

if __name__ == "__main__":
    tree = {
        "data": {"name": "folder", "dir": sys.argv[1], "height": 32, "width": 16},
        "model": {"name": "resnet18"},
        "train": {"epochs": 2, "threads": 1},
        "optim": {"batch_size": 12},
    }
    for method in ("vanilla", program):
        record = train(tree, progress=True, method=method)
        print(record.name, f"mAP {record.result.single_query.mAP:.4f}")
    for row in leaderboard("runs").rows:
        print(row.label, row.scores["single_mAP"].mean)
