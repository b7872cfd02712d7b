"""SRDL as Algorithm 1 says, and each departure that the paper analyses."""

from pathlib import Path
from typing import Any

import pytest
import torch

from reid_srdl.methods.srdl import SRDLOptions, srdl
from reid_srdl.methods.vanilla import VanillaOptions, vanilla
from tests.training import tiny


def rates(folder: Path, epochs: int, **options: Any) -> list[tuple[str, float]]:
    recorder = tiny.Recorder()
    srdl(tiny.trainer(folder, recorder), epochs, SRDLOptions(**options))
    return [(row.phase, round(row.lr, 6)) for row in recorder.rows]


def test_each_stage_runs_a_complete_schedule(tmp_path: Path) -> None:
    stage = [0.1, 0.1, 0.01, 0.001]
    expected = [("first", lr) for lr in stage] + [("second", lr) for lr in stage]
    assert rates(tmp_path, 8) == expected


def test_incomplete_schedule_runs_on_across_both_stages(tmp_path: Path) -> None:
    expected = [("first", 0.1)] * 4 + [("second", lr) for lr in (0.01, 0.01, 0.001, 0.001)]
    assert rates(tmp_path, 8, schedule="incomplete") == expected


def test_odd_epochs_give_stage_one_the_smaller_half(tmp_path: Path) -> None:
    phases = [phase for phase, _ in rates(tmp_path, 5)]
    assert phases == ["first"] * 2 + ["second"] * 3


def test_equal_epochs_for_vanilla_and_srdl(tmp_path: Path) -> None:
    ours, theirs = tiny.Recorder(), tiny.Recorder()
    srdl(tiny.trainer(tmp_path / "srdl", ours), 6, SRDLOptions())
    vanilla(tiny.trainer(tmp_path / "vanilla", theirs), 6, VanillaOptions())
    assert len(ours.rows) == len(theirs.rows) == 6
    assert sum(row.images for row in ours.rows) == sum(row.images for row in theirs.rows)


def test_stage_two_restarts_at_random_unless_told_otherwise(tmp_path: Path) -> None:
    starts: dict[bool, str] = {}

    class Spy:
        def __init__(self, trainer: Any, restart: bool) -> None:
            self.trainer, self.restart = trainer, restart

        def __getattr__(self, name: str) -> Any:
            return getattr(self.trainer, name)

        def fit(self, model: Any, **settings: Any) -> Any:
            if settings["name"] == "second":
                starts[self.restart] = model.key
            return self.trainer.fit(model, **settings)

    keys = {}
    for restart in (True, False):
        trainer = tiny.trainer(tmp_path / str(restart))
        srdl(Spy(trainer, restart), 2, SRDLOptions(restart=restart))  # type: ignore[arg-type]
        keys[restart] = trainer.new_model("restart").key
    assert starts[True] == keys[True]
    assert starts[False] != keys[False]


def test_stage_two_has_both_terms_and_stage_one_has_one(tmp_path: Path) -> None:
    recorder = tiny.Recorder()
    srdl(tiny.trainer(tmp_path, recorder), 2, SRDLOptions())
    assert [set(row.networks[row.phase].terms) for row in recorder.rows] == [{"ce"}, {"ce", "kl"}]


def test_options_lead_to_different_networks(tmp_path: Path) -> None:
    results = [
        tiny.weights(srdl(tiny.trainer(tmp_path / str(i)), 4, SRDLOptions(**options))["srdl"])
        for i, options in enumerate(
            [{}, {"temperature": 1.0}, {"view": "clean+flip"}, {"schedule": "incomplete"}]
        )
    ]
    for i, one in enumerate(results):
        for other in results[:i]:
            assert not tiny.same(one, other)


def test_same_seed_same_result_other_seed_other_result(tmp_path: Path) -> None:
    def result(folder: str, seed: int) -> dict[str, torch.Tensor]:
        return tiny.weights(
            srdl(tiny.trainer(tmp_path / folder, seed=seed), 4, SRDLOptions())["srdl"]
        )

    assert tiny.same(result("a", 0), result("b", 0))
    assert not tiny.same(result("c", 0), result("d", 1))


def test_the_program_is_short() -> None:
    import inspect

    import reid_srdl.methods.srdl as module

    assert len(inspect.getsource(module).splitlines()) < 120


@pytest.mark.parametrize("epochs", [2, 3])
def test_smallest_trainings_work(tmp_path: Path, epochs: int) -> None:
    assert len(rates(tmp_path, epochs)) == epochs
