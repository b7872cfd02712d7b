"""FitNet, AT, DKD and RKD: against plain loops, closed forms, and what each term reaches."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reid_srdl.errors import UserError
from reid_srdl.jobs.experiment import experiment
from reid_srdl.methods.at import ATOptions, Attention, at
from reid_srdl.methods.dkd import DKDOptions, dkd
from reid_srdl.methods.fitnet import FitNetOptions, fitnet
from reid_srdl.methods.kd import KDOptions, kd
from reid_srdl.methods.rkd import RKDOptions, rkd
from reid_srdl.models.build import build
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.weights import load_network, save_network
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.store import read_record, write_record
from reid_srdl.training import map_terms
from reid_srdl.training import trainer as trainer_file
from reid_srdl.training.terms import soft_kl
from tests.methods import exact
from tests.methods.test_kd import by_hand as distilled_by_hand
from tests.training import tiny
from tests.training.test_teachers import CONTENT, finished, origin

__all__ = ["finished"]

Told = Callable[[Any, Any, Any], Tensor]


def soft(T: float, z_s: Tensor, z_t: Tensor) -> Tensor:  # noqa: N803
    p = (z_t / T).softmax(1)
    return T**2 * (p * (p.log() - (z_s / T).log_softmax(1))).sum(1).mean()


def teacher_of(trainer: Any) -> Any:
    """Returns the network that the last phase consulted, in its own precision."""
    return copy.deepcopy(trainer.phases[-1].asked.frozen["teacher"].network).eval()


def by_hand(start: nn.Module, teacher: nn.Module, phase: str, loss: Told) -> nn.Module:
    """Five steps of cross-entropy and a term of the student's and the teacher's answers."""
    one, teacher = exact.Descent(start), copy.deepcopy(teacher).eval()
    needs = {"stages"} if one.net.stages else set()
    for batch in exact.batches(phase):
        own = one.net(batch.images, needs)
        with torch.no_grad():
            taught = teacher(batch.images, needs)
        one.down(F.cross_entropy(own.logits, batch.labels) + loss(own, taught, batch.labels))
    return one.net


def attended(own: Any, taught: Any, _labels: Tensor) -> Tensor:
    total = soft(3.0, own.logits, taught.logits)
    for ours, theirs in zip(own.stages.values(), taught.stages.values(), strict=True):
        a, b = (maps.pow(2).sum(1).flatten(1) for maps in (ours, theirs))
        a, b = a / a.norm(dim=1, keepdim=True), b / b.norm(dim=1, keepdim=True)
        total = total + 1000 * ((a - b) ** 2).mean()
    return total


def decoupled(own: Any, taught: Any, labels: Tensor) -> Tensor:
    p, q = ((z / 4).softmax(1) for z in (taught.logits, own.logits))
    tckd, nckd = [], []
    for row, y in enumerate(labels.tolist()):
        others = [c for c in range(p.shape[1]) if c != y]
        pt, qt = p[row, y], q[row, y]
        tckd.append(pt * (pt / qt).log() + (1 - pt) * ((1 - pt) / (1 - qt)).log())
        ph, qh = p[row, others] / (1 - pt), q[row, others] / (1 - qt)
        nckd.append((ph * (ph / qh).log()).sum())
    return 16 * (torch.stack(tckd).mean() + 8 * torch.stack(nckd).mean())


def related(own: Any, taught: Any, _labels: Tensor) -> Tensor:
    """Distances and angles of re-id, pair by pair and triple by triple."""

    def relations(x: Tensor) -> tuple[Tensor, Tensor]:
        n = range(len(x))
        far = {(i, j): (x[i] - x[j]).norm() for i in n for j in n if i != j}
        mu = torch.stack(list(far.values())).mean()
        cosines = []
        for j in n:
            for i in n:
                for k in n:
                    if j in (i, k):
                        cosines.append(x.new_zeros(()))
                    else:
                        a, b = x[i] - x[j], x[k] - x[j]
                        cosines.append((a @ b) / (a.norm() * b.norm()))
        return torch.stack([d / mu for d in far.values()]), torch.stack(cosines)

    (d_s, a_s), (d_t, a_t) = relations(own.features), relations(taught.features)
    return F.smooth_l1_loss(d_s, d_t) + 2 * F.smooth_l1_loss(a_s, a_t)


CASES: dict[str, tuple[Any, Any, str, Told, float]] = {
    "at": (at, ATOptions(teacher="staged"), "staged", attended, 1e-9),
    "dkd": (dkd, DKDOptions(teacher="wide", view="online"), "tiny", decoupled, 1e-9),
    "rkd": (rkd, RKDOptions(teacher="wide"), "tiny", related, 1e-9),
}


@pytest.mark.parametrize("name", CASES)
def test_a_method_is_its_plain_loop(tmp_path: Path, name: str) -> None:
    method, options, network, loss, most = CASES[name]
    trainer = exact.trainer(tmp_path, network)
    start = trainer.new_model().network
    done = method(trainer, 1, options)
    teacher = teacher_of(trainer)
    assert exact.gap(done, {name: by_hand(start, teacher, name, loss)}) < most


def hints_by_hand(student: Any, teacher: nn.Module, regressor: nn.Module) -> None:
    """Five steps of 1/2 |r(F_guided) - F_hint|^2 on the student's first two stages and r."""
    both = exact.Descent(nn.Sequential(student.trunk.stage1, student.trunk.stage2, regressor))
    for batch in exact.batches("hints"):
        with torch.no_grad():
            hint = teacher(batch.images, {"stages"}).stages["stage2"]
        both.down(0.5 * (both.net(batch.images) - hint).pow(2).mean())
    student.trunk.stage1, student.trunk.stage2, _ = both.net


