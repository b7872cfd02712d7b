"""The verbs that a method's program is written in, as a planner that only writes down.

A program that runs against a `Planner` trains nothing and needs no torch: what comes of it are the
names, keys and sizes of its phases. A `trainer.Trainer` is a planner that also does the work, so a
plan and the run after it cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reid_srdl.config import run_of
from reid_srdl.data.samplers import Identities
from reid_srdl.errors import UserError, did_you_mean
from reid_srdl.models import NETWORK_NAMES
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.stage_names import stage_names
from reid_srdl.seeds import derive
from reid_srdl.training.ends import Ends, ended, every_of, frozen_steps_of, keeps_of
from reid_srdl.training.keys import key_of
from reid_srdl.training.losses import Loss, modules_of, views_of_knowledge
from reid_srdl.training.phases import Extract, Fit, MacCount, Phase, PhaseFacts
from reid_srdl.training.schedule import Span
from reid_srdl.training.setting import Setting
from reid_srdl.training.teacher import Source, Student, Teacher
from reid_srdl.training.values import Head, Knowledge, Model, Only, View, check_name

if TYPE_CHECKING:
    from reid_srdl.models.network import Network


class NoEpochsError(UserError):
    """A program leaves a phase without epochs: with more of them it would run."""


class Planner:
    """Writes down what a program would do.

    Args:
        setting: what all phases share.

    Attributes:
        supervised: the recipe's loss of the labels, which methods add to.
        classes: the names of the data set's classes, in the order of their labels.
        phases: the phases so far, in order.
        teachers: each finished run that served as a teacher, by its weights' digest.
        started: a model started from the setting's ``origin``.
        taught: an averaged network taught.
        ensembles: names of networks, joined by ``+``, that are judged as one.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.supervised = setting.supervised
        self.classes = setting.data.classes
        self.phases: list[Phase] = []
        self.teachers: dict[str, Teacher] = {}
        self.started = False
        self.taught = False
        self.ensembles: list[str] = []

    # Networks and their parts

    def new_model(self, draw: str = "init", *, view: View | None = None, **spec: Any) -> Model:
        """Returns a newly initialised model; another ``draw`` is another initialisation.

        Args:
            draw: names the initialisation.
            view: the classes that it knows; None: all.
            spec: what differs from the run's own network, e.g. ``name="resnet110"``; ``changes``
                are made after its own.
        """
        own = self.setting.network
        if "classes" in spec:
            raise UserError(
                f"a model of {spec['classes']} classes: its classes are those of its view",
                "mend the method: new_model(view=trainer.view([...]))",
            )
        if "changes" in spec:
            spec["changes"] = (*own.changes, *spec["changes"])
        if view is not None:
            spec["classes"] = len(view.classes)
        if spec.get("name", own.name) != own.name:  # a width is that of one network
            spec = {"width": None, **spec}
        wanted = replace(own, **spec)
        start = self.setting.start if wanted.name == own.name else "random"
        if self.setting.origin and draw == "init" and wanted == own:
            start = self.setting.origin
            self.started = True
        seed = derive(self.setting.seed, "init", draw)
        key = key_of(spec=wanted, start=start, seed=seed)
        made = self._make(wanted, seed, start)
        return Model(key, wanted, view, made, loaded=start != "random")

    def new_head(self, name: str, make: Callable[..., Any], *args: Any) -> Head:
        """Returns a module to be trained in one phase, made when that phase begins.

        Args:
            name: names its initialisation.
            make: called with ``args``, each model among them replaced by its network.
        """
        seed = derive(self.setting.seed, "head", name)
        return Head(key_of(name=name, make=make, args=args, seed=seed), make, args, seed)

    def trained(
        self,
        source: str,
        epochs: int | None = None,
        *,
        name: str = "teacher",
        view: View | None = None,
        logits: bool = True,
        resized: bool = False,
        layers: bool = False,
    ) -> Model:
        """Returns a trained model: a finished run's result, or a network that is trained here.

        Args:
            source: a finished run's folder, or a network's name.
            epochs: of a network that is trained here.
            name: of its phase and its initialisation.
            view: the classes that a network trained here knows; None: all.
            logits: it teaches by its logits, so that a finished run must know the same classes.
            resized: it will see the crops of batches alone, resized where a finished run takes
                images of another size.
            layers: layers alone are copied from it, so that a finished run may know other classes,
                data and sizes, and a file of weights will do.

        Raises:
            UserError: no finished run, or one of other classes, data or input size.
        """
        if (run := run_of(source)) is not None:
            return self._finished(Source(run, logits, resized, layers), name)
        if source not in NETWORK_NAMES:
            what = f"method.{name}: no such network {source!r}, and no folder"
            raise UserError(
                f"{what} (./{source} would be)", did_you_mean(source, NETWORK_NAMES), usage=True
            )
        assert epochs is not None, "a network that is trained here needs epochs"
        model = self.new_model(name, view=view, name=source)
        return self.fit(model, epochs=epochs, loss=self.supervised, name=name)

    def _finished(self, source: Source, _name: str) -> Model:
        """Returns a finished run's network, which is one of the teachers from now on."""
        data = self.setting.data
        student = Student(data.name, data.classes, data.size, self.setting.content)
        teacher = source.read(student)
        self.teachers[teacher.digest] = teacher
        key = key_of(weights=teacher.digest)
        return Model(key, teacher.spec, None, self._read(teacher), loaded=True)

    def part(self, model: Model, name: str) -> Model:
        """Returns a part of a model as a model of its own: a branch, or ``trunk``."""
        return replace(
            model,
            key=key_of(model=model, part=name),
            spec=model.spec.part(name),
            made=self._part(model, name),
            averaged=self.part(model.averaged, name) if model.averaged else None,
            best=self.part(model.best, name) if model.best else None,
        )

    def copy(self, source: Model, into: Model, stages: int) -> Model:
        """Returns ``into`` with the first ``stages`` stages of ``source``, what precedes included.

        Raises:
            UserError: they have fewer stages, or other shapes.
        """
        for model in (source, into):
            if not 1 <= stages <= (there := len(stage_names(model.spec))):
                raise UserError(
                    f"{stages} stages of {model.spec.name}: it has {there}",
                    "copy fewer of them",
                    usage=True,
                )
        self._check_copy(source.spec, into.spec, stages)
        key = key_of(source=source, into=into, stages=stages)
        made = self._copy(source, into, stages)
        return replace(into, key=key, made=made, averaged=None, best=None)

    def stages(self, model: Model) -> tuple[str, ...]:
        """Returns the names of a model's stages, from shallow to deep.

        Raises:
            UserError: its network has none.
        """
        return stage_names(model.spec)

    def ensemble(self, *names: str) -> None:
        """Has several networks judged as one, too, whatever ``eval.ensembles`` says.

        Args:
            names: under which the program returns them.
        """
        self.ensembles.append("+".join(names))

    def view(self, classes: Sequence[str]) -> View:
        """Returns some of the data set's classes, by name.

        Raises:
            UserError: no such classes, or one named twice.
        """
        unknown = [name for name in classes if name not in self.classes]
        if unknown or len(set(classes)) < max(len(classes), 2):
            told = f"no classes {', '.join(unknown[:3])}" if unknown else "fewer than two classes"
            raise UserError(f"a view of {self.setting.data.name}: {told}", "mend the method")
        return View(tuple(classes))

    # Training

    def fit(
        self,
        model: Model,
        *,
        epochs: int,
        loss: Loss,
        name: str,
        span: Span | None = None,
        frozen: Mapping[str, Model] | None = None,
        heads: Mapping[str, Head] | None = None,
        only: Only | None = None,
        share: float = 1.0,
    ) -> Model:
        """Trains a copy of a model; the argument stays as it was. A durable phase.

        Args:
            model: where to start from; optimiser state starts fresh.
            epochs: epochs of this phase.
            loss: what to minimise.
            name: the phase's name; its random draws derive from it.
            span: the part of a learning rate schedule to run through; by default a complete one.
            frozen: networks that the loss consults on the very crops, in evaluation mode.
            heads: modules that are trained beside the network, and end with the phase.
            only: the part of the network that is trained; None: all of it.
            share: of each epoch's steps that are made, where a phase is shorter than an epoch.

        Raises:
            UserError: no epochs, a loss that asks for what the phase cannot give, a loss that is
                no longer finite.
        """
        together = self.fit_together(
            {name: model},
            {name: loss},
            epochs=epochs,
            name=name,
            span=span,
            frozen=frozen,
            heads=heads,
            only=only,
            share=share,
        )
        return together[name]

    def fit_together(
        self,
        models: Mapping[str, Model],
        losses: Mapping[str, Loss],
        *,
        epochs: int,
        name: str,
        in_turn: bool = False,
        span: Span | None = None,
        frozen: Mapping[str, Model] | None = None,
        heads: Mapping[str, Head] | None = None,
        only: Only | None = None,
        share: float = 1.0,
    ) -> dict[str, Model]:
        """Trains several models on the same batches; each loss sees its peers' answers, detached.

        Args:
            models: where each begins, by name; all know the same classes.
            losses: what each minimises, by the same names.
            epochs, name, span, frozen, heads, only, share: as in ``fit``.
            in_turn: the networks step one after the other, each with the refreshed answers of
                those that have stepped (Deep Mutual Learning, Algorithm 1); else all at once.

        Raises:
            UserError: as ``fit``.
        """
        fit = Fit(
            models=dict(models),
            losses=dict(losses),
            in_turn=in_turn,
            frozen={name: self._teaching(model) for name, model in (frozen or {}).items()},
            heads=dict(heads or {}),
            only=only,
            epochs=epochs,
            span=span or Span(0, epochs),
            keeps=keeps_of(self.setting, only),
            every=every_of(self.setting, epochs, only),
            share=share,
        )
        view = self._checked(fit, name)
        phase = self._open(name, fit, view)
        networks = self._fit(phase, fit)
        return {
            member: ended(phase, member, networks[member], fit.models[member])
            for member in fit.models
        }

    def extract(self, *models: Model, name: str = "knowledge", flip: bool = False) -> Knowledge:
        """Returns models' logits for every training image, in evaluation mode. Durable phases.

        Args:
            models: whose knowledge is wanted (SRDL paper, Eq 5); of several a table each.
            name: the phase's name; of several models the second's is ``NAME-2``.
            flip: average the logits of each image and its mirror image.
        """
        tables, views = [], []
        for number, model in enumerate(map(self._teaching, models), start=1):
            own = name if number == 1 else f"{name}-{number}"
            phase = self._open(own, Extract(model, flip), model.view)
            self._extract(phase, model, flip)
            tables.append(phase.key)
            views.append(model.view)
        return Knowledge(key_of(tables=tables), tuple(tables), tuple(views))

    def _teaching(self, model: Model) -> Model:
        """Returns whose answers are learned from where a model teaches."""
        if self.setting.optimisation.ema_teaches and model.averaged is not None:
            self.taught = True
            return model.averaged
        return model

    def _checked(self, fit: Fit, name: str) -> View | None:
        """Returns the view of a phase's models, once what it asks for is known to make sense."""
        check_name("phase", name)
        if fit.epochs < 1:
            raise NoEpochsError(
                f"train.epochs: none is left for the phase {name!r}",
                "raise train.epochs, or change the method's options",
                usage=True,
            )
        assert fit.models.keys() == fit.losses.keys(), "a loss for each model"
        if fit.span.start + fit.epochs > fit.span.total:
            raise UserError(
                f"phase {name!r}: {fit.epochs} epochs from {fit.span.start} on are more than the "
                f"{fit.span.total} of its span",
                "mend the method",
            )
        for member in fit.models:
            check_name("network", member)
        for member, loss in fit.losses.items():
            if clash := modules_of(loss).keys() & fit.heads.keys():
                raise UserError(
                    f"phase {name!r}: {', '.join(clash)} of {member} is a head, too",
                    "name them apart",
                )
        views = {model.view for model in fit.models.values()}
        assert len(views) == 1, "models that are trained together know the same classes"
        (view,) = views
        known = {one for loss in fit.losses.values() for one in views_of_knowledge(loss)}
        if known - {view}:
            raise UserError(
                f"phase {name!r}: its loss reads knowledge of other images than it trains on",
                "extract from a model of the same view of the classes",
            )
        return view

    def _open(self, name: str, asked: Fit | Extract, view: View | None) -> Phase:
        setting = self.setting
        check_name("phase", name)
        if name in [phase.name for phase in self.phases]:
            raise UserError(f"two phases are named {name!r}", "name them apart")
        share = setting.share * asked.share if isinstance(asked, Fit) else 1.0
        facts = PhaseFacts(
            name=name,
            asked=asked,
            view=view,
            seed=setting.seed,
            data=setting.data,
            precision=setting.precision,
            optimisation=setting.optimisation if isinstance(asked, Fit) else None,
            sampler=setting.sampler if isinstance(asked, Fit) else None,
            compile=setting.compile,
            source=setting.source,
            share=share,
        )
        key = key_of(phase=facts)
        images = self._images(view)
        batch = setting.optimisation.batch_size
        if isinstance(asked, Fit):
            self._check_batches(name, view, images)
        phase = Phase(
            name, key, asked, images, images // batch, batch, self._count, self._count_frozen
        )
        phase.share = share
        phase.frozen_steps = frozen_steps_of(phase, setting)
        self.phases.append(phase)
        return phase

    def _check_batches(self, name: str, view: View | None, images: int) -> None:
        """Raises UserError where a phase's images or classes do not fill a batch."""
        batch, drawn = self.setting.optimisation.batch_size, self.setting.sampler
        if images < batch:
            raise UserError(
                f"optim.batch_size: {batch} is more than the {images} images of phase {name!r}",
                "lower optim.batch_size",
            )
        classes = len(view.classes if view else self.classes)
        if isinstance(drawn, Identities) and drawn.identities > classes:
            raise UserError(
                f"sampler.identities: {drawn.identities} is more than the {classes} classes of "
                f"phase {name!r}",
                "lower sampler.identities",
            )

    def _images(self, view: View | None) -> int:
        data = self.setting.data
        counts = dict(zip(data.classes, data.counts, strict=True))
        return sum(counts[name] for name in (view.classes if view else data.classes))

    def _check_copy(self, source: NetworkSpec, into: NetworkSpec, stages: int) -> None:
        """Raises UserError where layers of one network do not fit another."""
        from reid_srdl.models.copying import check_copy  # brings torch

        check_copy(source, into, stages)

    def _count(self, phase: Phase, *, frozen: bool = False) -> MacCount:
        from reid_srdl.training.counted import work_of  # brings torch

        return work_of(phase, self.setting, frozen=frozen)

    def _count_frozen(self, phase: Phase) -> MacCount:
        return self._count(phase, frozen=True)

    # What a trainer does, and a planner leaves out

    def _make(self, spec: NetworkSpec, seed: int, start: str) -> Network | None:
        return None

    def _read(self, teacher: Teacher) -> Network | None:
        return None

    def _part(self, model: Model, name: str) -> Network | None:
        return None

    def _copy(self, source: Model, into: Model, stages: int) -> Network | None:
        return None

    def _fit(self, phase: Phase, fit: Fit) -> Mapping[str, Ends]:
        return {member: dict.fromkeys((None, *fit.keeps)) for member in fit.models}

    def _extract(self, phase: Phase, model: Model, flip: bool) -> None:
        pass
