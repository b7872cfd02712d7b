"""What every way of evaluating shares: engines, rules in words, the result."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from typing import Protocol as TypingProtocol

from reid_srdl.config.protocol import Protocol
from reid_srdl.errors import UserError
from reid_srdl.evaluation.cameras import words
from reid_srdl.evaluation.conventions import CONVENTIONS, OF_FEATURES
from reid_srdl.evaluation.single_shot import SingleShot
from reid_srdl.retrieval.counting.count import CountEngine
from reid_srdl.retrieval.kept import KeptRanks
from reid_srdl.retrieval.labels import Labels
from reid_srdl.retrieval.lists import RankList
from reid_srdl.retrieval.metrics import PerQuery
from reid_srdl.retrieval.ranks import Engine, Ranker
from reid_srdl.retrieval.result import Evaluation, Rules

Progress = Callable[[int, int], None]
EngineName = Literal["count", "faiss"]


class Counting(Engine, TypingProtocol):
    """An engine that says how many pairs it left to the definition."""

    undecided: int


@dataclass(frozen=True)
class Scored:
    """An evaluation with its per-query results, as arrays.

    Attributes:
        evaluation: the scores and the rules.
        single: results of each query, in the queries' order.
        multi: results of each distinct (pid, camid) of the queries, in order of first occurrence;
            None without boxes.
        undecided: pairs that float32 left to the definition.
        lists: returns the first k gallery images of each query, from the ranking that gave the
            scores; raises UserError where there are none of that length.
        kept: the top of the ranking; None where nobody asked for it, or galleries are drawn.
        content: digest of the test images where they are known.
        directionless: how many rows of queries and of the gallery are zeros, and cannot be
            L2-normalised though they should be.
    """

    evaluation: Evaluation
    single: PerQuery
    multi: PerQuery | None
    undecided: int
    lists: Callable[[int], list[RankList]]
    kept: KeptRanks | None = None
    content: str | None = None
    directionless: tuple[int, int] = (0, 0)


def engine_of(engine: EngineName | Counting, device: str) -> Counting:
    if engine == "count":
        return CountEngine(device)
    if engine == "faiss":
        from reid_srdl.by_faiss.search import SearchEngine

        if device != "cpu" and not re.fullmatch(r"cuda(:\d+)?", device):
            raise UserError(
                f"device {device!r} cannot be used by FAISS", "choose cpu or cuda", usage=True
            )
        return SearchEngine(gpu=device.startswith("cuda"))
    if isinstance(engine, str):
        raise UserError(f"no such engine {engine!r}", "choose count or faiss", usage=True)
    return engine


def normalizes(protocol: Protocol) -> bool:
    """Says whether features are L2-normalised under ``protocol``."""
    return protocol.normalize or protocol.distance == "cosine"


def rules_of(protocol: Protocol, ranker: Ranker, query: Labels, distractors: int) -> Rules:
    """Returns the protocol with its conventions in words, and how many images are nobody's."""
    chosen = protocol.model_dump(include=set(Protocol.model_fields))
    chosen |= {"normalize": normalizes(protocol), "distractors": distractors}
    conventions = CONVENTIONS[protocol.rules].words()
    if protocol.distance == "given":
        left = tuple(w for w in conventions["not_reproduced"] if w not in OF_FEATURES)
        conventions["not_reproduced"] = left
    rules = Rules.model_validate(chosen | conventions)
    told: dict[str, Any] = {"same_camera_note": words(query, protocol.same_camera), **ranker.told()}
    if protocol.gallery == "single-shot":
        told |= SingleShot(protocol.trials, protocol.trial_seed).told(protocol.same_camera)
        quirks = CONVENTIONS[protocol.rules].single_shot
        told["not_reproduced"] = (*rules.not_reproduced, *quirks)
    return rules.model_copy(update=told)


def unmatched() -> UserError:
    return UserError(
        "no query has a match in the gallery (same pid, another camid)",
        "check the pids and camids of queries and gallery",
    )


def unmatched_boxes() -> UserError:
    return UserError(
        "no multi-query has both boxes and a match in the gallery",
        "check the pids and camids of the boxes, or leave the boxes out",
    )
