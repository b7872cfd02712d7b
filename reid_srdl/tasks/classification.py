"""Image classification: trained on classes, judged by top-1, top-5 and cross-entropy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reid_srdl.analysis.accuracy import class_scores
from reid_srdl.analysis.ensembles import mean_log_probabilities
from reid_srdl.config import DataConfig, EvalConfig
from reid_srdl.config.augmentation import JitterConfig
from reid_srdl.data import find_entry
from reid_srdl.data.augmentation import augmentation_of
from reid_srdl.data.batches import Images, TrainingSet
from reid_srdl.data.classes.samples import ClassData
from reid_srdl.data.held_out import held_images
from reid_srdl.data.normalisation import Normalisation
from reid_srdl.errors import UserError
from reid_srdl.group.processes import Alone, Group
from reid_srdl.models.network import Network
from reid_srdl.records.run import DatasetFacts
from reid_srdl.tasks.answers import answers_of, check_answers
from reid_srdl.tasks.data import TaskData, drawn_of, read_data, shown_by
from reid_srdl.tasks.task import Judged, Steps
from reid_srdl.tasks.validation import ClassJudge, in_view
from reid_srdl.training.fitting import Judge
from reid_srdl.training.precision import Compute
from reid_srdl.training.values import Model, View

_TESTING = "testing {}"  # as `Steps` names what a network does


class ClassificationTask:
    """A data set of classes, see `tasks.task.Task`.

    Args:
        section: names the data set, and says how it is trained on.
        judged: how networks are judged.
        compute: where it runs.
        steps: told of the work around the training.
        found: the data set, where it was listed before.
        normalisation: how the network takes its pixels, where not as suits the data set.
        group: the processes that judge networks together.

    Raises:
        UserError: data that cannot be read, or a setting that only re-id knows.
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
        if section.identities is not None:
            raise UserError(
                f"data.identities: {section.name} has classes, no identities",
                "leave data.identities out",
                usage=True,
            )
        entry = find_entry(section.name)
        if entry.normalisation.channels == 1 and section.jitter != JitterConfig():
            raise UserError(
                f"data.jitter: the images of {section.name} are grey, it is for colours",
                "leave data.jitter out",
                usage=True,
            )
        self._compute, self._steps, self._group = compute, steps, group or Alone()
        self.batch_size, self._flip = judged.batch_size, judged.flip
        size = (section.height, section.width)
        found = found or read_data(section, judged, steps)
        assert isinstance(found.data, ClassData)
        data = found.data
        self.classes = found.classes
        train, test = (
            Images(part.pixels, size, compute.device, normalisation or entry.normalisation)
            for part in (data.train, data.test)
        )
        self.test_images, self.test_labels = test, data.test.labels
        labels, rows = data.train.labels, None
        self.judge_epoch: Judge | None = None
        if section.validation:
            held = held_images(labels, section.validation, self.classes)
            self.judge_epoch = self._judge_of(train, labels, np.flatnonzero(held))
            rows = np.flatnonzero(~held)
            labels = labels[rows]
        if (drawn := drawn_of(section, labels)) is not None:
            rows = np.flatnonzero(drawn) if rows is None else rows[drawn]
            labels = labels[drawn]
        self.training_set = TrainingSet(
            train,
            labels,
            pad=section.pad,
            flip=section.flip,
            augmentation=augmentation_of(section),
            rows=rows,
            labelled=shown_by(section, labels),
        )
        self.facts = DatasetFacts(
            name=section.name,
            task="classification",
            images=len(self.training_set),
            labelled=self.training_set.labelled,
            classes=len(data.classes),
            test=len(data.test),
            content=found.facts,
            folder=found.folder,
        )

    def _judge_of(
        self, train: Images, labels: NDArray[np.int64], held: NDArray[np.int64]
    ) -> ClassJudge:
        """Returns who scores networks on the held-out ones of the training images."""

        def logits(network: Network) -> Tensor:
            return self._logits(network, "validation", train, held)

        return ClassJudge(logits, labels[held], self.classes)

    def judge(
        self, models: Mapping[str, Model], ensembles: Mapping[str, Sequence[Model]]
    ) -> dict[str, Judged]:
        """Evaluates networks on the test images, and ensembles by their mean probabilities.

        Raises:
            UserError: the members of an ensemble know different classes.
        """
        logits: dict[str, Tensor] = {}

        def of(model: Model, name: str) -> Tensor:
            if model.key not in logits:
                logits[model.key] = self._viewed(self.test_logits(model.network, name), model.view)
            return logits[model.key]

        judged = {
            name: Judged(class_scores(of(model, name), self._labels(model.view)))
            for name, model in models.items()
        }
        for name, members in ensembles.items():
            views = {model.view for model in members}
            if len(views) > 1:
                raise UserError(
                    f"eval.ensembles: the networks of {name} know different classes",
                    "join networks that were trained on the same classes",
                )
            parts = [of(model, name) for model in members]
            scores = class_scores(mean_log_probabilities(parts), self._labels(views.pop()))
            judged[name] = Judged(scores)
        return judged

    def passes(self, name: str) -> dict[str, int]:
        """Returns how many test images a network of this name sees."""
        return {_TESTING.format(name): len(self.test_images)}

    def _labels(self, view: View | None) -> Tensor:
        return torch.from_numpy(in_view(self.test_labels, self.classes, view)[1])

    def _viewed(self, logits: Tensor, view: View | None) -> Tensor:
        return logits[torch.from_numpy(in_view(self.test_labels, self.classes, view)[0])]

    def test_logits(self, network: Network, what: str) -> Tensor:
        """Returns N x C float32 logits of the test images, in order, on the CPU.

        Raises:
            UserError: they are not finite.
        """

        def told(done: int) -> None:
            self._steps(_TESTING.format(what), done, len(self.test_images))

        order = np.arange(len(self.test_images))
        return self._logits(network, what, self.test_images, order, told)

    def _logits(
        self,
        network: Network,
        what: str,
        images: Images,
        order: NDArray[np.int64],
        told: Callable[[int], None] | None = None,
    ) -> Tensor:
        """Returns N x C float32 logits of the images in ``order``, on the CPU."""
        network.eval()

        def answer(batch: Tensor) -> Tensor:
            with self._compute.autocast():
                logits: Tensor = network(batch).logits
                if self._flip:
                    logits = (logits + network(batch.flip(3)).logits) / 2
            return logits

        found = answers_of(answer, images, order, self.batch_size, told=told, group=self._group)
        check_answers(found, what)
        return found
