"""A finished run as an object: its network, curves, features, search and evaluation."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reid_srdl.api.images import pixels_of
from reid_srdl.config import AnyConfig
from reid_srdl.data import UNKNOWN, find_entry
from reid_srdl.errors import UserError
from reid_srdl.methods import KNOWN
from reid_srdl.places import StrPath, as_path
from reid_srdl.records.belonging import read_run
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.run import ImportedRecord, NetworkRecord

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from reid_srdl.analysis.class_scores import ClassScores
    from reid_srdl.evaluation import Scored
    from reid_srdl.models.network import Network
    from reid_srdl.records.answer import Answer
    from reid_srdl.tasks.features import Extractor


class Run:
    """A finished run, as `open_run` returns it.

    Attributes:
        path: its folder.
        config: its configuration.
        record: its record: scores, cost, seed, versions.
    """

    def __init__(self, path: Path, device: str) -> None:
        self.path, self._device = path, device
        self.config: AnyConfig
        self.record: NetworkRecord
        self.config, self.record = read_run(RunFolder(path), KNOWN)

    def __repr__(self) -> str:
        return f"open_run({str(self.path)!r})"

    def network(self, name: str | None = None) -> Network:
        """Returns one of the run's networks, a ``torch.nn.Module`` in evaluation mode.

        Args:
            name: the network's name in the record, such as ``first``; None: the run's result.

        Raises:
            UserError: there is no such network, or its file is damaged.
        """
        from reid_srdl.jobs.networks import network_of

        folder, own = RunFolder(self.path), self.record.results
        if name is not None and name not in own and not folder.weights(name).is_file():
            hint = f"choose from: {', '.join(sorted(own))}"
            raise UserError(f"{self.path}: no network {name!r}", hint)
        found = network_of(folder, self.record, name or self.record.network)
        found.eval()
        return found

    def curves(self) -> list[dict[str, Any]]:
        """Returns the training curves: one dict per epoch, the lines of ``metrics.jsonl``.

        Raises:
            UserError: the network was imported, so it has no curves; or the file is missing or
                damaged.
        """
        import json

        from reid_srdl.seals import check_seal

        file = RunFolder(self.path).metrics
        if isinstance(self.record, ImportedRecord):
            raise UserError(
                f"{self.path}: an imported network, which has no curves",
                "ask a run that was trained here",
            )
        hint = "restore the file, or move the folder away and train again"
        try:
            check_seal(file)
            return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        except (OSError, ValueError) as error:
            raise UserError(f"{file}: cannot be read ({error})", hint) from None

    def embed(self, images: Any) -> NDArray[np.float32]:
        """Returns the N x D float32 features of images, not normalised.

        Args:
            images: one image or several: paths, PIL images, or H x W x 3 arrays of uint8 (RGB).

        Raises:
            UserError: a file that is not an image, or features that are not finite.
        """
        extractor = self._extractor
        return extractor.of_pixels("images", pixels_of(images, extractor.size))

    def search(self, image: StrPath, gallery: StrPath | None = None, **options: Any) -> Answer:
        """Returns the gallery images nearest to one, nearest first.

        Args:
            image: an image file that shows one person.
            gallery: a folder of crops; None: the gallery of the run's own data set.
            options: ``k`` (how many), ``threshold`` (the largest distance), and other arguments of
                `jobs.search.search_run`.

        Raises:
            UserError: no such image, an empty gallery, or k above the gallery's size.
        """
        from reid_srdl.jobs.search import search_run

        device = options.pop("device", self._device)
        return search_run(
            self.path, as_path(image), gallery=as_path(gallery), device=device, **options
        )

    def evaluate(self, **options: Any) -> Scored | dict[str, ClassScores]:
        """Evaluates the run's network, and keeps the result in the run's folder.

        Args:
            options: arguments of `evaluate_run` (``dataset``, ``data_dir``, ``changes``, ...), or
                for a classification run of `evaluate_classes`.

        Returns:
            The evaluation and each query's results; for a classification run each network's scores.

        Raises:
            UserError: data that cannot be read, or settings that contradict each other.
        """
        from reid_srdl.jobs.evaluate import evaluate_classes, evaluate_run

        options = {"device": self._device, **options}
        name = self.config.data.name
        if name != UNKNOWN and find_entry(name).task == "classification":
            return evaluate_classes(self.path, **options)[0]
        return evaluate_run(self.path, **options)[1]

    @cached_property
    def _extractor(self) -> Extractor:
        from reid_srdl.jobs.extract import extractor_of_run

        return extractor_of_run(self.path, device=self._device)


def open_run(path: StrPath, device: str = "auto") -> Run:
    """Opens a finished run.

    Args:
        path: the run's folder.
        device: the device for its network: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UserError: the folder holds no finished run, or a damaged one.

    >>> run = open_run("runs/small")  # doctest: +SKIP
    >>> run.embed(["set/query/0101_c1s1_000000_00.jpg"]).shape  # doctest: +SKIP
    (1, 512)
    >>> run.search("set/query/0101_c1s1_000000_00.jpg", k=3).results[0].rank  # doctest: +SKIP
    1
    >>> 0 <= run.evaluate().evaluation.single_query.mAP <= 1  # doctest: +SKIP
    True
    >>> [epoch["epoch"] for epoch in run.curves()]  # doctest: +SKIP
    [1]
    >>> run.network().spec.name  # doctest: +SKIP
    'resnet18'
    """
    return Run(as_path(path), device)
