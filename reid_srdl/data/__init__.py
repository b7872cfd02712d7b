"""Data sets of person crops: where they are, what they hold, their pixels."""

from __future__ import annotations

from pathlib import Path

from reid_srdl.data.locate import Counts, Entry, locate
from reid_srdl.data.reid import market
from reid_srdl.data.reid.crops import Crops, ReidData
from reid_srdl.errors import UserError, did_you_mean

__all__ = ["DATASETS", "Crops", "ReidData", "find_entry", "load_dataset"]

DATASETS: dict[str, Entry] = {
    "market1501": Entry(
        name="market1501",
        summary="Market-1501: 1,501 identities, 6 cameras, 32,668 detected boxes",
        fetch="get Market-1501-v15.09.15.zip from the authors (L. Zheng et al., ICCV 2015; "
        "research only)",
        folders=("Market-1501-v15.09.15", "Market-1501", "market1501", "Market1501", "market"),
        archives=("Market-1501-v15.09.15.zip", "Market-1501.zip", "market1501.zip"),
        official={
            market.TRAIN: Counts(12_936, 751, 6),
            market.QUERY: Counts(3_368, 750, 6),
            market.GALLERY: Counts(19_732, 750, 6, junk=3_819, distractors=2_798),
            market.BOXES: Counts(25_259, 1_501, 6),
        },
        partial_boxes=Counts(12_692, 750, 6),
    ),
    "folder": Entry(
        name="folder",
        summary="any folder of crops in Market-1501's layout and naming",
        fetch="name the folder that holds the splits",
    ),
    "walkers": Entry(
        name="walkers",
        summary="people drawn procedurally, in Market-1501's layout",
        fetch="make it with: reid-srdl data make walkers",
        folders=("walkers",),
        default_dir=Path("data"),
    ),
}


def find_entry(name: str) -> Entry:
    """Returns the table's row of a data set.

    Raises:
        UserError: no data set has this name.
    """
    if name not in DATASETS:
        raise UserError(f"no such data set: {name!r}", did_you_mean(name, DATASETS), usage=True)
    return DATASETS[name]


def load_dataset(name: str, data_dir: Path | None = None) -> ReidData:
    """Finds a data set and lists its crops; reads no image.

    Args:
        name: a name in DATASETS.
        data_dir: the set's folder, its parent, the zip, or a folder that holds the zip (which is
            extracted into the cache). None: the environment variable REID_SRDL_DATA; for
            ``walkers`` also the folder ``data`` of the working directory.

    Raises:
        UserError: the name is unknown, the data set is not there, or it is not as it should be.
    """
    return market.load(name, locate(find_entry(name), data_dir))
