"""Single-shot evaluation: a gallery of one random image of each identity, many times over.

The protocol of CUHK03 (Li et al., DeepReID, CVPR 2014, section 5): in each trial, the gallery of a
query holds one image of each identity, drawn from the cameras other than the query's, and all
queries of a camera share it. Scores are means over trials and queries. A query has one match in
each trial, so its average precision is its reciprocal rank.

Distractors (pid 0) are nobody's images: all of them stay in every gallery. Junk takes no part.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from reid_srdl.retrieval.labels import Int64s, Labels
from reid_srdl.retrieval.metrics import PerQuery, scores
from reid_srdl.retrieval.result import Scores, Spread
from reid_srdl.retrieval.rules import distractors
from reid_srdl.seeds import generator

_MEASURES = ("mAP", "mAP_trapezoid", "mINP", "rank1", "rank5", "rank10", "rank20")


@dataclass(frozen=True)
class SingleShot:
    """How galleries are drawn: ``trials`` of them for each camera, from ``seed``."""

    trials: int = 100
    seed: int = 0

    def told(self, same_camera: Literal["ignore", "keep"]) -> dict[str, str]:
        """Returns the fields of `result.Rules` that name this protocol."""
        drawn = "the cameras other than the query's" if same_camera == "ignore" else "all cameras"
        return {
            "single_shot": f"a random gallery image of each identity from {drawn}, all images "
            f"of pid 0; {self.trials} trials from seed {self.seed}; scores "
            "are means over trials and queries",
            "ap": "mAP: mean reciprocal rank of the one match; mAP_trapezoid: the same by "
            "trapezoids",
        }

    def draws(self, queries: Labels, gallery: Labels) -> Iterator[tuple[int, Int64s, Int64s]]:
        """Yields the drawn galleries, camera by camera.

        Args:
            queries: the queries' labels, as the rules see them.
            gallery: labels of what galleries are drawn from, without junk.

        Yields:
            (trial, positions of the queries that search in it, positions of its images).
        """
        nobody = distractors(queries, gallery)
        for camera in np.unique(queries.camids).tolist():
            own = np.flatnonzero(queries.camids == camera)
            elsewhere = gallery.camids != camera
            elsewhere[nobody] = False
            images = _by_identity(gallery, np.flatnonzero(elsewhere))
            for trial in range(self.trials):
                drawn = _drawn(images, self.seed, trial, camera)
                yield trial, own, np.sort(np.concatenate([drawn, nobody]))

    def count(self, queries: Labels) -> int:
        """Returns how many galleries these queries make."""
        return self.trials * len(np.unique(queries.camids))


def averaged(tables: list[PerQuery]) -> tuple[Scores, Spread, PerQuery]:
    """Averages the results of T trials over the same queries.

    Returns:
        The means of all scores, their standard deviations over trials, and per query the means over
        trials, with the (lower) median of its ranks as its first rank.

    Raises:
        ValueError: no query has a match.
    """
    found = [scores(table) for table in tables]
    values = {key: [float(getattr(one, key)) for one in found] for key in _MEASURES}
    means = {key: math.fsum(own) / len(own) for key, own in values.items()}
    spread = {key: statistics.stdev(own) if len(own) > 1 else 0.0 for key, own in values.items()}
    together = {
        key: np.mean([getattr(table, key) for table in tables], axis=0)
        for key in ("ap", "ap_trapezoid", "inp")
    }
    ranks = np.sort([table.first_rank for table in tables], axis=0)
    table = replace(tables[0], first_rank=ranks[(len(tables) - 1) // 2], **together)
    return found[0].model_copy(update=means), Spread(**spread), table


@dataclass(frozen=True)
class _Images:
    """Gallery positions grouped by identity: those of the i-th start at first[i]."""

    positions: Int64s
    first: Int64s
    sizes: Int64s


def _by_identity(labels: Labels, positions: Int64s) -> _Images:
    order = positions[np.argsort(labels.pids[positions], kind="stable")]
    _, first, sizes = np.unique(labels.pids[order], return_index=True, return_counts=True)
    return _Images(order, first, sizes)


def _drawn(images: _Images, seed: int, trial: int, camera: int) -> Int64s:
    """Returns one position of each identity."""
    draw = generator(seed, "single-shot", trial, camera).integers(0, images.sizes)
    chosen: Int64s = images.positions[images.first + draw]
    return chosen