def test_fitnet_is_its_plain_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[nn.Module] = []
    fitnet_file = sys.modules[fitnet.__module__]  # its name is the function's, too
    conv1x1 = fitnet_file.conv1x1

    def remembered(*args: Any) -> nn.Module:
        regressor: nn.Module = conv1x1(*args).double()
        made.append(copy.deepcopy(regressor))
        return regressor

    remembered.__qualname__ = "conv1x1"
    monkeypatch.setattr(fitnet_file, "conv1x1", remembered)
    trainer = exact.trainer(tmp_path, "staged")
    student = copy.deepcopy(trainer.new_model().network)
    done = fitnet(trainer, 2, FitNetOptions(teacher="staged", teacher_epochs=1, view="online"))
    teacher = teacher_of(trainer)

    hints_by_hand(student, teacher, made[-1])
    expected = by_hand(student, teacher, "kd", lambda own, t, _: soft(3.0, own.logits, t.logits))
    assert exact.gap(done, {"fitnet": expected}) < 1e-9


def test_the_hint_stage_moves_nothing_above_the_guided_layer(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path, network="staged")
    start = trainer.new_model()
    fitnet(trainer, 2, FitNetOptions(teacher="staged", guided="stage1", hint="stage3"))
    before, after = tiny.weights(start), tiny.weights(trainer.fitted("hints"))
    moved = {key.split(".")[1] for key in before if not torch.equal(before[key], after[key])}
    assert moved == {"stage1"}
    told = {phase.name: phase for phase in trainer.phases}
    assert told["hints"].step_work.backward < told["kd"].step_work.backward


