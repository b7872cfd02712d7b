"""Generations against plain loops in float64: BAN, CWTM, DKPP, Label Refinery, SRDL's stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reid_srdl.data.batches import Batch
from reid_srdl.methods import METHODS
from reid_srdl.methods.cwtm import Confident
from reid_srdl.methods.dkpp import permuted
from reid_srdl.models.network import Output
from reid_srdl.training.losses import CrossEntropy, Outputs
from tests.methods import exact
from tests.training import tiny


def loss_by_hand(kind: str, z: Tensor, before: Tensor | None, batch: Any) -> Tensor:
    ce = F.cross_entropy(z, batch.labels, reduction="none")
    if before is None:
        return ce.mean()
    p = before.softmax(1)
    if kind == "cwtm":
        w = p.max(1).values
        return (w / w.sum() * ce).sum()
    if kind == "srdl":
        log_p3, log_q3 = (before / 3).log_softmax(1), (z / 3).log_softmax(1)
        return ce.mean() + 9 * (log_p3.exp() * (log_p3 - log_q3)).sum(1).mean()
    if kind == "dkpp":
        rows = []
        for one, draws in zip(p, batch.draws, strict=True):
            top = int(one.argmax())
            places = [j for j in range(len(one)) if j != top]
            taken = sorted(places, key=lambda j, draws=draws: float(draws[j]))
            own = one.clone()
            own[places] = one[taken]
            rows.append(own)
        p = torch.stack(rows)
    soft = -(p * z.log_softmax(1)).sum(1).mean()
    if kind == "label-refinery":
        return soft + (p * p.log()).sum(1).mean()
    return soft + (ce.mean() if kind == "ban+l" else 0)


def by_hand(kind: str, starts: list[nn.Module], phases: list[str]) -> list[nn.Module]:
    """Trains each network for five steps, all but the first by the one before it."""
    images = exact.images()
    clean = list(images.images.in_order(len(images)))
    done: list[Any] = []
    for start, phase in zip(starts, phases, strict=True):
        hand, table = exact.Descent(start), None
        if done and kind != "label-refinery":
            with torch.no_grad():
                table = torch.cat([done[-1].eval()(x).logits for x in clean]).half().double()
        for batch in images.epoch(exact.BATCH, 0, phase, 0, draws=3 if kind == "dkpp" else 0):
            before = None if table is None else table[batch.index]
            if done and table is None:
                before = done[-1].eval()(batch.images).logits.detach()
            hand.down(loss_by_hand(kind, hand.net(batch.images).logits, before, batch))
        done.append(hand.net)
    return done


@pytest.mark.parametrize("kind", ["ban", "ban+l", "cwtm", "dkpp", "label-refinery", "srdl"])
def test_three_networks_are_those_of_a_plain_loop(tmp_path: Path, kind: str) -> None:
    srdl = kind == "srdl"
    phases = ["first", "second", "stage-3"] if srdl else [f"generation-{k}" for k in (1, 2, 3)]
    draws = ["init", "restart", "restart-2"] if srdl else ["init", *phases[1:]]
    ours = exact.trainer(tmp_path, "tiny")
    hand = by_hand(kind, [ours.new_model(draw).network for draw in draws], phases)
    name = kind.removesuffix("+l")
    method = METHODS[name]
    chosen: dict[str, Any] = {"stages": 3} if srdl else {"generations": 3}
    if kind == "ban+l":
        chosen["labels"] = True
    done = method.program(ours, 3, method.options(**chosen))
    assert next(iter(done)) == name
    assert [phase.name for phase in ours.phases if phase.kind == "fit"] == phases
    if not srdl:
        assert tuple(done) == (name, "generation-1", "generation-2")
        assert ours.ensembles == [f"{name}+generation-1+generation-2"]
    expected = dict(zip(phases, hand, strict=True))
    expected[name] = expected.pop(phases[-1])
    assert exact.gap(done, {key: expected[key] for key in done}) < 1e-9


def test_permuted_predictions_keep_their_argmax_and_values() -> None:
    generator = torch.Generator().manual_seed(0)
    p = torch.randn(400, 5, generator=generator).softmax(1)
    draws = torch.rand(400, 5, generator=generator)
    q = permuted(p, draws)
    assert torch.equal(q.argmax(1), p.argmax(1))
    assert torch.equal(q.sort(1).values, p.sort(1).values)
    assert 300 < int((q != p).any(1).sum()) < 400  # of 24 orders one leaves all as it is


def test_confidence_weighs_labels_as_the_paper_does() -> None:
    """Maxima 0.9 and 0.5 give weights 0.642857 and 0.357143; a hidden label has none."""
    p = torch.tensor([[0.9, 0.06, 0.04], [0.3, 0.5, 0.2], [0.2, 0.2, 0.6]])
    z = torch.zeros(3, 3, requires_grad=True)

    class Known:
        def logits(self, _outputs: object, _batch: object) -> tuple[Tensor, ...]:
            return (p.log(),)

    weight = torch.tensor([1.0, 1.0, 0.0])
    batch = Batch(torch.zeros(3), torch.tensor([0, 1, 2]), torch.arange(3), weight)
    loss = Confident(CrossEntropy(), Known(), 1.0, False)  # type: ignore[arg-type]
    terms = loss(Outputs(Output(z, z, z), {}, {}, {}), batch)
    terms["weighted_ce"].backward()
    assert z.grad is not None
    w = -z.grad.diagonal() / (2 / 3)  # d(-log q_y) / dz_y = 1/3 - 1
    assert w.tolist() == pytest.approx([0.642857, 0.357143, 0.0], abs=1e-6)


def test_epochs_are_shared_and_the_last_takes_what_is_left() -> None:
    for name, chosen in (("ban", {"generations": 3}), ("srdl", {"stages": 3})):
        planner = tiny.planner()
        METHODS[name].program(planner, 8, METHODS[name].options(**chosen))
        assert [p.epochs for p in planner.phases if p.kind == "fit"] == [2, 2, 4]
