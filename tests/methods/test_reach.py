"""Which parameters each term of each method reaches, in every phase: these, and no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from reid_srdl.methods import METHODS
from reid_srdl.training.step import Step
from tests.methods.test_family import OPTIONS
from tests.training import tiny

WHOLE = "stage1 stage2 stage3 classifier"
TRUNK = "stage1 stage2 stage3"
BY_LABELS = {"ce": WHOLE}
TAUGHT = {"teacher": BY_LABELS}  # a teacher that is trained here
BRANCH1, BRANCH2 = "stage1 branch1", "stage1 stage2 branch2"

# For each phase, by network and term. Peers, teachers and earlier generations are reached by none.
REACHED: dict[str, list[dict[str, dict[str, str]]]] = {
    "vanilla": [{"vanilla": BY_LABELS}],
    "srdl": [{"first": BY_LABELS}, {"second": {"ce": WHOLE, "kl": WHOLE}}],
    "kd": [TAUGHT, {"kd": {"ce": WHOLE, "kl": WHOLE}}],
    "fitnet": [
        TAUGHT,
        {"hints": {"hint": "stage1 stage2 regressor"}},  # nothing above the guided layer
        {"kd": {"ce": WHOLE, "kl": WHOLE}},
    ],
    "at": [TAUGHT, {"at": {"ce": WHOLE, "kl": WHOLE, "attention": TRUNK}}],
    "rkd": [TAUGHT, {"rkd": {"ce": WHOLE, "distance": TRUNK, "angle": TRUNK}}],
    "dkd": [TAUGHT, {"dkd": {"ce": WHOLE, "tckd": WHOLE, "nckd": WHOLE}}],
    "byot": [
        {
            "branched": {
                "ce": WHOLE,  # the deepest classifier learns from the labels alone
                **{f"branch1_{term}": BRANCH1 for term in ("ce", "kl", "l2")},
                **{f"branch2_{term}": BRANCH2 for term in ("ce", "kl", "l2")},
            }
        }
    ],
    "dsn": [{"branched": {"ce": WHOLE, "branch1_ce": BRANCH1, "branch2_ce": BRANCH2}}],
    "dml": [{"dml": {"ce": WHOLE, "kl": WHOLE}, "dml-2": {"ce": WHOLE, "kl": WHOLE}}],
    "entropy": [{"entropy": {"ce": WHOLE, "entropy": WHOLE}}],
    "transfer": [{"source": BY_LABELS}, {"transfer": {"ce": "stage2 stage3 classifier"}}],
    "ban": [{"generation-1": BY_LABELS}, {"generation-2": {"soft_ce": WHOLE}}],
    "cwtm": [{"generation-1": BY_LABELS}, {"generation-2": {"weighted_ce": WHOLE}}],
    "dkpp": [{"generation-1": BY_LABELS}, {"generation-2": {"soft_ce": WHOLE}}],
    "label-refinery": [{"generation-1": BY_LABELS}, {"generation-2": {"kl": WHOLE}}],
}


def rooms(module: nn.Module, name: str) -> dict[str, list[nn.Parameter]]:
    """Returns the parameters of a module by the part that they stand in."""
    found: dict[str, list[nn.Parameter]] = {}
    for path, weight in module.named_parameters():
        room, _, inner = path.partition(".")
        room = inner.partition(".")[0] if room in ("trunk", "branches") else room
        found.setdefault(f"{name}:{room}" if name else room, []).append(weight)
    return found


def reached(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch, **more: Any
) -> list[dict[str, dict[str, str]]]:
    """Returns, for each phase, which parts each term of each network has a gradient in."""
    phases: dict[int, dict[str, dict[str, str]]] = {}
    answered = Step._answer

    def answer(self: Step, own: str, *given: Any) -> Any:
        made = answered(self, own, *given)
        parts = rooms(self._parts.networks[own], "")
        for kind in ("networks", "frozen"):
            for other, module in getattr(self._parts, kind).items():
                if (kind, other) != ("networks", own):
                    parts |= rooms(module, other)
        parts |= {head: list(module.parameters()) for head, module in self._parts.heads.items()}
        for term, value in made.terms.items():
            touched = []
            for part, weights in parts.items():
                learning = [w for w in weights if w.requires_grad]
                slopes = (
                    torch.autograd.grad(value, learning, retain_graph=True, allow_unused=True)
                    if learning and value.requires_grad
                    else ()
                )
                if any(slope is not None and bool(slope.abs().sum() > 0) for slope in slopes):
                    touched.append(part)
            phases.setdefault(id(self), {}).setdefault(own, {})[term] = " ".join(touched)
        steps.append(self)  # kept, so that no other gets its id
        return made

    steps: list[Step] = []
    monkeypatch.setattr(Step, "_answer", answer)
    options = METHODS[name].options(name=name, **OPTIONS.get(name, {}), **more)
    trainer = tiny.trainer(folder, network="staged", training_set=tiny.training_set(8))
    METHODS[name].program(trainer, 2, options)
    return list(phases.values())


@pytest.mark.parametrize("name", METHODS)
def test_each_term_reaches_these_parts_and_no_others(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reached(tmp_path, name, monkeypatch) == REACHED[name]
