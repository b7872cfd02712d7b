"""What a record says of data set, method, versions and machine."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from reid_srdl.config import TaskName
from reid_srdl.records.content import ContentFacts
from reid_srdl.records.part import Count, RecordPart


class DatasetFacts(RecordPart):
    """What a network was trained and judged on; None where the task knows no such thing.

    Attributes:
        name: the data set's name, e.g. ``market1501``.
        task: what networks are trained for.
        images: of the training set, as the run used it; None for what was not trained here.
        labelled: those of them that showed their labels; None: all.
        identities: of the training set, as the run used it (re-id).
        query, gallery: images, junk and distractors included (re-id).
        boxes: hand-drawn boxes for multi-query; None where there are none (re-id).
        labels: digest of the test images' identities and cameras, see `records.digests`; None
            where it was not taken (re-id).
        classes, test: classes and test images (classification).
        content: digests of what it holds; None where it was not looked at.
        parts: the sets that a joint set joins, each as it is by itself (re-id).
        folder: the name of the folder of a set of one's own, by which tables tell such sets apart.
    """

    name: str
    task: TaskName = "reid"
    images: Count | None = None
    labelled: Count | None = None
    identities: Count | None = None
    query: Count | None = None
    gallery: Count | None = None
    boxes: Count | None = None
    labels: str | None = None
    classes: Count | None = None
    test: Count | None = None
    content: ContentFacts | None = None
    parts: tuple[DatasetFacts, ...] = ()
    folder: str | None = None

    @property
    def title(self) -> str:
        """The set's name in tables: ``market1501``, ``folder (birds)``."""
        return self.name if self.folder is None else f"{self.name} ({self.folder})"

    @model_validator(mode="after")
    def _facts_of_its_task(self) -> DatasetFacts:
        wanted = {"query", "gallery"} if self.task == "reid" else {"classes", "test"}
        if self.task == "reid" and self.images is not None:
            wanted.add("identities")
        if missing := sorted(key for key in wanted if getattr(self, key) is None):
            raise ValueError(f"a {self.task} data set has {', '.join(missing)}")
        return self


class MethodFacts(RecordPart):
    """The training strategy: ``srdl``, and its label in tables, ``srdl (restart=off)``."""

    name: str
    label: str


class Versions(RecordPart):
    """Versions of what computed the numbers; None for a package that is not installed."""

    python: str
    torch: str | None
    torchvision: str | None
    numpy: str | None
    faiss: str | None
    reid_srdl: str


class Device(RecordPart):
    """What computed the numbers: ``AMD EPYC`` or ``NVIDIA H200``, the precision, CPU threads."""

    name: str
    precision: Literal["bf16", "fp32"]
    threads: int = Field(ge=1)
