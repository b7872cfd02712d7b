"""Transfer of a network's first stages (Yosinski et al. 2014, How Transferable Are Features)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from reid_srdl.config import Epochs, MethodOptions, NetworkOrWeights, run_of
from reid_srdl.errors import UserError
from reid_srdl.seeds import generator
from reid_srdl.training.values import after

if TYPE_CHECKING:
    from reid_srdl.training.plan import Planner
    from reid_srdl.training.values import Model, View

Classes = Literal["all", "A", "B"]


class TransferOptions(MethodOptions):
    """Which stages are copied, from where, and what becomes of them."""

    name: str = "transfer"
    source: NetworkOrWeights = Field(
        None,
        description="a network's name, trained first in the run, a finished run's folder or a "
        "weights file (with a slash in it); default: the run's own network, trained first",
    )
    source_epochs: Epochs | None = Field(
        None, description="epochs of a source trained in the run; default: the run's epochs"
    )
    source_classes: Classes | None = Field(
        None, description="classes of a source trained in the run; default: those of the result"
    )
    stages: int = Field(1, ge=0, le=1000, description="n, the stages that are copied; 0: none")
    tune: bool = Field(False, description="the copied stages are trained, too (the papers' +)")
    classes: Classes = Field(
        "all", description="classes of the result: all, or a drawn half of them, A or B"
    )

    def contradictions(self) -> Iterator[tuple[str, str, tuple[str, Any] | None]]:
        """Yields what is said of a source that there is not, or that is finished."""
        of_source = {"source_epochs": self.source_epochs, "source_classes": self.source_classes}
        given = [key for key, value in of_source.items() if value is not None]
        if self.stages == 0:
            unread = [*(["source"] if self.source is not None else []), *given]
            for key in [*unread, *(["tune"] if self.tune else [])]:
                yield key, "nothing is copied while method.stages is 0", ("stages", 1)
        elif self.source is not None and run_of(self.source):
            for key in given:
                yield key, "is for a source that is trained in this run", None


def halves(classes: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Splits classes in two at random, A and B; of an odd number A has one more.

    NOTE: the draw is the same for every seed of a run, as that of ``data.validation`` is, so that
    seeds can be averaged.

    >>> halves(["ant", "bee", "cat", "dog", "elk"])
    {'A': ('ant', 'cat', 'elk'), 'B': ('bee', 'dog')}
    """
    drawn = generator(0, "halves").permutation(len(classes))
    half = (len(classes) + 1) // 2
    places = {"A": drawn[:half], "B": drawn[half:]}
    return {name: tuple(classes[i] for i in sorted(own.tolist())) for name, own in places.items()}


def transfer(trainer: Planner, epochs: int, options: TransferOptions) -> dict[str, Model]:
    """Copies the first n stages of a trained network into a new one, and trains the rest.

    With the result on B: n = 0 is baseB; a source on A makes AnB, one on B the selffer BnB; where
    the copied stages are tuned, too, they are AnB+ and BnB+. Frozen ones stay in evaluation mode.

    NOTE: the lecture does not say how long each network is trained. Each phase here runs a complete
    schedule of its own; a source that is trained here has the run's epochs unless
    ``method.source_epochs`` says otherwise, and its cost counts.
    """
    n, labels = options.stages, trainer.supervised
    target = trainer.new_model(view=_view(trainer, options.classes))
    if n == 0:  # baseB
        return {"transfer": trainer.fit(target, epochs=epochs, loss=labels, name="transfer")}

    source = trainer.trained(
        trainer.setting.network.name if options.source is None else options.source,
        options.source_epochs or epochs,
        name="source",
        view=_view(trainer, options.source_classes or options.classes),
        layers=True,
    )
    start = trainer.copy(source, target, n)
    only = None if options.tune else after(trainer.stages(target)[n - 1])
    done = trainer.fit(start, epochs=epochs, loss=labels, only=only, name="transfer")
    return {"transfer": done}


def _view(trainer: Planner, classes: Classes) -> View | None:
    """Returns a half of the data's classes; None: all of them."""
    if classes == "all":
        return None
    if (there := len(trainer.classes)) < 4:
        raise UserError(
            f"method.classes: {trainer.setting.data.name} has {there} classes: two halves of at "
            "least two take four",
            "set method.classes=all, or choose another data set",
            usage=True,
        )
    return trainer.view(halves(trainer.classes)[classes])
