"""What a network was trained and judged on, by content: digests that do not depend on the place."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from reid_srdl.records.part import Count, RecordPart

if TYPE_CHECKING:
    from reid_srdl.data.content import Content

By = Literal["bytes", "names"]


class PartFacts(RecordPart):
    """The content of one part of a data set, see `data.content.Part`.

    Attributes:
        digest: equal for equal content.
        files, bytes: how many there are.
        by: ``names`` where only names, sizes and labels were looked at.
    """

    digest: str
    files: Count
    bytes: Count
    by: By


class ContentFacts(RecordPart):
    """The content of a data set, as records of runs keep it.

    Attributes:
        train: digest of what was trained on.
        test: digest of what the result was judged on.
        by: ``bytes``; ``names`` where a part is so large that its bytes were not read.
        classes: digest of the names of the classes or identities, in the order of their labels.
    """

    train: str
    test: str
    by: By
    classes: str


def content_facts(content: Content, classes: Sequence[str]) -> ContentFacts:
    """Returns what a record says of a data set's content.

    Args:
        content: of the data set.
        classes: the names of those that are trained on, in the order of their labels.
    """
    named = "names" in (content.train.by, content.test.by)
    return ContentFacts(
        train=content.train.digest,
        test=content.test.digest,
        by="names" if named else "bytes",
        classes=names_digest(classes),
    )


def part_facts(content: Content) -> tuple[PartFacts, PartFacts]:
    """Returns what a run's folder keeps of its training and its test images."""
    train, test = (
        PartFacts(
            digest=part.digest,
            files=part.files,
            bytes=part.bytes,
            by="names" if part.by == "names" else "bytes",
        )
        for part in (content.train, content.test)
    )
    return train, test


def names_digest(names: Sequence[str]) -> str:
    """Returns a digest of names in their order.

    >>> names_digest(["a", "b"]) == names_digest(["b", "a"])
    False
    """
    return hashlib.blake2b("\0".join(names).encode(), digest_size=16).hexdigest()
