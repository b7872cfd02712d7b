"""The plan of an evaluation against what it reports: a piece's images, no more and no fewer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.train import train
from reid_srdl.tasks.task import Piece
from reid_srdl.training.phases import Phase
from tests.class_set import write_class_folder
from tests.reports.runs import Listener, config, people


class Counting(Listener):
    def __init__(self) -> None:
        super().__init__()
        self.judging: dict[str, Piece] = {}
        self.seen = Counter[str]()

    def planned(self, phases: Sequence[Phase], judging: Sequence[Piece] = ()) -> None:
        self.judging = {piece.name: piece for piece in judging}

    def steps(self, what: str, done: int, total: int) -> None:
        if what in self.judging and done == total:
            self.seen[what] += total


def judged(listener: Counting) -> dict[str, int]:
    assert all(piece.work > 0 for piece in listener.judging.values())
    assert listener.seen == {name: piece.images for name, piece in listener.judging.items()}
    return dict(listener.seen)


def test_networks_and_members_of_ensembles_see_all_parts(tmp_path: Path, cache: Path) -> None:
    people(tmp_path / "set")
    listener = Counting()
    method = {"method": {"name": "srdl"}, "eval": {"ensembles": ["srdl+first"]}}
    train(config(tmp_path / "set", tmp_path / "runs", "a", train={"epochs": 2}, **method), listener)
    seen = judged(listener)
    assert seen.keys() == {f"features of {part}" for part in ("query", "gallery", "boxes")}
    assert all(count % 2 == 0 for count in seen.values())  # two networks


def test_classes_are_tested_by_each_network(tmp_path: Path, cache: Path) -> None:
    write_class_folder(tmp_path / "set")
    listener = Counting()
    tree = {
        "data": {"name": "class-folder", "dir": tmp_path / "set", "height": 16, "width": 16},
        "model": {"name": "resnet20"},
        "method": {"name": "vanilla"},
        "optim": {"batch_size": 6},
        "train": {"epochs": 1, "device": "cpu", "precision": "fp32"},
        "run": {"dir": tmp_path / "runs", "name": "b"},
    }
    train(experiment(tree), listener)
    assert judged(listener).keys() == {"testing vanilla"}
