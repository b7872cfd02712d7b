"""Where soft targets come from: tables, or networks that see the very crops; z-scores of logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from reid_srdl.methods.kd import KDOptions, kd
from reid_srdl.methods.srdl import SRDLOptions, srdl
from reid_srdl.training.terms import soft_cross_entropy, soft_kl, softened, standardised
from tests.training import tiny


def test_a_teacher_online_leaves_no_table(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path)
    kd(trainer, 1, KDOptions(teacher="wide", view="online"))
    assert [phase.kind for phase in trainer.phases] == ["fit", "fit"]  # nothing is extracted


def test_a_teacher_online_costs_a_forward_pass_per_step(tmp_path: Path) -> None:
    work = {}
    for view in ("clean", "online"):
        trainer = tiny.trainer(tmp_path / view)
        kd(trainer, 1, KDOptions(teacher="tiny", view=view))  # type: ignore[arg-type]
        work[view] = trainer.phases[-1].step_work
    forward = work["clean"].forward
    assert work["online"].forward == 2 * forward
    assert work["online"].backward == work["clean"].backward


def test_srdl_online_consults_its_first_stage(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path)
    srdl(trainer, 2, SRDLOptions(view="online"))
    first, second = (phase.asked for phase in trainer.phases)
    assert first.frozen == {}  # type: ignore[union-attr]
    (consulted,) = second.frozen.values()  # type: ignore[union-attr]
    assert consulted.key == trainer.fitted("first").key


def test_z_scores_have_mean_zero_and_deviation_one() -> None:
    z = torch.randn(5, 7, dtype=torch.float64) * 4 + 3
    scores = standardised(z)
    assert torch.allclose(scores.mean(1), torch.zeros(5, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(scores.square().mean(1), torch.ones(5, dtype=torch.float64))


def test_standardised_targets_forget_scale_and_shift_of_each_row() -> None:
    z = torch.randn(5, 7, dtype=torch.float64)
    moved = 3 * z - torch.arange(5.0, dtype=torch.float64)[:, None]
    assert torch.allclose(softened(z, 2.0, True), softened(moved, 2.0, True))
    assert soft_kl(z, moved, 2.0, True).item() == pytest.approx(0, abs=1e-12)
    assert soft_kl(z, moved, 2.0).item() > 0.1


def test_standardised_softening_is_that_of_z_scores() -> None:
    a, b = torch.randn(2, 5, 7, dtype=torch.float64)
    scores = standardised(a), standardised(b)
    for term in (soft_kl, soft_cross_entropy):
        assert torch.equal(term(a, b, 2.0, True), term(*scores, 2.0))


def test_equal_logits_have_a_gradient() -> None:
    z = torch.ones(2, 4, requires_grad=True)
    soft_kl(torch.randn(2, 4), z, 2.0, True).backward()  # type: ignore[no-untyped-call]
    assert z.grad is not None
    assert torch.isfinite(z.grad).all()


@pytest.mark.parametrize(("method", "options"), [(srdl, SRDLOptions), (kd, KDOptions)])
def test_the_option_reaches_the_loss(tmp_path: Path, method: Any, options: Any) -> None:
    taught = {"teacher": "wide"} if method is kd else {}
    keys = set()
    for on in (False, True):
        trainer = tiny.trainer(tmp_path)
        method(trainer, 2, options(standardise=on, **taught))
        keys.add(trainer.phases[-1].key)
    assert len(keys) == 2
