"""What can be known before the first epoch: nothing is trained that cannot be judged or kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from shutil import disk_usage

import torch

from reid_srdl.config import AnyConfig, EvalConfig, ModelConfig, RecipeConfig
from reid_srdl.config.marked import as_keys
from reid_srdl.data.classes.samples import ClassData
from reid_srdl.data.readable import check_readable
from reid_srdl.data.reid.crops import ReidData
from reid_srdl.errors import UserError
from reid_srdl.evaluation import check_settings, check_verification
from reid_srdl.group.processes import Alone
from reid_srdl.jobs.planning import RunPlan
from reid_srdl.models import ONNX
from reid_srdl.models.build import build, check_network
from reid_srdl.models.changes import Change
from reid_srdl.models.changes.asked import KEYS, changes_of
from reid_srdl.models.empty_pass import empty_pass
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.tasks.data import settings_on
from reid_srdl.tasks.reid import check_data
from reid_srdl.tasks.task import Steps
from reid_srdl.texts import sizes_told
from reid_srdl.training.phases import Phase

_KEPT = 2  # checkpoints of a phase
_LOGIT = 2  # bytes, float16


def check_networks(config: AnyConfig, specs: Iterable[NetworkSpec]) -> None:
    """Checks that the networks of a run can be had, with all that is to be changed in them.

    Raises:
        UserError: one cannot; a recipe that asks for what it cannot have is named; one is an ONNX
            file, which no program here learns from.
    """
    size = (config.data.height, config.data.width)
    for spec in specs:
        if spec.name == ONNX and spec.changes:
            raise UserError(
                f"{config.method.name}: the network to learn from is an ONNX file, which teaches "
                "nothing here",
                "name the run that it was exported from, or import the network's weights",
            )
        for count in range(len(spec.changes) + 1):
            try:
                check_network(spec.name, size=size, changes=spec.changes[:count])
            except UserError as error:
                raise _of_recipe(config.recipe, spec.changes[:count], error) from None


def _of_recipe(recipe: RecipeConfig, changes: Sequence[Change], error: UserError) -> UserError:
    """Returns what is wrong with the last of some changes, with the recipe that asks for it."""
    key = KEYS.get(type(changes[-1])) if changes else None
    if key is None or f"model.{key}" not in recipe.keys:
        return error
    default = json.dumps(ModelConfig.model_fields[key].default).strip('"')
    return UserError(
        f"{error.what}; the recipe {recipe.name} asks for it by model.{key}",
        f"choose a network that can, e.g. resnet18, or add --set model.{key}={default}",
        usage=True,
    )


def check_evaluable(config: AnyConfig, data: ReidData | ClassData, steps: Steps) -> None:
    """Checks that the networks can be judged once they are trained.

    Args:
        config: the experiment.
        data: its data set, as loaded.
        steps: told of the images that are read.

    Raises:
        UserError: settings that contradict each other or do not fit the data, queries without a
            match, or test images that cannot be read.
    """
    if not config.eval.enabled:
        return
    size = (config.data.height, config.data.width)
    if not isinstance(data, ReidData):
        check_readable(data, size, steps)
        return
    for own in data.parts or (data,):
        settings = settings_on(config.data, config.eval, own.name)
        check_evaluation(settings, own)
        _check_index(settings, config.model, size)
        check_readable(own, size, steps)


def _check_index(settings: EvalConfig, model: ModelConfig, size: tuple[int, int]) -> None:
    """Checks that an index fits the features of the run's own network, whose number is known."""
    if settings.index is None:
        return
    from reid_srdl.by_faiss.building import check_name

    spec = NetworkSpec(model.name, 2, size, 3, changes_of(model), model.width)
    network = build(spec, seed=0)
    try:
        check_name(settings.index, empty_pass(network, size).features.shape[1])
    except UserError as error:
        raise _before_training(error) from None


def check_evaluation(settings: EvalConfig, data: ReidData) -> None:
    """Checks the settings of an evaluation against each other and against the labels.

    Raises:
        UserError: they contradict each other, there are too few images, or no query has a match.
    """
    try:
        check_settings(settings, settings.engine)
        if settings.verify is not None:
            check_verification(settings, Alone(), settings.fpr)
        check_data(data, settings)
    except UserError as error:
        raise _before_training(error) from None


def _before_training(error: UserError) -> UserError:
    hint = f"{as_keys(error.hint)}; or train with --no-eval, and run eval later"
    return UserError(as_keys(error.what), hint, usage=error.exit_status == 2)


def check_room(plan: RunPlan, folder: Path) -> None:
    """Checks that what a plan writes has room on the disk of its folder.

    Raises:
        UserError: it has not.
    """
    needed = bytes_of(plan) - sum(path.stat().st_size for path in _files(folder))
    place = next(above for above in (folder, *folder.parents) if above.exists())
    disk = disk_usage(place)
    if disk.total and needed > disk.free:  # a system's own places, such as /proc, tell no size
        written, free = sizes_told(needed, disk.free)
        raise UserError(
            f"{folder}: about {written} will be written for checkpoints, knowledge and weights, "
            f"but {free} are free there",
            "make room on that disk, or name a place on another one by --runs",
        )


def bytes_of(plan: RunPlan) -> int:
    """Returns about how many bytes a plan's run writes: checkpoints, knowledge, weights."""
    weights = sum(_bytes(model.spec)[0] for model in plan.returned.values())
    return weights + sum(bytes_of_phases(plan))


def bytes_of_phases(plan: RunPlan) -> list[int]:
    """Returns about how many bytes each phase of a plan's run writes."""
    adaptive = plan.setting.optimisation.name != "sgd"
    return [_bytes_of_phase(phase, adaptive=adaptive) for phase in plan.phases]


def _bytes_of_phase(phase: Phase, *, adaptive: bool) -> int:
    if phase.kind == "extract":
        return sum(spec.classes for spec in phase.specs.values()) * phase.images * _LOGIT
    adam = 2 if adaptive else 1  # what the optimiser keeps of each weight
    return _KEPT * sum(
        (1 + len(phase.keeps)) * state + adam * moved
        for state, moved in map(_bytes, phase.specs.values())
    )


def _bytes(spec: NetworkSpec) -> tuple[int, int]:
    """Returns the bytes of a network's state, and of what its optimiser keeps of it."""
    with torch.device("meta"):
        network = build(spec, seed=0)
    return _size(network.state_dict().values()), _size(network.parameters())


def _size(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in folder.rglob("*.safetensors") if path.is_file())
