"""Scores of image classification."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ClassScores(BaseModel):
    """Scores of one network, or of an ensemble, on a test set.

    Attributes:
        top1: share of images whose class has the largest logit, 0 to 1.
        top5: share of images whose class is among the five largest; None below six classes.
        loss: mean cross-entropy of the test images, in nats.
        images: test images.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    task: Literal["classification"] = "classification"
    top1: float = Field(ge=0, le=1)
    top5: float | None = Field(None, ge=0, le=1)
    loss: float = Field(ge=0)
    images: int = Field(ge=1)
