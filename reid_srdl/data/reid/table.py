"""The re-id data sets; a new one is a file beside this and a row here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reid_srdl.data.locate import Counts, Entry
from reid_srdl.data.people import reader
from reid_srdl.data.reid import cuhk03, cuhk03_mat, grid, halves, market, msmt17, viper
from reid_srdl.data.reid.crops import ReidData

_CUHK03 = (
    "get CUHK03-NP from Z. Zhong et al. (CVPR 2017), or cuhk03_release.zip from W. Li et al. (CVPR "
    "2014; research only)"
)
_CUHK03_MAT = "get cuhk03_release.zip from W. Li et al. (CVPR 2014; research only)"
_CUHK03_FOLDERS = ("CUHK03-NP", "cuhk03-np", "cuhk03_release", "CUHK03", "cuhk03")
_MARKET = tuple(f"{split}/" for split in market.REQUIRED)

PEOPLE = "people"  # whose reader is told what paths mean, see `data.people`

REID: dict[str, Entry] = {
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
    "cuhk03-labeled": Entry(
        name="cuhk03-labeled",
        summary="CUHK03, new protocol: 767 and 700 identities, 2 cameras, boxes labelled by hand",
        fetch=_CUHK03,
        folders=(*_CUHK03_FOLDERS, "labeled"),
        archives=("cuhk03-np.zip", "cuhk03_release.zip"),
        marks=(*_MARKET, cuhk03_mat.MAT),
        layout=cuhk03.layout("labeled"),
        official={
            "train": Counts(7_368, 767, 2),
            "query": Counts(1_400, 700, 2),
            "gallery": Counts(5_328, 700, 2),
        },
    ),
    "cuhk03-detected": Entry(
        name="cuhk03-detected",
        summary="CUHK03, new protocol: 767 and 700 identities, 2 cameras, detected boxes",
        fetch=_CUHK03,
        folders=(*_CUHK03_FOLDERS, "detected"),
        archives=("cuhk03-np.zip", "cuhk03_release.zip"),
        marks=(*_MARKET, cuhk03_mat.MAT),
        layout=cuhk03.layout("detected"),
        official={
            "train": Counts(7_365, 767, 2),
            "query": Counts(1_400, 700, 2),
            "gallery": Counts(5_332, 700, 2),
        },
    ),
    "cuhk03-classic-labeled": Entry(
        name="cuhk03-classic-labeled",
        summary="CUHK03, 20 classic test sets of 100 people, single-shot, boxes labelled by hand",
        fetch=_CUHK03_MAT,
        folders=_CUHK03_FOLDERS,
        archives=("cuhk03_release.zip",),
        marks=(cuhk03_mat.MAT,),
        layout=cuhk03_mat.MAT,
        defaults={"eval": {"gallery": "single-shot"}},
        splits=cuhk03.CLASSIC_SPLITS,
    ),
    "cuhk03-classic-detected": Entry(
        name="cuhk03-classic-detected",
        summary="CUHK03, 20 classic test sets of 100 people, single-shot, detected boxes",
        fetch=_CUHK03_MAT,
        folders=_CUHK03_FOLDERS,
        archives=("cuhk03_release.zip",),
        marks=(cuhk03_mat.MAT,),
        layout=cuhk03_mat.MAT,
        defaults={"eval": {"gallery": "single-shot"}},
        splits=cuhk03.CLASSIC_SPLITS,
    ),
    "msmt17": Entry(
        name="msmt17",
        summary="MSMT17: 4,101 identities, 15 cameras, 126,441 detected boxes",
        fetch="get MSMT17_V1 or MSMT17_V2 from the authors (L. Wei et al., CVPR 2018; research "
        "only)",
        folders=("MSMT17_V1", "MSMT17_V2", "MSMT17", "msmt17"),
        archives=("MSMT17_V1.tar.gz", "MSMT17_V2.tar.gz", "MSMT17_V1.zip", "MSMT17_V2.zip"),
        marks=msmt17.LISTS,
        layout=msmt17.LAYOUT,
        official={
            "train": Counts(32_621, 1_041, 15),
            "query": Counts(11_659, 3_060, 15),
            "gallery": Counts(82_161, 3_060, 15),
        },
    ),
    "viper": Entry(
        name="viper",
        summary="VIPeR: 632 identities, 2 cameras, 10 random halves, single-shot",
        fetch="get VIPeR.v1.0.zip from the authors (D. Gray et al., PETS 2007)",
        folders=("VIPeR", "viper"),
        archives=("VIPeR.v1.0.zip", "VIPeR.zip"),
        marks=("cam_a/", "cam_b/"),
        layout=viper.LAYOUT,
        official={
            "train": Counts(632, 316, 2),
            "query": Counts(316, 316, 1),
            "gallery": Counts(316, 316, 1),
        },
        splits=halves.SPLITS,
    ),
    "grid": Entry(
        name="grid",
        summary="GRID: 250 identities, 8 cameras, 775 distractors, 10 halves, single-shot",
        fetch="get underground_reid.zip from the authors (C. C. Loy et al., CVPR 2009)",
        folders=("underground_reid", "GRID", "grid"),
        archives=("underground_reid.zip",),
        marks=("probe/", "gallery/"),
        layout=grid.LAYOUT,
        official={
            "train": Counts(250, 125, None),
            "query": Counts(125, 125, None),
            "gallery": Counts(900, 125, None, distractors=775),
        },
        splits=halves.SPLITS,
    ),
    "folder": Entry(
        name="folder",
        summary="any folder of crops in Market-1501's layout and naming",
        fetch="name the folder that holds the splits",
    ),
    PEOPLE: Entry(
        name=PEOPLE,
        summary="a folder of images for each person, or a table of images (.csv, .parquet)",
        fetch="name the folder, or the table",
        marks=(),
        files=reader.FILES,
        layout=reader.LAYOUT,
    ),
    "walkers": Entry(
        name="walkers",
        summary="people drawn procedurally, in Market-1501's layout",
        fetch="make it with: reid-srdl data make walkers",
        folders=("walkers",),
        default_dir=Path("data"),
    ),
}

# Readers of re-id sets in other layouts than Market-1501's.
READERS: dict[str, Callable[[str, Path, int], ReidData]] = {
    "cuhk03-labeled": cuhk03.load_new,
    "cuhk03-detected": cuhk03.load_new,
    "cuhk03-classic-labeled": cuhk03.load_classic,
    "cuhk03-classic-detected": cuhk03.load_classic,
    "msmt17": msmt17.load,
    "viper": viper.load,
    "grid": grid.load,
}
