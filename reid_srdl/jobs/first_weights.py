"""What a run's file of first weights holds that its network does not begin with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from reid_srdl.config import ModelConfig
from reid_srdl.data import find_entry
from reid_srdl.data.normalisation import Normalisation
from reid_srdl.errors import UserError
from reid_srdl.models.build import build
from reid_srdl.models.changes.asked import changes_of
from reid_srdl.models.foreign import libraries
from reid_srdl.models.foreign.checkpoint import read_state
from reid_srdl.models.foreign.codes import code_of
from reid_srdl.models.foreign.first_weights import found_for, left_out
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.state_files import own_trunk
from reid_srdl.tasks.normalised import normalisation_of
from reid_srdl.training.phases import Fit, Phase


def told_of_weights(path: Path, model: ModelConfig, dataset: str) -> Iterator[str]:
    """Yields a line for each part of a foreign file that is left out, and for other pixels.

    Args:
        path: the file of first weights.
        model: the run's network.
        dataset: what it will be trained on.

    Raises:
        UserError: the file cannot be read, or its code's network takes pixels otherwise than the
            data set's are normalised.
    """
    if own_trunk(path) is not None:
        return
    state = read_state(path)
    spec = NetworkSpec(model.name, 2, changes=changes_of(model))
    code = code_of(state, path, model.name)
    if code is None:
        found = libraries.read(state, build(NetworkSpec(model.name, 2), seed=0))
    else:
        found = found_for(spec, code, state)
    yield from left_out(spec, found)
    known = find_entry(dataset).normalisation
    theirs = normalisation_of(NetworkSpec(spec.name, 2, changes=found.changes), known)
    if theirs == known:
        return
    if code is None:
        yield f"model.weights: published for pixels of mean {_shown(theirs)}; here {_shown(known)}"
        return
    raise UserError(
        f"model.weights: {path}: {code.name}'s network takes pixels normalised by a mean of "
        f"{_shown(theirs)}; those of {dataset} are by {_shown(known)}",
        "take it as a network that is trained already: reid-srdl import",
    )


def told_of_others(phases: Iterable[Phase], network: ModelConfig) -> Iterator[str]:
    """Yields a line for each network that a run with first weights trains from random ones.

    Args:
        phases: of the run.
        network: the run's own.
    """
    if network.init == "random" and network.weights is None:
        return
    fits = [phase.asked for phase in phases if isinstance(phase.asked, Fit)]
    drawn = [model for fit in fits for model in fit.models.values() if not model.loaded]
    for name in dict.fromkeys(model.spec.name for model in drawn):
        if name != network.name:
            yield f"{name} begins with random weights: those given are {network.name}'s"


def _shown(normalisation: Normalisation) -> str:
    return ", ".join(f"{one:g}" for one in normalisation.mean)
