"""One step: (batch, lr) -> terms. Eager, compiled or one CUDA graph; methods do not know."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from reid_srdl.data.augment import resize_normalised
from reid_srdl.data.batches import Batch
from reid_srdl.models.network import Output
from reid_srdl.training.gradients import GradientWatch
from reid_srdl.training.graphs import Replayed
from reid_srdl.training.joining import Joining
from reid_srdl.training.losses import Outputs, needs_of
from reid_srdl.training.max_norm import clip_units, units_of
from reid_srdl.training.parts import Parts
from reid_srdl.training.phases import Fit
from reid_srdl.training.precision import Compute
from reid_srdl.training.terms import Terms, cross_entropy


@dataclass(frozen=True)
class Answer:
    """What a step tells of one network.

    Attributes:
        terms: each term of its loss.
        correct: images whose largest logit was their label's; None where it gave no logits.
        ce: mean cross-entropy of its logits with the labels, whatever the loss; None likewise.
    """

    terms: Terms
    correct: Tensor | None
    ce: Tensor | None

    def detached(self) -> Answer:
        """Returns the answer without the way that it was computed."""
        return replace(self, terms={name: term.detach() for name, term in self.terms.items()})


class Step:
    """Makes the steps of one phase, whose work is the same at each.

    Args:
        fit: what is trained.
        parts: its networks and modules, on the device.
        compute: the precision, and whether forward pass and losses are compiled.
        optimizers: as `parts.optimizers_of` makes them; empty where nothing descends.
        clip: the largest norm of the gradient of each network, its loss's modules included, and of
            the heads; None: any.
        watch: measures the gradients of the networks, before they are clipped; None: nobody does.
        max_norm: the largest norm of the incoming weights of each unit of the networks after the
            step; None: any.
        joining: the processes that share each batch; None: there is one.

    Attributes:
        gradients: of the last step, the norms of each watched network's layers.

    Raises:
        UserError: ``max_norm`` is given, and no layer of a network that it bounds learns.
    """

    def __init__(
        self,
        fit: Fit,
        parts: Parts,
        compute: Compute,
        optimizers: Mapping[str, torch.optim.Optimizer],
        clip: float | None = None,
        max_norm: float | None = None,
        watch: GradientWatch | None = None,
        joining: Joining | None = None,
    ) -> None:
        self._joining = joining or Joining()
        self._fit, self._parts, self._compute = fit, parts, compute
        self._optimizers, self._clip = optimizers, clip
        self._max_norm, self._watch = max_norm, watch
        self.gradients: dict[str, Tensor] = {}
        bounded = {} if max_norm is None else parts.networks
        self._units = {name: units_of(network) for name, network in bounded.items()}
        self._needs = {name: needs_of(loss) for name, loss in fit.losses.items()}
        self._until = fit.only.stage if fit.only and fit.only.side == "up_to" else None
        compute.forget_compiled()
        self._together = compute.prepared(self._forward_and_losses)
        # In turn, each network goes backward alone, so each has a graph of its own.
        self._passes = {name: compute.prepared(self._pass_of(name)) for name in fit.models}
        self._consulted = compute.prepared(self._consult)
        self._losses = {name: compute.prepared(self._loss_of(name)) for name in fit.losses}
        self._descends: Callable[[Batch], dict[str, Answer]] = self._descended
        if compute.graph and self._joining.size == 1:
            self._descends = Replayed(self._descended, compute.device)

    def __call__(self, batch: Batch, lr: float) -> dict[str, Answer]:
        """Descends once on every network; returns what each one's loss came to, detached.

        Raises:
            UserError: as `Replayed` does.
        """
        for optimizer in self._optimizers.values():
            for group in optimizer.param_groups:
                if not group.get("constant"):
                    group["lr"].fill_(lr * group["factor"])
        return self._descends(batch)

    def _descended(self, batch: Batch) -> dict[str, Answer]:
        for optimizer in self._optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        answers = self._in_turn(batch) if self._fit.in_turn else self._at_once(batch)
        self._update("heads")
        return {name: answer.detached() for name, answer in answers.items()}

    def _at_once(self, batch: Batch) -> dict[str, Answer]:
        answers = self._together(batch)
        self._descend([term for answer in answers.values() for term in answer.terms.values()])
        self._join(answers)
        for name in answers:
            self._update(name)
        return answers

    def _in_turn(self, batch: Batch) -> dict[str, Answer]:
        """Deep Mutual Learning, Algorithm 1: the next network sees the refreshed ones before it."""
        outputs = {name: passes(batch.images) for name, passes in self._passes.items()}
        outputs = self._gather(outputs)
        frozen = self._consulted(batch.images)
        answers = {}
        *_, last = outputs
        for name in outputs:
            answers[name] = self._losses[name](outputs, frozen, batch)
            self._descend(list(answers[name].terms.values()))
            self._join([name])
            self._update(name)
            if name != last:
                with torch.no_grad(), kept_buffers(self._parts.networks[name]):
                    refreshed = {name: self._passes[name](batch.images)}
                outputs |= self._gather(refreshed)
        return answers

    def _descend(self, terms: list[Tensor]) -> None:
        torch.stack(terms).sum().backward()  # type: ignore[no-untyped-call]

    def _join(self, names: Iterable[str]) -> None:
        """Joins the gradients of networks, and of what is trained beside them on their answers."""
        parts = self._parts
        own = [p for name in names for p in parts.networks[name].parameters()]
        beside = [*parts.heads.values(), *(m for n in names for m in parts.modules[n].values())]
        self._joining.gradients(own, [p for module in beside for p in module.parameters()])

    def _update(self, name: str) -> None:
        for owner, optimizer in self._optimizers.items():
            if owner.partition("/")[0] != name:
                continue
            if self._watch is not None and (norms := self._watch.norms(owner)) is not None:
                self.gradients[owner] = norms
            if self._clip is not None and owner == name:
                moved = [p for group in optimizer.param_groups for p in group["params"]]
                nn.utils.clip_grad_norm_(moved, self._clip)
            optimizer.step()
            if self._max_norm is not None and owner in self._units:
                clip_units(self._units[owner], self._max_norm)

    def _gather(self, outputs: dict[str, Output]) -> dict[str, Output]:
        """Returns the answers for the whole batch."""
        return self._joining.whole(outputs)

    # What is compiled

    def _forward_and_losses(self, batch: Batch) -> dict[str, Answer]:
        outputs = {name: self._run(name, batch.images) for name in self._parts.networks}
        outputs = self._gather(outputs)
        frozen = self._consult(batch.images)
        return {name: self._answer(name, outputs, frozen, batch) for name in outputs}

    def _run(self, name: str, images: Tensor) -> Output:
        """Returns the answer of a network in training."""
        network, needs = self._parts.networks[name], self._needs[name] & {"stages", "branches"}
        with self._compute.autocast():
            output: Output = network(images, needs, self._until)
        return output

    def _consult(self, images: Tensor) -> dict[str, Output]:
        """Returns the answers of the networks that are consulted."""
        frozen, needs = {}, self._fit.needs & {"stages", "branches"}
        with self._compute.autocast(), torch.no_grad():
            for name, network in self._parts.frozen.items():
                size = network.spec.size
                seen = images if size is None else resize_normalised(images, *size)
                frozen[name] = network(seen, needs)
        return self._gather(frozen)

    def _loss_of(self, name: str):  # type: ignore[no-untyped-def]
        def loss(outputs: dict[str, Output], frozen: dict[str, Output], batch: Batch) -> Answer:
            return self._answer(name, outputs, frozen, batch)

        return loss

    def _pass_of(self, name: str):  # type: ignore[no-untyped-def]
        def passes(images: Tensor) -> Output:
            return self._run(name, images)

        return passes

    def _answer(
        self,
        name: str,
        outputs: Mapping[str, Output],
        frozen: Mapping[str, Output],
        batch: Batch,
    ) -> Answer:
        own = outputs[name]
        peers = {other: detached(output) for other, output in outputs.items() if other != name}
        modules = self._parts.modules[name]
        heads = {**self._parts.heads, **modules}
        batch = replace(batch, modules=modules) if modules else batch
        terms = self._fit.losses[name](Outputs(own, peers, frozen, heads), batch)
        correct = ce = None
        if own.logits is not None:
            logits = own.logits.detach()
            correct = (logits.argmax(dim=1) == batch.labels).sum()
            ce = terms["ce"].detach() if "ce" in terms else cross_entropy(logits, batch)
        return Answer(terms, correct, ce)


def detached(output: Output) -> Output:
    """Returns an answer through which no gradient flows."""

    def cut(value: Tensor) -> Tensor:
        return value if value is None else value.detach()  # None where a pass ended at a stage

    return replace(
        output,
        logits=cut(output.logits),
        features=cut(output.features),
        pooled=cut(output.pooled),
        stages={name: maps.detach() for name, maps in output.stages.items()},
        branches={name: detached(branch) for name, branch in output.branches.items()},
    )


@contextlib.contextmanager
def kept_buffers(network: nn.Module) -> Iterator[None]:
    """Leaves a network's buffers, running statistics among them, as they were before."""
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    try:
        yield
    finally:
        for name, buffer in network.named_buffers():
            buffer.copy_(before[name])
