"""Runs that start from a phase's checkpoint of another run.

What starts from it is the run's own network where the program draws it first, that is its first
``new_model()``: its weights are those that the named phase had trained, and all else (optimiser,
schedule, draws, other networks, SRDL's restart) is as in a run from the start. The checkpoint's
network must be the run's own: the same name, classes and input size, trained on the same data set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reid_srdl.config import ModelConfig, RunConfig
from reid_srdl.config.start import Start, parse_start
from reid_srdl.errors import UserError
from reid_srdl.files import file_digest
from reid_srdl.methods import KNOWN, OPTIONS
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.places import expanded
from reid_srdl.records.folder import RunFolder

_NAME = re.compile(r"(?P<phase>.+)-[0-9a-f]{16}\.[0-9]{10}\.safetensors")


@dataclass(frozen=True)
class Kept:
    """A checkpoint at the end of an epoch.

    Attributes:
        path: its file.
        epoch: epochs of the phase that are done.
        key: the phase's.
        member: the network's name in the phase.
        spec: the network.
    """

    path: Path
    epoch: int
    key: str
    member: str
    spec: NetworkSpec


def base_of(text: str) -> dict[str, Any]:
    """Returns the configuration of the run that another one starts from, as a tree of keys.

    Raises:
        UserError: ``text`` names no run and phase.
    """
    try:
        start = parse_start(text)
    except ValueError as error:
        raise UserError(f"--from {text}: names no phase", str(error), usage=True) from None
    tree = RunFolder(expanded(start.run)).read_config(OPTIONS).model_dump(mode="json")
    del tree["run"]["name"], tree["run"]["shared"]
    tree["model"]["start"] = text
    return tree


def placed_start(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a tree of keys with ``model.start`` placed: folder, epoch and digest filled in.

    Raises:
        UserError: no such run or phase, no checkpoint of that epoch, or several networks in it.
    """
    model = tree.get("model")
    text = model.get("start") if isinstance(model, Mapping) else None
    if not isinstance(model, Mapping) or not isinstance(text, str):
        return dict(tree)
    try:
        start = parse_start(text)
    except ValueError:
        return dict(tree)  # the schema tells it
    if start.digest is not None:
        return dict(tree)
    run = expanded(start.run).resolve()
    kept = _chosen(replace(start, run=str(run)))
    whole = Start(str(run), start.phase, kept.epoch, file_digest(kept.path)[:32])
    return {**tree, "model": {**model, "start": str(whole)}}


def placed_weights(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a tree of keys with the digest of a file of first weights beside its place.

    Not of ImageNet's: those are the same ones wherever they stand. A file that is not there is
    told when the run begins. A configuration that was made before holds a digest, beside the place.

    Raises:
        UserError: a digest is given without a file that it is of.
    """
    model = tree.get("model")
    if (
        isinstance(model, Mapping)
        and model.get("weights_digest") is not None
        and (model.get("weights") is None or model.get("init") == "imagenet")
    ):
        raise UserError(
            "model.weights_digest: is of a file of first weights, and filled in",
            "leave model.weights_digest out",
            usage=True,
        )
    if not isinstance(model, Mapping) or model.get("init") == "imagenet":
        return dict(tree)
    path = model.get("weights")
    if not isinstance(path, str | Path) or not expanded(path).is_file():
        return dict(tree)
    digest = file_digest(expanded(path))[:32]
    return {**tree, "model": {**model, "weights_digest": digest}}


def origin_of(dataset: str, model: ModelConfig, run: RunConfig) -> tuple[Start, NetworkSpec] | None:
    """Returns where a run's first weights come from, and their network, if from a checkpoint.

    Raises:
        UserError: the checkpoint is gone, and the run has not begun; or another data set's.
    """
    if model.start is None:
        return None
    start = parse_start(model.start)
    own = _own_file(run, start)
    if own.is_file():
        from reid_srdl.models.spec_files import read_spec

        return start, read_spec(own)
    source = RunFolder(Path(start.run)).read_config(KNOWN).data.name
    if source != dataset:
        raise UserError(
            f"model.start: {start.label} was trained on {source}, this run's is {dataset}",
            "start from a run on the same data set",
            usage=True,
        )
    return start, _same(start).spec


def keep_start(model: ModelConfig, run: RunConfig) -> Path | None:
    """Copies the first weights into the run's folder, once, and returns their file.

    The source run may go on or be pruned: from now on this run needs it no more.

    Raises:
        UserError: the checkpoint is gone, or no longer what it was.
    """
    if model.start is None:
        return None
    from reid_srdl.models.weights import save_network
    from reid_srdl.training.checkpoint import network_in

    start = parse_start(model.start)
    own = _own_file(run, start)
    if not own.is_file():
        kept = _same(start)
        save_network(own, network_in(kept.path, kept.key, kept.member))
    return own


def _own_file(run: RunConfig, start: Start) -> Path:
    assert run.name is not None
    assert start.digest is not None
    folder = RunFolder(run.dir / run.name)
    return folder.phases / f"start-{start.digest[:16]}.safetensors"


def _same(start: Start) -> Kept:
    """Returns the checkpoint that a digest names."""
    for kept in _kept(start):
        if file_digest(kept.path)[:32] == start.digest:
            return kept
    raise UserError(
        f"model.start: the checkpoint {start.label} is gone from {start.run}, or another one now",
        f"start anew: reid-srdl train --from {start.run}:{start.phase}",
    )


def _chosen(start: Start) -> Kept:
    """Returns the checkpoint of an epoch, or the last one that is whole."""
    found = list(_kept(start))
    for kept in found:
        if start.epoch in (None, kept.epoch):
            return kept
    if found:
        epochs = " or ".join(f"@{kept.epoch}" for kept in found)
        raise UserError(
            f"--from {start}: no checkpoint of this epoch is kept", f"take {epochs}", usage=True
        )
    phases = {name["phase"] for path in _files(start) if (name := _NAME.fullmatch(path.name))}
    raise UserError(
        f"--from {start}: no finished epoch of a phase {start.phase!r} is kept",
        f"choose from: {', '.join(sorted(phases))}" if phases else "name the folder of a run",
        usage=True,
    )


def _kept(start: Start) -> Iterator[Kept]:
    """Yields whole checkpoints at the end of an epoch of a phase, the newest first."""
    from reid_srdl.models.tensor_files import read_tensors

    for path in reversed(_files(start)):
        name = _NAME.fullmatch(path.name)
        if name is None or name["phase"] != start.phase:
            continue
        try:
            _, facts = read_tensors(path)
        except UserError:
            continue  # a damaged one: the one before it serves
        specs = facts.get("specs") or {}
        if "meter" in facts or not facts.get("rows") or not specs:
            continue
        if len(specs) > 1 and start.phase not in specs:
            raise UserError(
                f"--from {start}: the phase trains {', '.join(specs)} together",
                "start from a phase that trains one network",
                usage=True,
            )
        member = start.phase if start.phase in specs else next(iter(specs))
        spec = NetworkSpec.from_json(specs[member])
        yield Kept(path, len(facts["rows"]), facts["key"], member, spec)


def _files(start: Start) -> list[Path]:
    return sorted(RunFolder(Path(start.run)).phases.glob("*.safetensors"))
