import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from reid_srdl.data.batches import Batch
from reid_srdl.errors import UserError
from reid_srdl.methods.kd import Balanced
from reid_srdl.methods.srdl import Referenced
from reid_srdl.models.network import Output
from reid_srdl.training.extraction import to_half
from reid_srdl.training.keys import key_of
from reid_srdl.training.losses import CrossEntropy, Loss, Outputs, modules_of, needs_of
from reid_srdl.training.terms import soft_cross_entropy, soft_kl
from reid_srdl.training.values import Knowledge

KNOWN = Knowledge("known", ("table",))
Z_STAR = torch.tensor([[3.0, 1.0, 0.0]], dtype=torch.float64)
Z = torch.tensor([[1.0, 2.0, 0.0]], dtype=torch.float64)
LABEL = torch.tensor([0])


def batch(labels: Tensor, known: Tensor | None = None) -> Batch:
    images, weight = torch.zeros(len(labels), 3, 2, 2), torch.ones(len(labels))
    rows = {} if known is None else {"table": known}
    return Batch(images, labels, labels, weight, known=rows)


def outputs(logits: Tensor) -> Outputs:
    nothing = torch.zeros(len(logits), 1)
    return Outputs(Output(logits, nothing, nothing), {}, {}, {})


def referenced(temperature: float) -> Referenced:
    return Referenced(CrossEntropy(), KNOWN, temperature)


def balanced(temperature: float, alpha: float) -> Balanced:
    return Balanced(CrossEntropy(), KNOWN, temperature, alpha)


def test_cross_entropy_is_eq_2_with_its_minus_sign() -> None:
    terms = CrossEntropy()(outputs(Z), batch(LABEL))
    assert terms["ce"].item() == pytest.approx(1.40760596, abs=1e-8)


@pytest.mark.parametrize(
    ("temperature", "expected"), [(1, 0.81115421), (3, 0.90072718), (4, 0.88117853)]
)
def test_soft_kl_has_the_closed_form_value(temperature: float, expected: float) -> None:
    value = temperature**2 * soft_kl(Z_STAR, Z, temperature).item()
    assert value == pytest.approx(expected, abs=1e-8)


def test_referenced_is_eq_7_with_its_gradient() -> None:
    z = Z.clone().requires_grad_()
    terms = referenced(3.0)(outputs(z), batch(LABEL, Z_STAR.float()))
    total = terms["ce"] + terms["kl"]
    total.backward()
    assert total.item() == pytest.approx(2.30833315, abs=1e-6)  # knowledge is read as float32
    assert z.grad is not None
    expected = torch.tensor([[-1.38595069, 1.19184555, 0.19410514]], dtype=torch.float64)
    assert torch.allclose(z.grad, expected, atol=1e-6)


def test_balanced_is_the_lectures_form() -> None:
    terms = balanced(4.0, 0.9)(outputs(Z), batch(LABEL, Z_STAR.float()))
    assert sum(terms.values()).item() == pytest.approx(16.02689873, abs=1e-6)
    assert "ce" not in terms  # that name is for the plain cross-entropy


@given(st.floats(0, 1), st.sampled_from([1.0, 3.0, 4.0]))
def test_both_forms_of_distillation_pull_alike(alpha: float, temperature: float) -> None:
    """The gradient of (1-a) CE + a T^2 CE(p, q) is that of (1-a) CE + a T^2 KL(p || q)."""
    gradients = []
    for total in (
        lambda z: sum(
            balanced(temperature, alpha)(outputs(z), batch(LABEL, Z_STAR.float())).values()
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
    terms = CrossEntropy()(outputs(torch.zeros(2, 751)), batch(torch.tensor([3, 700])))
    assert terms["ce"].item() == pytest.approx(math.log(751), abs=1e-5)


def test_hidden_labels_weigh_nothing() -> None:
    """sum(w l) / max(sum w, 1): a plain loop over the samples that count."""
    z = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    labels, weight = torch.tensor([0, 1, 2, 3, 0]), torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0])
    weighted = replace(batch(labels), weight=weight)
    own = [-F.log_softmax(z, 1)[i, labels[i]].item() for i in (0, 2, 3)]
    value = CrossEntropy()(outputs(z), weighted)["ce"].item()
    assert value == pytest.approx(sum(own) / 3, rel=1e-6)
    nothing = replace(weighted, weight=torch.zeros(5))
    assert CrossEntropy()(outputs(z), nothing)["ce"].item() == 0


def test_several_teachers_are_softened_then_averaged() -> None:
    generator = torch.Generator().manual_seed(0)
    one, other, z = (torch.randn(5, 7, generator=generator) for _ in range(3))
    p = (F.softmax(one / 3, 1) + F.softmax(other / 3, 1)) / 2
    oracle = F.kl_div(F.log_softmax(z / 3, 1), p, reduction="batchmean")
    assert soft_kl((one, other), z, 3.0).item() == pytest.approx(oracle.item(), rel=1e-5)
    oracle = F.cross_entropy(z / 3, p)
    assert soft_cross_entropy((one, other), z, 3.0).item() == pytest.approx(oracle.item(), rel=1e-5)


def test_knowledge_survives_float16_where_probabilities_would_not() -> None:
    kept = to_half(torch.tensor([[1e6, -1e6, 20.0]])).float()
    assert torch.isfinite(kept).all()
    assert kept.argmax() == 0


def test_a_loss_is_known_by_every_field_of_it() -> None:
    other = Knowledge("other", ("table",))
    losses = (
        CrossEntropy(),
        referenced(3.0),
        referenced(4.0),
        replace(referenced(3.0), knowledge=other),
        balanced(3.0, 0.9),
        balanced(4.0, 0.9),
        balanced(4.0, 0.5),
        replace(balanced(4.0, 0.5), labels=referenced(3.0)),
    )
    assert len({key_of(loss=loss) for loss in losses}) == len(losses)
    assert key_of(loss=referenced(3.0)) == key_of(loss=referenced(3.0))


def test_needs_and_modules_of_nested_losses_are_found() -> None:
    @dataclass(frozen=True)
    class Inner(Loss):
        needs: ClassVar[frozenset[str]] = frozenset({"stages"})

        @property
        def modules(self) -> Any:
            return {"centres": torch.nn.Identity}

    @dataclass(frozen=True)
    class Outer(Loss):
        needs: ClassVar[frozenset[str]] = frozenset({"draws"})
        parts: tuple[Any, ...]

    @dataclass(frozen=True)
    class Asks(Loss):
        needs: ClassVar[frozenset[str]] = frozenset({"moon"})

    assert needs_of(Outer((Inner(),))) == {"stages", "draws"}
    assert list(modules_of(Outer((Inner(),)))) == ["centres"]
    with pytest.raises(UserError, match="two modules named 'centres'"):
        modules_of(Outer((Inner(), Inner())))
    with pytest.raises(UserError, match="asks for moon"):
        needs_of(Asks())
    with pytest.raises(TypeError, match="no key can name a set"):
        key_of(loss=Outer(({1, 2},)))
