"""The content of a study's data sets, so that only runs on it count as the study's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reid_srdl.config import AnyConfig
from reid_srdl.data import find_entry, load_classes, load_dataset
from reid_srdl.data.classes.samples import ClassData
from reid_srdl.data.content import content_of
from reid_srdl.data.reid.crops import ReidData
from reid_srdl.errors import UserError
from reid_srdl.records.studies.match import ContentOf


def contents_in(data_dir: Callable[[str], Path | None]) -> ContentOf:
    """Returns what tells the digests of training and test images of a configuration's data.

    Args:
        data_dir: the folder of each data set by its name.
    """
    known: dict[tuple[str, int], tuple[str, str] | None] = {}

    def content(config: AnyConfig) -> tuple[str, str] | None:
        key = (config.data.name, config.data.split)
        if key not in known:
            known[key] = _content(config, data_dir(config.data.name))
        return known[key]

    return content


def _content(config: AnyConfig, folder: Path | None) -> tuple[str, str] | None:
    """Returns the two digests; None where the data cannot be read, which its runs will tell."""
    section = config.data
    data: ReidData | ClassData
    try:
        if find_entry(section.name).task == "reid":
            data = load_dataset(section.name, folder, section.split)
        else:
            data = load_classes(section.name, folder, (section.height, section.width))
        found = content_of(data)
    except UserError:
        return None
    return found.train.digest, found.test.digest
