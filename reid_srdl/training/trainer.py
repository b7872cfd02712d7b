"""The trainer: a planner whose verbs do the work, for one seed, in durable phases."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from reid_srdl.data.batches import TrainingSet
from reid_srdl.errors import UserError
from reid_srdl.group.processes import Alone, Group
from reid_srdl.models.build import build
from reid_srdl.models.dividing import copy_stages
from reid_srdl.models.network import Network
from reid_srdl.models.part import part
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.weights import load_network
from reid_srdl.records.kept import Kind, kept_parts
from reid_srdl.training import checkpoint
from reid_srdl.training.ends import Ends, ended
from reid_srdl.training.extraction import Extraction
from reid_srdl.training.fitting import Fitting, Judge, Loop
from reid_srdl.training.logit_table import LogitTable
from reid_srdl.training.monitor import Monitor
from reid_srdl.training.parts import parts_of
from reid_srdl.training.phases import Fit, Phase
from reid_srdl.training.plan import Planner
from reid_srdl.training.precision import Compute
from reid_srdl.training.setting import Setting
from reid_srdl.training.sharing import Sharing
from reid_srdl.training.teacher import Teacher
from reid_srdl.training.values import Model, View


class Trainer(Planner):
    """Trains networks for one seed, in durable phases.

    Args:
        setting: what all phases share, the run's own network among it.
        training_set: the labelled images.
        compute: device, precision and threads.
        folder: where finished and half-finished phases are kept.
        monitor: told of the progress.
        weights: file of the run's own network's first weights; None: random ones.
        origin: file of the network that it starts from, where the setting names an ``origin``.
        extract_batch: images of a batch in ``extract``.
        checkpoint_seconds: between checkpoints within an epoch.
        judge: scores a network, of a view's classes or of all, on the validation part; None: there
            is none.
        watch: gradients' norms stand in the metrics; it changes no weight and no key.
        sharing: takes phases over from other runs, and leaves one's own to them; None: none.
        group: the processes that train together: each verb is called in all of them.
    """

    def __init__(
        self,
        setting: Setting,
        *,
        training_set: TrainingSet,
        compute: Compute,
        folder: Path,
        monitor: Monitor,
        weights: Path | None = None,
        origin: Path | None = None,
        extract_batch: int = 128,
        checkpoint_seconds: float = 600.0,
        judge: Judge | None = None,
        watch: bool = False,
        sharing: Sharing | None = None,
        group: Group | None = None,
    ) -> None:
        super().__init__(setting)
        self._sharing = sharing
        self._training_set, self._compute = training_set, compute
        self._weights, self._origin, self._extract_batch = weights, origin, extract_batch
        self._tables: dict[str, Tensor | LogitTable] = {}
        self._loop = Loop(
            setting.optimisation,
            setting.sampler,
            setting.seed,
            compute,
            folder,
            monitor,
            checkpoint_seconds,
            self._rows,
            judge,
            watch,
            group or Alone(),
        )

    def fitted(self, name: str) -> Model:
        """Returns the model that a finished ``fit`` phase of this run ended with, by its name.

        Args:
            name: of a network in its phase, or ``NAME.ema`` or ``NAME.best``.

        Raises:
            UserError: no such network was trained.
        """
        for phase in self.phases:
            own, kind = (name, None) if name in phase.specs else kept_parts(name)
            if own in phase.specs and isinstance(phase.asked, Fit):
                saved = checkpoint.load(phase, self._loop.folder, self._loop.monitor.warned)
                if saved is not None and saved.facts["finished"]:
                    network = checkpoint.network_in(saved.path, phase.key, own, kind)
                    made = self._placed(network)
                    ends: Ends = {None: made} if kind is None else {None: None, kind: made}
                    model = ended(phase, own, ends, phase.asked.models[own])
                    return model if kind is None else model.kept[kind]
        known = ", ".join(member for phase in self.phases for member in phase.specs)
        raise UserError(f"no finished phase {name!r} in this run", f"name one of {known}")

    def _make(self, spec: NetworkSpec, seed: int, start: str) -> Network:
        if start == self.setting.origin and self._origin is not None:
            return self._placed(load_network(self._origin))
        weights = None if start == "random" else self._weights
        return self._placed(build(spec, seed=seed, weights=weights))

    def _read(self, teacher: Teacher) -> Network:
        return self._placed(load_network(teacher.weights))

    def _part(self, model: Model, name: str) -> Network:
        return self._placed(part(model.network, name))

    def _copy(self, source: Model, into: Model, stages: int) -> Network:
        return self._placed(copy_stages(source.network, into.network, stages))

    def _fit(self, phase: Phase, fit: Fit) -> Mapping[str, Ends]:
        seed, device = self.setting.seed, self._compute.device
        parts = parts_of(fit, lambda model: model.network, device, seed=seed)
        with self._shared(phase):
            Fitting(self._loop, phase, fit, parts, self._images_of(fit_view(fit))).run()
        ends: dict[str, dict[Kind | None, Network | None]] = {name: {} for name in fit.models}
        for kind, networks in ((None, parts.networks), *parts.kept.items()):
            for member, network in networks.items():
                ends[member][kind] = network.train().requires_grad_(True)
        return ends

    def _extract(self, phase: Phase, model: Model, flip: bool) -> None:
        images = self._images_of(model.view)
        extraction = Extraction(self._loop, phase, model.network, flip, images, self._extract_batch)
        with self._shared(phase):
            self._tables[phase.key] = extraction.run()

    def _shared(self, phase: Phase) -> contextlib.AbstractContextManager[None]:
        """Returns what a phase is done within, so that runs share it."""
        if self._sharing is None:
            return contextlib.nullcontext()
        return self._sharing.of(phase, self._loop.folder)

    def _images_of(self, view: View | None) -> TrainingSet:
        if view is None:
            return self._training_set
        return self._training_set.of_classes([self.classes.index(name) for name in view.classes])

    def _rows(self, key: str, index: Tensor) -> Tensor:
        """Returns B x C float32 logits; float16 softmax would underflow, so it is done later."""
        return self._tables[key][index].float()

    def _placed(self, network: Network) -> Network:
        return network.to(memory_format=torch.channels_last).to(self._compute.device)


def fit_view(fit: Fit) -> View | None:
    """Returns the classes that a phase's models know."""
    return next(iter(fit.models.values())).view
