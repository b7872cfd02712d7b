"""The work of a phase, counted over one real step of it on the meta device."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from reid_srdl.analysis.work import WorkCounter, on_meta
from reid_srdl.data.batches import Batch
from reid_srdl.models.build import build
from reid_srdl.models.network import Network
from reid_srdl.training.losses import knowledge_in
from reid_srdl.training.parts import Parts, freeze, parts_of
from reid_srdl.training.phases import Extract, Fit, MacCount, Phase
from reid_srdl.training.precision import Compute
from reid_srdl.training.setting import Setting
from reid_srdl.training.step import Step
from reid_srdl.training.values import Model

META = torch.device("meta")


class _CountedStep(Step):
    """A step that says when it goes backward."""

    def __init__(
        self, fit: Fit, parts: Parts, counter: WorkCounter, max_norm: float | None
    ) -> None:
        super().__init__(fit, parts, Compute(META, "fp32", 1), {}, max_norm=max_norm)
        self._counter = counter

    def _descend(self, terms: list[Tensor]) -> None:
        with self._counter.backward():
            super()._descend(terms)


def work_of(phase: Phase, setting: Setting, *, frozen: bool = False) -> MacCount:
    """Counts the multiply-accumulates of one step of a phase, or of extracting from one image.

    Args:
        phase: whose step.
        setting: what all phases share.
        frozen: of its first steps, in which loaded trunks stay as they are.

    Raises:
        UserError: its loss asks a network for what it does not have, or ``optim.max_norm`` is
            given where no layer that it bounds learns.
    """
    asked = phase.asked
    if isinstance(asked, Extract):
        return MacCount(_one_pass(asked.model, setting) * asked.passes, 0)
    return _one_step(asked, setting, frozen)


def _one_step(fit: Fit, setting: Setting, frozen: bool) -> MacCount:
    parts = parts_of(fit, _built(), META)  # makes empty passes of its own, which are no work
    freeze(fit, parts, frozen)
    with WorkCounter() as counter:
        step = _CountedStep(fit, parts, counter, setting.optimisation.max_norm)
        step(_batch(fit, setting), 0.0)
    return MacCount(counter.forward_macs, counter.backward_macs)


def _one_pass(model: Model, setting: Setting) -> int:
    network = _built()(model).eval()
    with WorkCounter() as counter, torch.no_grad():
        network(torch.empty(1, model.spec.channels, *setting.data.size, device=META))
    return counter.forward_macs


def _built() -> Callable[[Model], Network]:
    """Returns what gives the network of a model, on the meta device; the same one each time."""
    made: dict[str, Network] = {}

    def network(model: Model) -> Network:
        if model.key not in made:
            made[model.key] = on_meta(model.made if model.made else build(model.spec, seed=0))
        return made[model.key]

    return network


def _batch(fit: Fit, setting: Setting) -> Batch:
    size, count = setting.data.size, setting.optimisation.batch_size
    spec = next(iter(fit.models.values())).spec
    integers = torch.zeros(count, dtype=torch.int64, device=META)
    logits = torch.empty(count, spec.classes, device=META)
    tables = {key for loss in fit.losses.values() for key in knowledge_in(loss)}
    return Batch(
        images=torch.empty(count, spec.channels, *size, device=META),
        labels=integers,
        index=integers,
        weight=torch.ones(count, device=META),
        draws=logits if "draws" in fit.needs else None,
        known=dict.fromkeys(tables, logits),
    )
