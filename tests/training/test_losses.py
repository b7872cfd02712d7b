import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from reid_srdl.data.batches import Batch
from reid_srdl.models.network import Output
from reid_srdl.training.knowledge import Knowledge, to_half
from reid_srdl.training.losses import (
    balanced,
    cross_entropy,
    referenced,
    soft_cross_entropy,
    soft_kl,
)

Z_STAR = torch.tensor([[3.0, 1.0, 0.0]], dtype=torch.float64)
Z = torch.tensor([[1.0, 2.0, 0.0]], dtype=torch.float64)
LABEL = torch.tensor([0])


def batch(labels: Tensor, index: Tensor) -> Batch:
    return Batch(torch.zeros(len(labels), 3, 2, 2), labels, index)


def output(logits: Tensor) -> Output:
    return Output(logits, torch.zeros(len(logits), 1))


def test_cross_entropy_is_eq_2_with_its_minus_sign() -> None:
    terms = cross_entropy(output(Z), batch(LABEL, LABEL))
    assert terms["ce"].item() == pytest.approx(1.40760596, abs=1e-8)


@pytest.mark.parametrize(
    ("temperature", "expected"), [(1, 0.81115421), (3, 0.90072718), (4, 0.88117853)]
)
def test_soft_kl_has_the_closed_form_value(temperature: float, expected: float) -> None:
    value = temperature**2 * soft_kl(Z_STAR, Z, temperature).item()
    assert value == pytest.approx(expected, abs=1e-8)


def test_referenced_is_eq_7_with_its_gradient() -> None:
    knowledge = Knowledge(torch.tensor([[9.0, 9.0, 9.0], [3.0, 1.0, 0.0]]).half(), "key")
    z = Z.clone().requires_grad_()
    terms = referenced(knowledge, 3.0)(output(z), batch(LABEL, torch.tensor([1])))
    total = terms["ce"] + terms["kl"]
    total.backward()
    assert total.item() == pytest.approx(2.30833315, abs=1e-6)  # knowledge is read as float32
    assert z.grad is not None
    expected = torch.tensor([[-1.38595069, 1.19184555, 0.19410514]], dtype=torch.float64)
    assert torch.allclose(z.grad, expected, atol=1e-6)


def test_balanced_is_the_lectures_form() -> None:
    knowledge = Knowledge(Z_STAR.half(), "key")
    terms = balanced(knowledge, 4.0, 0.9)(output(Z), batch(LABEL, LABEL))
    assert sum(terms.values()).item() == pytest.approx(16.02689873, abs=1e-6)
    assert "ce" not in terms  # that name is for the plain cross-entropy


@given(st.floats(0, 1), st.sampled_from([1.0, 3.0, 4.0]))
def test_both_forms_of_distillation_pull_alike(alpha: float, temperature: float) -> None:
    """The gradient of (1-a) CE + a T^2 CE(p, q) is that of (1-a) CE + a T^2 KL(p || q)."""
    knowledge = Knowledge(Z_STAR.half(), "key")
    gradients = []
    for total in (
        lambda z: sum(
            balanced(knowledge, temperature, alpha)(output(z), batch(LABEL, LABEL)).values()
        ),
        lambda z: (
            (1 - alpha) * F.cross_entropy(z, LABEL)
            + alpha * temperature**2 * soft_kl(Z_STAR, z, temperature)
        ),
    ):
        z = Z.clone().requires_grad_()
        total(z).backward()
        gradients.append(z.grad)
    assert torch.allclose(gradients[0], gradients[1], atol=1e-6)


def test_soft_cross_entropy_is_pytorchs_with_probabilities() -> None:
    generator = torch.Generator().manual_seed(0)
    z_star, z = (torch.randn(5, 7, generator=generator) for _ in range(2))
    oracle = F.cross_entropy(z / 3, F.softmax(z_star / 3, 1))
    assert soft_cross_entropy(z_star, z, 3.0).item() == pytest.approx(oracle.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("temperature", "error"), [(1, 0.19), (10, 0.052), (100, 0.0056), (1000, 0.00057)]
)
def test_high_temperature_gradient_tends_to_centred_difference(
    temperature: float, error: float
) -> None:
    z = Z.clone().requires_grad_()
    (temperature**2 * soft_kl(Z_STAR, z, temperature)).backward()
    difference = Z - Z_STAR
    limit = (difference - difference.mean()) / 3
    assert z.grad is not None
    relative = ((z.grad - limit).abs().max() / limit.abs().max()).item()
    assert relative == pytest.approx(error, rel=0.02)


@given(st.floats(-50, 50), st.sampled_from([1.0, 3.0, 10.0]))
def test_shifted_logits_are_the_same_knowledge(shift: float, temperature: float) -> None:
    z = (Z_STAR + shift).requires_grad_()
    value = temperature**2 * soft_kl(Z_STAR, z, temperature)
    value.backward()
    assert z.grad is not None
    assert abs(value.item()) < 1e-12
    assert z.grad.abs().max() < 1e-12


def test_soft_kl_is_pytorchs_batch_mean() -> None:
    generator = torch.Generator().manual_seed(0)
    z_star, z = (torch.randn(5, 7, generator=generator) for _ in range(2))
    oracle = F.kl_div(
        F.log_softmax(z / 3, 1),
        F.log_softmax(z_star / 3, 1),
        reduction="batchmean",
        log_target=True,
    )
    assert soft_kl(z_star, z, 3.0).item() == pytest.approx(oracle.item(), rel=1e-5)


def test_uniform_prediction_over_751_identities() -> None:
    terms = cross_entropy(output(torch.zeros(2, 751)), batch(torch.tensor([3, 700]), LABEL))
    assert terms["ce"].item() == pytest.approx(math.log(751), abs=1e-5)


def test_knowledge_survives_float16_where_probabilities_would_not() -> None:
    logits = torch.tensor([[1e6, -1e6, 20.0]])
    kept = Knowledge(to_half(logits), "key").logits_of(torch.tensor([0]))
    assert torch.isfinite(kept).all()
    assert kept.argmax() == 0


def test_a_loss_key_names_temperature_and_knowledge() -> None:
    knowledge = Knowledge(torch.zeros(1, 3).half(), "abc")
    losses = (
        cross_entropy,
        referenced(knowledge, 3.0),
        referenced(knowledge, 4.0),
        balanced(knowledge, 3.0, 0.9),
        balanced(knowledge, 4.0, 0.9),
        balanced(knowledge, 4.0, 0.5),
    )
    assert len({loss.key for loss in losses}) == len(losses)
    assert "abc" in referenced(knowledge, 3.0).key
