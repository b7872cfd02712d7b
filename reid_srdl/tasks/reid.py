"""Person re-identification: trained as classification of identities, judged by retrieval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reid_srdl.config import AnyConfig
from reid_srdl.data import load_dataset
from reid_srdl.data.batches import Images, TrainingSet
from reid_srdl.data.cache import decoded
from reid_srdl.data.reid.crops import Crops
from reid_srdl.data.reid.names import class_labels
from reid_srdl.errors import UserError
from reid_srdl.evaluation import evaluate_by
from reid_srdl.models.network import Network
from reid_srdl.records.digests import labels_digest
from reid_srdl.records.queries import scored_queries
from reid_srdl.records.run import DatasetFacts
from reid_srdl.tasks.features import Extractor, all_parts
from reid_srdl.tasks.task import Judged, Steps
from reid_srdl.training.precision import Compute
from reid_srdl.training.values import Model


class ReidTask:
    """A re-id data set, see `tasks.task.Task`.

    Args:
        config: the experiment.
        compute: where it runs.
        steps: told of the work around the training.

    Raises:
        UserError: data that cannot be read, fewer identities than asked for, or ensembles.
    """

    def __init__(self, config: AnyConfig, compute: Compute, steps: Steps) -> None:
        if config.eval.ensembles:
            raise UserError(
                f"eval.ensembles: {', '.join(config.eval.ensembles)}: ensembles average the "
                f"probabilities of classes, and {config.data.name} is judged by features",
                "leave eval.ensembles out for re-id data sets",
                usage=True,
            )
        self._config, self._compute, self._steps = config, compute, steps
        size = (config.data.height, config.data.width)
        self._data = data = load_dataset(config.data.name, config.data.dir, config.data.split)
        crops = _first_identities(data.train, config.data.identities)
        pixels = decoded(
            data.train,
            fallback_size=size,
            progress=lambda done, total: steps("decoding train", done, total),
        )
        if len(crops) < len(data.train):
            pixels = pixels[np.isin(data.train.pids, np.unique(crops.pids))]
        labels, identities = class_labels(crops.pids)
        self.classes = tuple(map(str, identities.tolist()))
        images = Images(pixels, size, compute.device)
        self.training_set = TrainingSet(images, labels, pad=config.data.pad, flip=config.data.flip)
        self.facts = DatasetFacts(
            name=config.data.name,
            images=len(crops),
            identities=len(self.classes),
            query=len(data.query),
            gallery=len(data.gallery),
            boxes=len(data.boxes) if data.boxes is not None else None,
            labels=labels_digest((data.query, data.gallery, data.boxes)),
        )

    def judge(
        self, models: Mapping[str, Model], ensembles: Mapping[str, Sequence[Model]]
    ) -> dict[str, Judged]:
        """Evaluates each network's features by the re-id protocol; there are no ensembles.

        Raises:
            UserError: images that cannot be read.
        """
        return {name: self._judge(model.network) for name, model in models.items()}

    def _judge(self, network: Network) -> Judged:
        settings = self._config.eval
        extractor = Extractor(
            network,
            self.training_set.images.size,
            self._compute,
            settings.batch_size,
            settings.flip,
            self._steps,
        )
        done = evaluate_by(
            all_parts(extractor, self._data),
            settings,
            engine=settings.engine,
            device=str(self._compute.device),
            progress=lambda done, total: self._steps("ranking", done, total),
        )
        return Judged(done.evaluation, scored_queries(done.single, done.multi))


def _first_identities(train: Crops, wanted: int | None) -> Crops:
    """Returns the crops of the first ``wanted`` identities, by pid."""
    identities = np.unique(train.pids)
    if wanted is None:
        return train
    if wanted > len(identities):
        raise UserError(
            f"data.identities: {wanted} is more than the {len(identities)} of the training set",
            "lower data.identities, or leave it out for all",
        )
    return train.select(np.isin(train.pids, identities[:wanted]))
