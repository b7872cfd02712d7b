"""The content of a study's data sets, so that only runs on it count as the study's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reid_srdl.config import DataConfig, placed, sets_of
from reid_srdl.data import Patterns, find_entry, load_classes, load_people
from reid_srdl.data.classes.samples import ClassData
from reid_srdl.data.content import content_of
from reid_srdl.data.locate import locate
from reid_srdl.data.reid.crops import ReidData
from reid_srdl.errors import UserError
from reid_srdl.records.studies.match import ContentOf


def contents_in(data_dir: Callable[[str], Path | None]) -> ContentOf:
    """Returns what tells the digests of training and test images of a ``data`` section.

    Args:
        data_dir: the folder of each data set by its name.
    """
    known: dict[tuple[str, int], tuple[str, str] | None] = {}

    def content(data: DataConfig) -> tuple[str, str] | None:
        key = (data.name, data.split)
        if key not in known:
            known[key] = _content(data, data_dir)
        return known[key]

    return content


def placed_data(data: DataConfig, data_dir: Callable[[str], Path | None]) -> DataConfig:
    """Returns a ``data`` section with its data where this machine has them.

    Args:
        data: any.
        data_dir: the folder of each data set by its name; None: where data sets are looked for.

    Raises:
        UserError: some sets of a joint one have no folder, and are not where they are looked for.
    """
    names = [name for name, _ in sets_of(data)]
    found = [data_dir(name) for name in names]
    if not any(found):
        return data.model_copy(update={"dir": None, "dirs": ()})
    pairs = zip(names, found, strict=True)
    return placed(data, [one or locate(find_entry(name), None) for name, one in pairs])


def _content(section: DataConfig, data_dir: Callable[[str], Path | None]) -> tuple[str, str] | None:
    """Returns the two digests; None where the data cannot be read, which its runs will tell."""
    data: ReidData | ClassData
    try:
        section = placed_data(section, data_dir)
        if find_entry(section.name).task == "reid":
            patterns = Patterns(section.camera, section.person)
            data = load_people(sets_of(section), section.split, patterns)
        else:
            data = load_classes(section.name, section.dir, (section.height, section.width))
        found = content_of(data)
    except UserError:
        return None
    return found.train.digest, found.test.digest
