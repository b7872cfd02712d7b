"""Person re-identification: trained as classification of identities, judged by retrieval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reid_srdl.config import DataConfig, EvalConfig
from reid_srdl.data.augmentation import augmentation_of
from reid_srdl.data.batches import Images, TrainingSet
from reid_srdl.data.cache import decoded
from reid_srdl.data.normalisation import IMAGENET, Normalisation
from reid_srdl.data.reid.crops import ReidData
from reid_srdl.data.reid.joint import set_of_each
from reid_srdl.data.reid.names import class_labels
from reid_srdl.errors import UserError
from reid_srdl.evaluation import check_boxes, check_labels, evaluate_by
from reid_srdl.group.processes import Alone, Group
from reid_srdl.models.network import Network
from reid_srdl.records.digests import labels_digest
from reid_srdl.records.queries import scored_queries
from reid_srdl.records.run import DatasetFacts
from reid_srdl.retrieval.ensembles import joined_features
from reid_srdl.retrieval.features import Features
from reid_srdl.retrieval.labels import Labels
from reid_srdl.tasks.data import TaskData, drawn_of, read_data, settings_on, shown_by
from reid_srdl.tasks.features import Extractor, all_parts, told_of
from reid_srdl.tasks.task import Judged, Steps
from reid_srdl.tasks.validation import RetrievalJudge
from reid_srdl.training.fitting import Judge
from reid_srdl.training.precision import Compute
from reid_srdl.training.values import Model


class ReidTask:
    """A re-id data set, see `tasks.task.Task`.

    Args:
        section: names the data set, and says how it is trained on.
        judged: how networks are judged.
        compute: where it runs.
        steps: told of the work around the training.
        found: the data set, where it was listed before.
        normalisation: how the network takes its pixels, where not as suits the data set.
        group: the processes that judge networks together.

    Raises:
        UserError: data that cannot be read, fewer identities than asked for, or an
            evaluation that will be refused.
    """

    def __init__(
        self,
        section: DataConfig,
        judged: EvalConfig,
        compute: Compute,
        steps: Steps,
        found: TaskData | None = None,
        normalisation: Normalisation | None = None,
        group: Group | None = None,
    ) -> None:
        self._section, self._settings = section, judged
        self._compute, self._steps, self._group = compute, steps, group or Alone()
        size = (section.height, section.width)
        found = found or read_data(section, judged, steps)
        assert isinstance(found.data, ReidData)
        self._data = data = found.data
        if not len(data.train):
            raise UserError(
                f"{data.root}: there are no images to train on",
                "add some (of a table, rows of the split train); a finished run is evaluated on "
                f"what is there by reid-srdl eval RUN --dataset {data.name}",
            )
        self.classes = found.classes
        crops, trained = data.training_crops(self.classes)
        labels, _ = class_labels(crops.pids)
        if (drawn := drawn_of(section, labels)) is not None:
            trained[trained], labels = drawn, labels[drawn]
        whole = decoded(
            data.train,
            fallback_size=size,
            progress=lambda done, total: steps("decoding train", done, total),
        )
        pixels = whole if trained.all() else whole[trained]
        images = Images(pixels, size, compute.device, normalisation or IMAGENET)
        sets = set_of_each(data)
        sets = None if sets is None else sets[trained]
        self.training_set = TrainingSet(
            images,
            labels,
            pad=section.pad,
            flip=section.flip,
            augmentation=augmentation_of(section),
            sets=sets if section.joint == "balanced" else None,
            labelled=shown_by(section, labels),
        )
        self.judge_epoch: Judge | None = None
        if found.held:
            others, held = data.training_crops(found.held)
            seen = whole[held], size, compute
            self.judge_epoch = RetrievalJudge(others, *seen, judged, self._group)
        self.facts = _facts(found, trained, self.training_set.labelled)

    def judge(
        self, models: Mapping[str, Model], ensembles: Mapping[str, Sequence[Model]]
    ) -> dict[str, Judged]:
        """Evaluates features by the re-id protocol: each network's, and each ensemble's.

        An ensemble has its members' features, L2-normalised, side by side. On a joint set each is
        judged on each of its sets. Each network passes over a set's images once. Of several
        processes all compute features, and process 0 alone ranks and returns what came out.

        Raises:
            UserError: images that cannot be read.
        """
        sets = self._data.parts or (self._data,)
        judged = [self._judged_on(data, models, ensembles) for data in sets]
        return {
            name: replace(first, further=tuple(others[name] for others in judged[1:]))
            for name, first in judged[0].items()
        }

    def passes(self, name: str) -> dict[str, int]:
        """Returns how many images a network sees, of all sets and parts of them."""
        found: Counter[str] = Counter()
        for data in self._data.parts or (self._data,):
            for part in ("query", "gallery", "boxes"):
                found[told_of(part)] += len(getattr(data, part) or ())
        return dict(found)

    def _judged_on(
        self,
        data: ReidData,
        models: Mapping[str, Model],
        ensembles: Mapping[str, Sequence[Model]],
    ) -> dict[str, Judged]:
        """Evaluates networks and ensembles on one set; what no ensemble needs is not kept."""
        joined = {model.key for members in ensembles.values() for model in members}
        kept: dict[str, Features] = {}
        judged: dict[str, Judged] = {}
        for name, model in models.items():
            features = kept.get(model.key) or self._features(model.network, data)
            if model.key in joined:
                kept[model.key] = features
            if self._group.rank == 0:
                judged[name] = self._ranked(features, data)
        for name, members in ensembles.items():
            for model in members:
                if model.key not in kept:
                    kept[model.key] = self._features(model.network, data)
            if self._group.rank == 0:
                side_by_side = joined_features([kept[model.key] for model in members])
                judged[name] = self._ranked(side_by_side, data)
        return judged

    def _features(self, network: Network, data: ReidData) -> Features:
        settings = settings_on(self._section, self._settings, data.name)
        extractor = Extractor(
            network,
            self.training_set.images.size,
            self._compute,
            settings.batch_size,
            settings.flip,
            self._steps,
            group=self._group,
        )
        return all_parts(extractor, data)

    def _ranked(self, features: Features, data: ReidData) -> Judged:
        settings = settings_on(self._section, self._settings, data.name)
        done = evaluate_by(
            features,
            settings,
            engine=settings.engine,
            device=str(self._compute.device),
            progress=lambda done, total: self._steps("ranking", done, total),
            verify=settings.verify,
            keep=True,
        )
        return Judged(done.evaluation, scored_queries(done.single, done.multi), kept=done.kept)


def _facts(
    found: TaskData, trained: NDArray[np.bool_], labelled: int | None = None
) -> DatasetFacts:
    """Returns what a record says of a set, and of a joint one's parts.

    Args:
        found: the set.
        trained: which of its N training crops are trained on.
        labelled: how many of these show their labels; None: all, or not asked of a part.
    """
    data = found.data
    assert isinstance(data, ReidData)
    ends = np.cumsum([len(part.train) for part in data.parts])
    parts = zip(found.parts, np.split(trained, ends[:-1]), strict=True) if found.parts else ()
    return DatasetFacts(
        name=data.name,
        images=int(trained.sum()),
        labelled=labelled,
        identities=len(found.classes),
        query=len(data.query),
        gallery=len(data.gallery),
        boxes=len(data.boxes) if data.boxes is not None else None,
        labels=labels_digest((data.query, data.gallery, data.boxes)),
        content=found.facts,
        folder=found.folder,
        parts=tuple(_facts(part, own) for part, own in parts),
    )


def check_data(data: ReidData, settings: EvalConfig) -> None:
    """Checks by labels alone that networks can be judged on a data set.

    Raises:
        UserError: no query, or no multi-query of a set with boxes, has a match, or there are
            fewer images than the settings need.
    """
    query, gallery = (Labels(part.pids, part.camids) for part in (data.query, data.gallery))
    check_labels(query, gallery, settings)
    if data.boxes is not None and settings.gallery == "all":
        check_boxes(query, gallery, Labels(data.boxes.pids, data.boxes.camids), settings)
