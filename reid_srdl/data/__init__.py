"""Data sets, of person crops and of classes: where they are, what they hold, their pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reid_srdl.data.classes import cifar, folders, tiny
from reid_srdl.data.classes.samples import ClassData, PixelSource, Samples
from reid_srdl.data.images import Steps
from reid_srdl.data.locate import ClassCounts, Counts, Entry, locate
from reid_srdl.data.normalisation import CIFAR10, CIFAR100
from reid_srdl.data.reid import cuhk03, cuhk03_mat, grid, halves, market, msmt17, viper
from reid_srdl.data.reid.crops import Crops, ReidData
from reid_srdl.errors import UserError, did_you_mean

__all__ = [
    "DATASETS",
    "ClassData",
    "Crops",
    "PixelSource",
    "ReidData",
    "Samples",
    "find_entry",
    "load_classes",
    "load_dataset",
]

_CUHK03 = (
    "get CUHK03-NP from Z. Zhong et al. (CVPR 2017), or cuhk03_release.zip from W. Li et al. (CVPR "
    "2014; research only)"
)
_CUHK03_FOLDERS = ("CUHK03-NP", "cuhk03-np", "cuhk03_release", "CUHK03", "cuhk03")
_MARKET = tuple(f"{split}/" for split in market.REQUIRED)
_CLASS_FOLDERS = tuple(f"{folder}/" for folder in (folders.TRAIN, *folders.TESTS))

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
        fetch=_CUHK03,
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
        fetch=_CUHK03,
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
    "walkers": Entry(
        name="walkers",
        summary="people drawn procedurally, in Market-1501's layout",
        fetch="make it with: reid-srdl data make walkers",
        folders=("walkers",),
        default_dir=Path("data"),
    ),
    "cifar10": Entry(
        name="cifar10",
        summary="CIFAR-10: 60,000 images of 32 x 32 pixels, 10 classes",
        fetch="get cifar-10-python.tar.gz from its author (A. Krizhevsky, University of Toronto)",
        task="classification",
        folders=("cifar-10-batches-py",),
        archives=("cifar-10-python.tar.gz",),
        marks=tuple(cifar.FILES["cifar10"].md5),
        layout="data_batch_1 to data_batch_5, test_batch and batches.meta",
        official_classes={"train": ClassCounts(50_000, 10), "test": ClassCounts(10_000, 10)},
        md5={"cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"},
        normalisation=CIFAR10,
        defaults={
            "data": {"height": 32, "width": 32},
            "model": {"name": "resnet32"},
            "optim": {"batch_size": 128},
            "train": {"epochs": 200},
        },
    ),
    "cifar100": Entry(
        name="cifar100",
        summary="CIFAR-100: 60,000 images of 32 x 32 pixels, 100 classes",
        fetch="get cifar-100-python.tar.gz from its author (A. Krizhevsky, University of Toronto)",
        task="classification",
        folders=("cifar-100-python",),
        archives=("cifar-100-python.tar.gz",),
        marks=tuple(cifar.FILES["cifar100"].md5),
        layout="the files train, test and meta",
        official_classes={"train": ClassCounts(50_000, 100), "test": ClassCounts(10_000, 100)},
        md5={"cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85"},
        normalisation=CIFAR100,
        defaults={
            "data": {"height": 32, "width": 32},
            "model": {"name": "resnet32"},
            "optim": {"batch_size": 128},
            "train": {"epochs": 200},
        },
    ),
    "tiny-imagenet": Entry(
        name="tiny-imagenet",
        summary="Tiny ImageNet: 110,000 images of 64 x 64 pixels, 200 classes",
        fetch="get tiny-imagenet-200.zip from Stanford's course CS231n",
        task="classification",
        folders=("tiny-imagenet-200", "tiny-imagenet"),
        archives=("tiny-imagenet-200.zip",),
        marks=(tiny.IDS, tiny.ANNOTATIONS),
        layout=tiny.LAYOUT,
        official_classes={"train": ClassCounts(100_000, 200), "val": ClassCounts(10_000, 200)},
        md5={"tiny-imagenet-200.zip": "90528d7ca1a48142e341f4ef8d21d0de"},
        defaults={
            "data": {"height": 64, "width": 64},
            "model": {"name": "resnet32"},
            "optim": {"batch_size": 128},
            "train": {"epochs": 150},
        },
    ),
    "imagenet": Entry(
        name="imagenet",
        summary="ImageNet (ILSVRC2012): 1,331,167 images, 1,000 classes, read as a stream",
        fetch="get ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar from image-net.org, and "
        "extract them into class folders",
        task="classification",
        folders=("imagenet", "ImageNet", "ILSVRC2012", "ILSVRC/Data/CLS-LOC"),
        marks=_CLASS_FOLDERS,
        layout=folders.LAYOUT,
        official_classes={"train": ClassCounts(1_281_167, 1000), "val": ClassCounts(50_000, 1000)},
        md5={
            "ILSVRC2012_img_train.tar": "1d675b47d978889d74fa0da5fadfb00e",
            "ILSVRC2012_img_val.tar": "29b22e2961454d5413ddabcf34fc5622",
        },
        defaults={
            "data": {"height": 224, "width": 224},
            "model": {"name": "densenet201"},
            "optim": {"batch_size": 128},
        },
    ),
    "class-folder": Entry(
        name="class-folder",
        summary="any folder with train and val (or test), of one folder of images for each class",
        fetch="name the folder that holds train and val",
        task="classification",
        marks=_CLASS_FOLDERS,
        layout=folders.LAYOUT,
        defaults={
            "data": {"height": 224, "width": 224},
            "model": {"name": "resnet50"},
            "optim": {"batch_size": 128},
        },
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

_CLASSES: dict[str, Callable[..., ClassData]] = {
    "cifar10": cifar.load,
    "cifar100": cifar.load,
    "tiny-imagenet": tiny.load,
    "imagenet": folders.load,
    "class-folder": folders.load,
}


def find_entry(name: str) -> Entry:
    """Returns the table's row of a data set.

    Raises:
        UserError: no data set has this name.
    """
    if name not in DATASETS:
        raise UserError(f"no such data set: {name!r}", did_you_mean(name, DATASETS), usage=True)
    return DATASETS[name]


def load_dataset(name: str, data_dir: Path | None = None, split: int = 0) -> ReidData:
    """Finds a data set and lists its crops; reads no image.

    Args:
        name: a name in DATASETS.
        data_dir: the set's folder, its parent, the zip, or a folder that holds the zip (which is
            extracted into the cache). None: the environment variable REID_SRDL_DATA; for
            ``walkers`` also the folder ``data`` of the working directory.
        split: which division into training and test, where the data set has several.

    Raises:
        UserError: the name is unknown or that of a classification set, the data set is not there,
            or it is not as it should be.
    """
    entry = find_entry(name)
    if entry.task != "reid":
        raise UserError(
            f"{name}: a data set of classes, not of persons", _choose("reid"), usage=True
        )
    if not 0 <= split < entry.splits:
        last = entry.splits - 1
        raise UserError(
            f"data.split: {name} has no split {split}",
            f"choose 0 to {last}" if last else "leave it out: there is one",
            usage=True,
        )
    root = locate(entry, data_dir)
    return READERS[name](name, root, split) if name in READERS else market.load(name, root)


def load_classes(
    name: str,
    data_dir: Path | None = None,
    size: tuple[int, int] = (224, 224),
    progress: Steps | None = None,
) -> ClassData:
    """Finds a classification data set and reads its labels, and its pixels where they fit.

    Args:
        name: a name in DATASETS.
        data_dir: as in :func:`load_dataset`.
        size: (height, width) of the network's input in pixels, at which a stream is read; images
            that are kept whole stay as they are.
        progress: called with (what, pieces done, pieces in all).

    Raises:
        UserError: the name is unknown or that of a re-id set, the data set is not there, or it is
            not as it should be.
    """
    entry = find_entry(name)
    if entry.task != "classification":
        raise UserError(
            f"{name}: a data set of persons, not of classes", _choose("classification"), usage=True
        )
    return _CLASSES[name](name, locate(entry, data_dir), size, progress)


def _choose(task: str) -> str:
    names = (entry.name for entry in DATASETS.values() if entry.task == task)
    return f"choose from: {', '.join(names)}"
