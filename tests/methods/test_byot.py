"""Be Your Own Teacher and deeply supervised nets: plain loops, identities, where gradients stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from reid_srdl.data.batches import Batch
from reid_srdl.errors import UserError
from reid_srdl.jobs.dry_run import plan
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.rehearsal import rehearse
from reid_srdl.jobs.train import train
from reid_srdl.methods.byot import (
    BYOTOptions,
    DeeplySupervised,
    DSNOptions,
    SelfDistilled,
    byot,
    dsn,
)
from reid_srdl.models.build import build
from reid_srdl.models.changes import Branches
from reid_srdl.models.part import part
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.records.cost import BranchFacts
from reid_srdl.records.run import RunRecord
from reid_srdl.training.losses import CrossEntropy, Outputs
from tests.methods import exact
from tests.small_set import write_small_set
from tests.training import tiny

NAMES = ["branch1", "branch2"]


def by_hand(trainer: Any, options: BYOTOptions, hidden: int, name: str) -> dict[str, Any]:
    """Five steps of sum_i (1 - a) CE(q_i, y) + a T^2 KL(q_C || q_i) + lambda |F_i - F_C|^2."""
    hand = exact.Descent(trainer.new_model(changes=(Branches(),)).network)
    for batch in exact.batches("branched", hidden):
        deepest = hand.net(batch.images, {"branches"})
        known, T = batch.weight, options.temperature  # noqa: N806

        def ce(z: torch.Tensor, batch: Any = batch, known: Any = known) -> torch.Tensor:
            each = F.cross_entropy(z, batch.labels, reduction="none")
            return (known * each).sum() / known.sum().clamp(min=1)

        def softened(z: torch.Tensor, T: float = T) -> torch.Tensor:  # noqa: N803
            if options.standardise:
                z = (z - z.mean(1, keepdim=True)) / z.std(1, correction=0, keepdim=True)
            return (z / T).softmax(1)

        loss = ce(deepest.logits)
        q_C, F_C = softened(deepest.logits.detach()), deepest.pooled.detach()  # noqa: N806
        for one in deepest.branches.values():
            loss = loss + (1 - options.alpha) * ce(one.logits)
            kl = (q_C * (q_C.log() - softened(one.logits).log())).sum(1).mean()
            loss = loss + options.alpha * T**2 * kl
            loss = loss + options.features * (one.pooled - F_C).square().sum(1).mean()
        hand.down(loss)
    return {name: part(hand.net, "trunk"), **{n: part(hand.net, n) for n in NAMES}}


@pytest.mark.parametrize("hidden", [0, 20])
@pytest.mark.parametrize(
    "options",
    [{}, {"alpha": 0.6, "features": 0.01, "temperature": 2.0}, {"standardise": True}],
)
def test_five_steps_are_those_of_a_plain_loop(
    tmp_path: Path, options: dict[str, Any], hidden: int
) -> None:
    chosen = BYOTOptions(**options)
    expected = by_hand(exact.trainer(tmp_path / "hand", "staged"), chosen, hidden, "byot")
    done = byot(exact.trainer(tmp_path / "run", "staged", hidden), 1, chosen)
    assert exact.gap(done, expected) < 1e-9


def test_deeply_supervised_nets_are_those_of_a_plain_loop(tmp_path: Path) -> None:
    none = BYOTOptions(alpha=0, features=0)
    expected = by_hand(exact.trainer(tmp_path / "hand", "staged"), none, 0, "dsn")
    done = dsn(exact.trainer(tmp_path / "run", "staged"), 1, DSNOptions())
    assert exact.gap(done, expected) < 1e-9


def test_without_its_weights_it_is_a_deeply_supervised_net(tmp_path: Path) -> None:
    none = byot(exact.trainer(tmp_path, "staged"), 1, BYOTOptions(alpha=0, features=0))
    other = dsn(exact.trainer(tmp_path, "staged"), 1, DSNOptions())
    expected = {name: model.network for name, model in other.items()}
    assert exact.gap({"dsn": none.pop("byot"), **none}, expected) < 1e-12


def moved_by(term: str, loss: Any) -> set[str]:
    """Returns which parts of a network a term's gradient reaches."""
    network = build(NetworkSpec("staged", 3, tiny.SIZE, changes=(Branches(),)), seed=0)
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(8, 3, *tiny.SIZE, generator=draw)
    labels = torch.arange(8) % 3
    batch = Batch(images, labels, torch.arange(8), torch.ones(8))
    outputs = Outputs(network(images, {"branches"}), {}, {}, {})
    loss(outputs, batch)[term].backward()
    reached = set()
    for name, weight in network.named_parameters():
        if weight.grad is not None and bool(weight.grad.abs().sum() > 0):
            room, inner, *_ = name.split(".")
            reached.add(inner if room in ("trunk", "branches") else room)
    return reached


REACHED = {
    "ce": {"stage1", "stage2", "stage3", "classifier"},
    "branch1_ce": {"stage1", "branch1"},
    "branch1_kl": {"stage1", "branch1"},
    "branch1_l2": {"stage1", "branch1"},
    "branch2_kl": {"stage1", "stage2", "branch2"},
    "branch2_l2": {"stage1", "stage2", "branch2"},
}