@pytest.mark.parametrize(
    ("method", "options"),
    [
        (fitnet, FitNetOptions(teacher="staged")),
        (at, ATOptions(teacher="staged")),
        (dkd, DKDOptions(teacher="wide", view="online")),
        (rkd, RKDOptions(teacher="staged")),
    ],
)
def test_the_teacher_never_moves(
    tmp_path: Path, method: Any, options: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a weight nor a statistic of the copy that the steps consult."""
    consulted: list[Any] = []
    made = trainer_file.parts_of

    def remembered(*args: Any, **how: Any) -> Any:
        parts = made(*args, **how)
        consulted.extend(parts.frozen.values())
        return parts

    monkeypatch.setattr(trainer_file, "parts_of", remembered)
    trainer = tiny.trainer(tmp_path, network="staged")
    method(trainer, 4, options)
    teacher = tiny.weights(trainer.fitted("teacher"))
    assert len(consulted) == 1
    assert tiny.same(dict(consulted[0].state_dict()), teacher)


def test_maps_of_other_sizes_meet_at_the_smaller() -> None:
    large, small = torch.arange(16.0).view(1, 1, 4, 4), torch.ones(1, 2, 2, 3)
    ours, theirs = map_terms.of_one_size(large, small)
    assert ours.shape[2:] == theirs.shape[2:] == (2, 3)
    assert torch.equal(theirs, small)
    assert ours[0, 0, 0, 0] == pytest.approx((0 + 1 + 4 + 5) / 4)


def test_attention_of_equal_maps_is_alike_whatever_their_scale() -> None:
    maps = torch.randn(3, 4, 5, 6, dtype=torch.float64)
    assert torch.allclose(map_terms.attention(maps), map_terms.attention(7 * maps))
    assert torch.allclose(map_terms.attention(maps).norm(dim=1), torch.ones(3).double())


@pytest.mark.parametrize("T", [1.0, 4.0])
def test_kd_is_tckd_and_the_rest_of_nckd(T: float) -> None:  # noqa: N803
    z_t, z_s = torch.randn(2, 9, 7, dtype=torch.float64) * 3
    labels = torch.arange(9) % 7
    tckd, nckd = map_terms.decoupled(z_t, z_s, labels, T)
    p = (z_t / T).softmax(1)[torch.arange(9), labels]
    assert (tckd + (1 - p) * nckd).mean().item() == pytest.approx(soft_kl(z_t, z_s, T).item())


def test_decoupled_terms_are_finite_where_the_teacher_is_certain() -> None:
    z_t = torch.tensor([[60000.0, 0.0, -60000.0]])
    z_s = torch.zeros(1, 3, requires_grad=True)
    tckd, nckd = map_terms.decoupled(z_t, z_s, torch.tensor([0]), 1.0)
    (tckd + nckd).sum().backward()  # type: ignore[no-untyped-call]
    assert z_s.grad is not None
    assert torch.isfinite(tckd + nckd).all()
    assert torch.isfinite(z_s.grad).all()


def test_relations_of_three_points_by_hand() -> None:
    x = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]], dtype=torch.float64)  # sides 3, 4, 5
    psi = map_terms.relative_distances(x)
    assert torch.allclose(psi[0], torch.tensor([0.0, 3.0, 4.0]).double() / 4)
    assert psi[1, 2].item() == pytest.approx(5 / 4)
    cosines = map_terms.angles(x)
    assert cosines[0, 1, 2].item() == pytest.approx(0)  # the right angle
    assert cosines[1, 0, 2].item() == pytest.approx(3 / 5)
    assert cosines[2, 0, 1].item() == pytest.approx(4 / 5)


def test_relations_do_not_depend_on_scale_or_place() -> None:
    x = torch.randn(6, 5, dtype=torch.float64)
    for relation in (map_terms.relative_distances, map_terms.angles):
        assert torch.allclose(relation(x), relation(3 * x + 2))


def test_equal_features_have_a_gradient() -> None:
    x = torch.ones(4, 3, requires_grad=True)
    far, cosines = map_terms.relative_distances(x), map_terms.angles(x)
    (far.sum() + cosines.sum()).backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_a_teacher_equal_to_the_student_has_no_gradient_by_kl() -> None:
    z = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    soft_kl(z.detach(), z, 3.0).backward()  # type: ignore[no-untyped-call]
    assert z.grad is not None
    assert z.grad.abs().max() < 1e-15


@pytest.mark.parametrize(
    ("dataset", "weights"), [("walkers", (1.0, 2.0)), ("cifar100", (25.0, 50.0))]
)
def test_rkd_weighs_by_the_kind_of_task(
    tmp_path: Path, dataset: str, weights: tuple[float, float]
) -> None:
    planner = tiny.planner(name=dataset)
    rkd(planner, 1, RKDOptions(teacher="wide"))
    loss: Any = planner.phases[-1].asked.losses["rkd"]  # type: ignore[union-attr]
    assert (loss.lambda_D, loss.lambda_A) == weights


def other_run(finished: Path) -> Path:
    """A second finished run of the same data, of another seed."""
    run = finished.with_name("other-run")
    first = read_record(finished)
    made = first.model_copy(update={"name": "other-run", "seed": 1})
    write_record(run, made)
    network = build(NetworkSpec("resnet18", tiny.CLASSES), seed=2)
    save_network(RunFolder(run).weights(made.network), network, origin(made))
    return run


def test_several_finished_runs_teach_by_their_mean(tmp_path: Path, finished: Path) -> None:
    options = KDOptions(teacher=(f"{finished}", f"{other_run(finished)}"), temperature=2.0)
    trainer = tiny.trainer(tmp_path / "run", name="market1501", content=CONTENT)
    kd(trainer, 1, options)
    assert [phase.name for phase in trainer.phases] == ["knowledge", "knowledge-2", "kd"]
    assert len(trainer.teachers) == 2
    loss: Any = trainer.phases[-1].asked.losses["kd"]  # type: ignore[union-attr]
    tables = [tiny.table(trainer, loss.knowledge, number).double() for number in (0, 1)]
    assert not torch.equal(*tables)
    z = torch.randn(26, tiny.CLASSES, dtype=torch.float64)
    mean = sum((table / 2.0).softmax(1) for table in tables) / 2
    kl = (mean * (mean.log() - (z / 2.0).log_softmax(1))).sum(1).mean()
    assert soft_kl(tables, z, 2.0).item() == pytest.approx(kl.item())


@pytest.mark.parametrize("chosen", [{}, {"view": "online", "form": "lecture", "standardise": True}])
def test_five_steps_of_two_teachers_are_those_of_a_plain_loop(
    tmp_path: Path, finished: Path, chosen: dict[str, Any]
) -> None:
    runs = finished, other_run(finished)
    teachers = [load_network(RunFolder(run).weights(read_record(run).network)) for run in runs]
    options = KDOptions(teacher=tuple(map(str, runs)), **chosen)
    trainer = exact.trainer(tmp_path / "run", "tiny", name="market1501", content=CONTENT)
    expected = distilled_by_hand(trainer.new_model().network, "kd", teachers, options)
    assert exact.gap(kd(trainer, 1, options), {"kd": expected}) < 1e-9


def test_rkd_takes_a_teacher_of_other_people(tmp_path: Path, finished: Path) -> None:
    trainer = tiny.trainer(tmp_path / "run", name="walkers", content="f" * 32)
    with pytest.raises(UserError, match="trained on market1501"):
        dkd(trainer, 1, DKDOptions(teacher=f"{finished}"))
    rkd(trainer, 1, RKDOptions(teacher=f"{finished}"))
    assert {"distance", "angle", "ce"} == set(trainer.phases[-1].rows[-1].networks["rkd"].terms)


def test_rkd_refuses_a_teacher_of_other_normalisation(tmp_path: Path, finished: Path) -> None:
    trainer = tiny.trainer(tmp_path / "run", name="cifar100")
    with pytest.raises(UserError, match="normalised otherwise"):
        rkd(trainer, 1, RKDOptions(teacher=f"{finished}"))


def test_a_teacher_of_another_size_teaches_online_alone(tmp_path: Path, finished: Path) -> None:
    made = read_record(finished)
    network = build(NetworkSpec("resnet18", tiny.CLASSES, (32, 16)), seed=1)
    save_network(RunFolder(finished).weights(made.network), network, origin(made))
    trainer = tiny.trainer(tmp_path / "run", name="market1501", content=CONTENT)
    with pytest.raises(UserError, match="32 x 16"):
        kd(trainer, 1, KDOptions(teacher=f"{finished}"))
    kd(trainer, 1, KDOptions(teacher=f"{finished}", view="online"))
    assert trainer.phases[-1].rows[-1].networks["kd"].terms["kl"] > 0


@pytest.mark.parametrize(
    ("method", "options", "told"),
    [
        ("fitnet", {"guided": "nose"}, "no stage 'nose'"),
        ("fitnet", {"hint": "nose"}, "no stage 'nose'"),
        ("fitnet", {"hint_epochs": 4}, "at least 5"),
        ("fitnet", {"teacher": "torchvision:alexnet"}, "torchvision:alexnet does not take images"),
        ("at", {"teacher": "resnet18"}, "has 3 stages, its teacher resnet18 4"),
        ("kd", {"teacher": []}, "at least one"),
        ("kd", {"teacher": ["./a", "./a"]}, "stands there twice"),
        ("kd", {"teacher": ["resnet32"]}, "names finished runs"),
        ("rkd", {"temperature": 3}, "temperature"),
        ("dkd", {"beta": -1}, "beta"),
    ],
)
def test_what_makes_no_sense_is_refused_before_training(
    method: str, options: dict[str, Any], told: str
) -> None:
    tree = {
        "data": {"name": "cifar100"},
        "model": {"name": "resnet32"},
        "train": {"epochs": 4},
        "method": {"name": method, "teacher": "resnet32", **options},
    }
    with pytest.raises(UserError) as caught:
        experiment(tree)
    assert told in caught.value.what + (caught.value.hint or "")
    assert "model.name" not in caught.value.what  # it is the teacher that is wrong


def test_a_perceptron_has_no_attention_to_transfer() -> None:
    tree: dict[str, Any] = {
        "data": {"name": "mnist"},
        "model": {"name": "mlp-800"},
        "method": {"name": "at", "teacher": "mlp-1200"},
    }
    with pytest.raises(UserError, match="mlp-800 have maps of one place"):
        experiment(tree)
    tree["model"]["name"] = "resnet8"
    with pytest.raises(UserError, match="mlp-1200 have maps of one place"):
        experiment(tree)
    tree["method"] = {"name": "fitnet", "teacher": "mlp-1200"}  # hints of one place are hints
    experiment({**tree, "model": {"name": "mlp-800"}})


def test_maps_of_one_place_are_refused_by_their_shapes_too() -> None:
    def answer(size: int) -> Any:
        return SimpleNamespace(stages={"a": torch.zeros(2, 3, size, size)})

    loss = Attention(cast(Any, lambda outputs, batch: {}), (("a", "a"),), 1.0)
    outputs: Any = SimpleNamespace(own=answer(4), frozen={"teacher": answer(1)})
    with pytest.raises(UserError, match="maps of one place"):
        loss(outputs, cast(Any, None))
    outputs.frozen["teacher"] = answer(2)
    assert loss(outputs, cast(Any, None)).keys() == {"attention"}


def test_two_images_make_no_relations() -> None:
    tree = {
        "data": {"name": "cifar100"},
        "optim": {"batch_size": 2},
        "method": {"name": "rkd", "teacher": "resnet20"},
        "model": {"name": "resnet20"},
    }
    with pytest.raises(UserError, match="batches of 2 make no relations"):
        experiment(tree)
