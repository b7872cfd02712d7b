"""The dry run of a method's program, before any data is opened: names, epochs, sense. No torch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reid_srdl.config import AnyConfig, EvalConfig, MethodOptions, OptimConfig, SamplerConfig
from reid_srdl.data import find_entry
from reid_srdl.data.samplers import Identities, Sampler, Shuffled
from reid_srdl.errors import UserError
from reid_srdl.methods import method_of, own
from reid_srdl.models.changes.asked import changes_of
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.spec_files import read_spec
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.kept import kept_name
from reid_srdl.records.store import read_network_record
from reid_srdl.training.keys import key_of
from reid_srdl.training.label_losses import supervised_by
from reid_srdl.training.optimisation import Optimisation
from reid_srdl.training.phases import Fit, Phase
from reid_srdl.training.plan import NoEpochsError, Planner
from reid_srdl.training.schedule import Cosine, Schedule, StepDecay
from reid_srdl.training.setting import DataFacts, Setting
from reid_srdl.training.teacher import Source
from reid_srdl.training.values import Model, View, check_name, named

_ENOUGH = 1000  # epochs that are tried when a program says that it needs more
_CLASSES = 1024  # of a data set of which nothing is known: programs may take parts of them


@dataclass(frozen=True)
class Rehearsal:
    """What a program would make.

    Attributes:
        returned: the models that it returns, by name, the result first.
        phases: its phases, in order.
        config: the experiment.
        taught: an averaged network teaches in it.
        ensembles: that are judged, by the configuration or by the program.
        sources: finished runs that it learns from.
    """

    returned: Mapping[str, Model]
    phases: tuple[Phase, ...]
    config: AnyConfig
    taught: bool
    ensembles: tuple[str, ...]
    sources: tuple[Source, ...]

    @property
    def networks(self) -> tuple[str, ...]:
        """Names that ensembles are made of: what is returned, and what ``fit`` phases end with."""
        fits = [phase for phase in self.phases if phase.kind == "fit"]
        ends = [name for phase in fits for name in phase.specs]
        kept = [kept_name(name, kind) for p in fits for name in p.specs for kind in p.keeps]
        return tuple(dict.fromkeys((*self.returned, *ends, *kept)))

    @property
    def epochs(self) -> int:
        """Epochs of all ``fit`` phases, those of teachers that are trained here included."""
        return sum(phase.asked.epochs for phase in self.phases if isinstance(phase.asked, Fit))

    @property
    def least_epochs(self) -> int:
        """The fewest epochs that the program runs with."""
        return _least_epochs(self.config) or self.config.train.epochs


class _Rehearsing(Planner):
    """A planner that takes finished runs and classes for granted: the data shows them later."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.sources: list[Source] = []

    def view(self, classes: Sequence[str]) -> View:
        return View(tuple(classes))

    def _images(self, view: View | None) -> int:
        return self.setting.optimisation.batch_size

    def _check_batches(self, name: str, view: View | None, images: int) -> None:
        pass

    def _check_copy(self, source: NetworkSpec, into: NetworkSpec, stages: int) -> None:
        pass

    def _finished(self, source: Source, name: str) -> Model:
        """Returns a finished run's network, or one like the run's own where it is not there yet."""
        self.sources.append(source)
        run = source.run
        try:
            weights = (
                run if run.is_file() else RunFolder(run).weights(read_network_record(run).network)
            )
            spec = read_spec(weights)
        except UserError:
            return self.new_model(name)
        return Model(key_of(run=str(run)), spec, None, None, loaded=True)


def rehearse(config: AnyConfig) -> Rehearsal:
    """Runs the configured program against a planner, on a data set of which nothing is known.

    Raises:
        UserError: too few epochs, ensembles of unknown networks, an average that was to teach and
            teaches nobody, a program that fails.
    """
    try:
        done = _rehearsed(config, config.train.epochs)
    except NoEpochsError:
        least = _least_epochs(config)
        if least is None or least <= config.train.epochs:
            raise
        raise UserError(
            f"train.epochs: {own.short(config.method.name)} needs at least {least} "
            f"(got {config.train.epochs})",
            "raise train.epochs, or change the method's options",
            usage=True,
        ) from None
    check_ensembles(config.eval.ensembles, config.method.name, done)
    if config.optim.ema_teaches and not done.taught:
        raise UserError(
            f"optim.ema_teaches: nothing in {own.short(config.method.name)} learns from a network "
            "that is averaged in this run",
            "leave optim.ema_teaches out",
            usage=True,
        )
    return done


def run_program(method: MethodOptions, trainer: Planner, epochs: int) -> dict[str, Model]:
    """Runs a method's program against a trainer or a planner.

    Returns:
        The models that it returns, by name, each followed by its average and its best epoch, as
        far as they are kept.

    Raises:
        UserError: a method of one's own fails, or returns no models; or as the verbs.
    """
    name = method.name
    program = method_of(name).program
    with told_as_own(name):
        models = program(trainer, epochs, method)
    by_name = isinstance(models, Mapping) and all(isinstance(key, str) for key in models)
    if not models or not by_name or not all(isinstance(m, Model) for m in models.values()):
        raise UserError(
            f"--method {own.short(name)}: returns no models", "return models by name", usage=True
        )
    for key in models:
        check_name("network", key)
    return named(models)


