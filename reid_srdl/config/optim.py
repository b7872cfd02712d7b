"""How training descends: the optimiser, its schedule, and what of a network moves when."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from reid_srdl.config.effects import If
from reid_srdl.config.option import HOW, Option
from reid_srdl.config.section import Section

IMAGES = 2**16  # of a batch
_FACTOR = 10**6  # more is a slip of the hand
_FLOAT32 = 1e38  # the rate is a float32 tensor,
_LEAST = 1e-37  # in which less than this is nothing
_GAMMA, _MILESTONES = 0.1, (0.5, 0.75)
_ADAPTIVE = ("adam", "adamw")


def _ascending_fractions(milestones: tuple[float, ...]) -> tuple[float, ...]:
    edges = (0.0, *milestones, 1.0)
    if not all(one < next_ for one, next_ in pairwise(edges)):
        raise ValueError("give fractions between 0 and 1, ascending")
    return milestones


def _below_one(betas: tuple[float, float]) -> tuple[float, float]:
    if not all(0 <= beta < 1 for beta in betas):
        raise ValueError("give two numbers from 0 to below 1")
    return betas


class OptimConfig(Section):
    """By default SGD with Nesterov momentum and step decay (SRDL paper, section 4.1)."""

    name: Literal["sgd", "adam", "adamw"] = "sgd"
    lr: float = Field(0.1, ge=_LEAST, le=_FLOAT32)
    schedule: Literal["step", "cosine"] = Field(
        "step", description="of the rate, over each phase: falls at milestones, or as a cosine to 0"
    )
    warmup: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="fraction of a schedule's steps in which the rate rises from a tenth; 0: none",
    )
    momentum: Annotated[float, If("name", "sgd")] = Field(0.9, ge=0, lt=1)
    nesterov: Annotated[bool, If("name", "sgd")] = True
    betas: Annotated[tuple[float, float], AfterValidator(_below_one), If("name", *_ADAPTIVE)] = (
        0.9,
        0.999,
    )
    weight_decay: float = Field(2e-4, ge=0, le=100)
    decay_norms: bool = Field(True, description="norms and biases decay, too")
    new_layers: float = Field(
        1.0, gt=0, le=_FACTOR, description="factor on the rate of the layers outside the trunk"
    )
    frozen: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="first fraction of a phase in which a loaded trunk stays as it is",
    )
    clip: float | None = Field(
        None,
        ge=_LEAST,
        le=_FLOAT32,
        description="the largest norm of a network's gradient; None: any",
    )
    max_norm: float | None = Field(
        None,
        ge=_LEAST,
        le=_FLOAT32,
        description="the largest norm of each unit's incoming weights after a step; None: any",
    )
    ema: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="decay of the average of the weights, judged as NAME.ema; None: none is kept",
    )
    ema_teaches: Annotated[bool, If("ema")] = Field(
        False, description="knowledge comes from the averaged network"
    )
    batch_size: Annotated[
        int,
        Option("--batch-size", "Images per batch; default: the data set's, or {default}.", HOW),
    ] = Field(32, ge=2, le=IMAGES)
    milestones: Annotated[
        tuple[float, ...], AfterValidator(_ascending_fractions), If("schedule", "step")
    ] = Field(_MILESTONES, description="fractions of a schedule's steps")
    gamma: Annotated[float, If("schedule", "step")] = Field(_GAMMA, gt=0, le=1)

    def contradictions(self) -> Iterator[tuple[str, str, tuple[str, Any] | None]]:
        """Yields Nesterov's momentum without one, and a decay that changes nothing."""
        if self.name == "sgd" and self.nesterov and self.momentum == 0:
            yield "nesterov", "needs a momentum above 0", ("nesterov", False)
        if not self.decay_norms and self.weight_decay == 0:
            what = "nothing decays while optim.weight_decay is 0"
            yield "decay_norms", what, ("decay_norms", True)
        if self.schedule != "step":
            return
        if self.gamma != _GAMMA and not self.milestones:
            yield "gamma", "nothing reads it while optim.milestones is empty", ("gamma", _GAMMA)
        if self.milestones not in ((), _MILESTONES) and self.gamma == 1:
            yield "milestones", "they change nothing while optim.gamma is 1", ("gamma", _GAMMA)
        if self.warmup and any(at <= self.warmup for at in self.milestones):
            what = f"{self.warmup:g} reaches the first milestone, {min(self.milestones):g}"
            yield "warmup", what, ("warmup", min(self.milestones) / 2)