@pytest.mark.parametrize("term", REACHED)
def test_which_parts_each_term_reaches(term: str) -> None:
    """The deepest classifier, and what only it stands on, learn from the labels alone."""
    assert moved_by(term, SelfDistilled(CrossEntropy(), 0.1, 0.1, 3.0)) == REACHED[term]


def test_the_labels_of_a_deeply_supervised_net_reach_the_same() -> None:
    loss = DeeplySupervised(CrossEntropy())
    assert moved_by("branch2_ce", loss) == REACHED["branch2_kl"]
    assert moved_by("ce", loss) == REACHED["ce"]


@pytest.mark.parametrize("network", ["tiny", "torchvision:vit_b_16"])
@pytest.mark.parametrize("method", ["byot", "dsn"])
def test_a_network_without_stages_is_told_before_any_data(network: str, method: str) -> None:
    tree = {"method": {"name": method}, "model": {"name": network}, "train": {"epochs": 2}}
    tree["data"] = {"height": 224, "width": 224}
    with pytest.raises(UserError, match=rf"{method} has .*: {network} has no stages") as caught:
        experiment(tree)
    assert "resnet18" in caught.value.hint
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"alpha": 1.5}, "method.alpha"),
        ({"features": -1}, "method.features"),
        ({"beta": 1}, "beta"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], what: str) -> None:
    with pytest.raises(UserError, match=what):
        experiment({"method": {"name": "byot", **options}})


@pytest.mark.parametrize(
    ("network", "stages"),
    [("wrn-28-10", 3), ("densenet-bc-190-40", 3), ("densenet121", 4), ("torchvision:vgg16_bn", 5)],
)
def test_every_family_has_its_branches(network: str, stages: int) -> None:
    tree = {"method": {"name": "byot"}, "model": {"name": network}, "train": {"epochs": 1}}
    done = rehearse(experiment(tree))
    branches = [f"branch{number}" for number in range(1, stages)]
    assert list(done.returned) == ["byot", *branches]
    assert done.ensembles == ("+".join(["byot", *branches]),)
    spec = NetworkSpec(network, 10, (64, 32), changes=(Branches(),))
    with torch.device("meta"):
        made = build(spec, seed=0)
        seen = made(torch.empty(2, 3, 64, 32), {"branches"})
    assert list(seen.branches) == branches
    assert {one.pooled.shape for one in seen.branches.values()} == {seen.pooled.shape}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path / "cache"))
    write_small_set(tmp_path / "set")
    return tmp_path


@pytest.mark.parametrize("method", ["byot", "dsn"])
def test_people_under_a_recipe_with_centres(place: Path, method: str) -> None:
    """Each classifier and their ensemble are judged; the record tells what a branch is made of."""
    tree = {
        "data": {"height": 32, "width": 16, "name": "folder", "dir": place / "set"},
        "model": {"name": "staged", "pooling": "gem", "neck": "bnneck"},
        "method": {"name": method},
        "optim": {"batch_size": 8},
        "loss": {"triplet": {"weight": 1.0}, "centre": {"weight": 0.0005}, "smoothing": 0.1},
        "sampler": {"identities": 4, "images": 2},
        "train": {"epochs": 1, "precision": "fp32", "threads": 1, "device": "cpu"},
        "run": {"dir": place / "runs", "name": "r"},
    }
    planned = plan(experiment(tree))
    record = train(experiment(tree))
    names = [method, "branch1", "branch2"]
    assert list(record.results) == [*names, "+".join(names)]
    assert all(record.results.values())
    terms = record.phases[0].network.loss
    own = {"smoothed_ce", "triplet", "centre"}
    assert own | {f"{branch}_{term}" for branch in NAMES for term in own} <= terms.keys()
    # branch1 has a bottleneck for stage 2 and one for stage 3; 6 people.
    first, second = 4 * 1 + 9 * 1 + 1 * 6 + 2 * (1 + 1 + 6), 6 * 2 + 9 * 4 + 2 * 8 + 2 * (2 + 2 + 8)
    end = 1 + 8 + 8 * 6  # GeM's exponent, the neck's scales, a classifier without bias
    told = {name: facts.model_dump(mode="json") for name, facts in branches_of(record).items()}
    assert told["branch1"] == {
        "layers": [
            "bottleneck 4 -> 6, stride 2",
            "bottleneck 6 -> 8, stride 2",
            "GeM pooling",
            "batch norm of 8",
            "linear 8 -> 6",
        ],
        "parameters": first + second + end,
    }
    assert told["branch2"]["parameters"] == second + end
    assert planned["phases"][0]["networks"]["branched"]["branches"] == told
    assert planned["networks"] == list(record.results)
    file = place / "runs/r/weights" / f"{method}.safetensors"
    assert not [key for key in load_file(file) if "branch" in key]  # the trunk alone


def branches_of(record: RunRecord) -> dict[str, BranchFacts]:
    return record.phases[0].network.branches
