"""One network's evaluation: on what data, by which settings, with what result."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, JsonValue, model_validator

from reid_srdl.config import EvalConfig, TaskName
from reid_srdl.data import find_entry
from reid_srdl.records.facts import DatasetFacts, Device, Versions
from reid_srdl.records.metrics import Result
from reid_srdl.records.part import Count, RecordPart, UtcTime
from reid_srdl.records.queries import ScoredQueries
from reid_srdl.retrieval.result import Evaluation

# Keys of the ``eval`` section that say what is evaluated and with what, not by which rules.
_NO_SETTINGS = {"enabled", "engine", "batch_size", "every", "ensembles"}


class EvaluationData(RecordPart):
    """What a network was judged on; None where the task knows no such thing.

    Attributes:
        name: the data set's name.
        split: which division of it, from 0; None where it has one only, or that is not known.
        query, gallery, boxes: images (re-id), junk and distractors included.
        distractors: gallery images that are nobody's (re-id).
        labels: digest of identities and cameras, see `records.digests`; None where not taken.
        features: digest of the features where these were given; None where a run's network
            computed them.
        test: test images (classification).
        content: digest of the test images, see `data.content`; None where it was not taken.
        folder: where the data stood, if a data set's place sets this evaluation apart; of a run's
            own evaluation on a set of one's own the folder's name alone.
        distractors_folder: the folder of images that joined the gallery.
    """

    name: str
    task: TaskName = "reid"
    split: Count | None = None
    query: Count | None = None
    gallery: Count | None = None
    boxes: Count | None = None
    distractors: Count | None = None
    labels: str | None = None
    features: str | None = None
    test: Count | None = None
    content: str | None = None
    folder: str | None = None
    distractors_folder: str | None = None


class Evaluated(RecordPart):
    """A network, or an ensemble of some, as it was judged.

    Attributes:
        network: its name in the run, ``srdl``; an ensemble's, ``srdl+first``.
        data: what it was judged on.
        settings: by which settings, a plain tree of keys of the ``eval`` section.
        result: its scores; None where the evaluation was left out.
        per_query: results of each query (re-id); None where there are none.
    """

    network: str
    data: EvaluationData
    settings: dict[str, JsonValue]
    result: Result | None = None
    per_query: ScoredQueries | None = None

    @model_validator(mode="after")
    def _queries_have_scores(self) -> Evaluated:
        if self.per_query is not None and not isinstance(self.result, Evaluation):
            raise ValueError("per_query without scores of queries")
        return self


class EvaluationsRecord(RecordPart):
    """A file that holds evaluations, and what computed them.

    Attributes:
        created: when it was first written, UTC.
        versions, device: what computed the numbers.
        evaluations: at least one.
    """

    schema_version: Literal[2] = 2
    created: UtcTime
    versions: Versions
    device: Device
    evaluations: tuple[Evaluated, ...] = Field(min_length=1)


def settings_used(
    config: EvalConfig, task: TaskName = "reid", *, features: bool = False
) -> dict[str, Any]:
    """Returns the keys of an ``eval`` section by which a network is judged.

    Args:
        config: the section.
        task: classification has no rules of retrieval.
        features: they were given, so nothing of a forward pass counts.
    """
    tree = config.model_dump(mode="json", exclude=_NO_SETTINGS)
    if task == "classification":
        return {"flip": tree["flip"]}
    unread = set() if config.verification else {"verification", "fpr"}
    unread |= {"flip"} if features else set()
    return {key: value for key, value in tree.items() if key not in unread}


def own_data(dataset: DatasetFacts, split: int, result: Result | None) -> EvaluationData:
    """Returns what a run's own networks are judged on.

    Args:
        dataset: the run's data set.
        split: which division of it, where it has several.
        result: the scores; they say how many gallery images are nobody's.
    """
    nobody = result.protocol.distractors if isinstance(result, Evaluation) else None
    return EvaluationData(
        **dataset.model_dump(
            exclude={"images", "labelled", "identities", "classes", "content", "parts"}
        ),
        content=dataset.content.test if dataset.content is not None else None,
        split=split if find_entry(dataset.name).splits > 1 else None,
        distractors=nobody,
    )