@contextlib.contextmanager
def told_as_own(method: str) -> Iterator[None]:
    """Tells what a method of one's own raises in words, as a user's file, no fault of ours.

    Raises:
        UserError: such a method fails.
    """
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        if not own.is_own(method):
            raise
        told = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise UserError(f"--method {own.short(method)}: fails ({told})", "mend it") from error


def setting_of(
    config: AnyConfig,
    data: DataFacts,
    start: str = "random",
    *,
    content: str = "",
    origin: str = "",
) -> Setting:
    """Returns what all phases of a run share.

    Args:
        config: the experiment.
        data: the training set.
        start, content, origin: see `Setting`.
    """
    return Setting(
        network=NetworkSpec(
            config.model.name,
            len(data.classes),
            data.size,
            find_entry(config.data.name).normalisation.channels,
            changes_of(config.model),
            config.model.width,
        ),
        start=start,
        data=data,
        optimisation=optimisation_of(config.optim),
        seed=config.train.seed,
        precision=config.train.precision,
        compile=config.train.compile,
        origin=origin,
        source=config.method.digest or "",
        supervised=supervised_by(config.loss),
        sampler=sampler_of(config.sampler),
        content=content,
        every=config.eval.every,
    )


def optimisation_of(optim: OptimConfig) -> Optimisation:
    """Returns how ``fit`` descends."""
    decay: Schedule = Cosine(optim.lr, optim.warmup)
    if optim.schedule == "step":
        decay = StepDecay(optim.lr, optim.milestones, optim.gamma, optim.warmup)
    return Optimisation(
        decay,
        optim.momentum,
        optim.nesterov,
        optim.weight_decay,
        optim.batch_size,
        name=optim.name,
        betas=optim.betas,
        decay_norms=optim.decay_norms,
        new_layers=optim.new_layers,
        frozen=optim.frozen,
        clip=optim.clip,
        max_norm=optim.max_norm,
        ema=optim.ema,
        ema_teaches=optim.ema_teaches,
    )


def sampler_of(drawn: SamplerConfig) -> Sampler:
    """Returns what a configuration makes batches of."""
    if drawn.identities is None or drawn.images is None:
        return Shuffled()
    return Identities(drawn.identities, drawn.images)


def ensembles_of(judged: EvalConfig, planner: Planner) -> tuple[str, ...]:
    """Returns the ensembles that are judged, first those that the configuration asks for."""
    return tuple(dict.fromkeys((*judged.ensembles, *planner.ensembles)))


def check_ensembles(asked: Sequence[str], method: str, done: Rehearsal) -> None:
    """Checks that ensembles are made of networks that the program makes.

    Raises:
        UserError: they are not.
    """
    for ensemble in asked:
        if asked.count(ensemble) > 1:
            raise UserError(
                f"eval.ensembles: {ensemble!r} stands there twice", "give it once", usage=True
            )
        members = ensemble.split("+")
        if len(set(members)) < 2:
            raise UserError(
                f"eval.ensembles: {ensemble!r} joins no two names by '+'",
                "write it as srdl+first",
                usage=True,
            )
        if unknown := sorted(set(members) - set(done.networks)):
            raise UserError(
                f"eval.ensembles: {own.short(method)} has no network {', '.join(unknown)}",
                f"it has {', '.join(done.networks)}",
                usage=True,
            )


def _rehearsed(config: AnyConfig, epochs: int) -> Rehearsal:
    size, batch = (config.data.height, config.data.width), config.optim.batch_size
    names = tuple(map(str, range(_CLASSES)))
    counts = (batch,) * _CLASSES
    data = DataFacts(config.data.name, "", names, counts, size, 0, False, config.data.validation)
    planner = _Rehearsing(setting_of(config, data))
    returned = run_program(config.method, planner, epochs)
    if not any(phase.kind == "fit" for phase in planner.phases):
        raise UserError(
            f"--method {own.short(config.method.name)}: trains nothing",
            "call trainer.fit in the program",
            usage=True,
        )
    ensembles = ensembles_of(config.eval, planner)
    phases, sources = tuple(planner.phases), tuple(planner.sources)
    return Rehearsal(returned, phases, config, planner.taught, ensembles, sources)


def _least_epochs(config: AnyConfig) -> int | None:
    """Returns the fewest epochs with which the program runs; None where more do not help."""
    for epochs in range(1, _ENOUGH):
        try:
            _rehearsed(config, epochs)
        except UserError:
            continue
        return epochs
    return None


def placed_method(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a tree of keys with a method's own file placed, and its digest beside its name.

    Raises:
        UserError: the file is not there.
    """
    section = tree.get("method")
    name = section.get("name") if isinstance(section, Mapping) else None
    if isinstance(section, Mapping) and not own.is_own(name) and section.get("digest") is not None:
        raise UserError(
            "method.digest: is of the file of a method of one's own, and filled in",
            "leave method.digest out",
            usage=True,
        )
    if not isinstance(section, Mapping) or not own.is_own(name):
        return dict(tree)
    name = own.placed(str(name))
    return {**tree, "method": {**section, "name": name, "digest": own.digest_of(name)}}
