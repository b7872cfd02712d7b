"""The classification data sets; a new one is a file beside this and a row here."""

from __future__ import annotations

from collections.abc import Callable

from reid_srdl.data.classes import cifar, folders, mnist, tiny
from reid_srdl.data.classes.samples import ClassData
from reid_srdl.data.locate import ClassCounts, Entry
from reid_srdl.data.normalisation import CIFAR10, CIFAR100, MNIST

_CLASS_FOLDERS = tuple(f"{folder}/" for folder in (folders.TRAIN, *folders.TESTS))

CLASSES: dict[str, Entry] = {
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
    "mnist": Entry(
        name="mnist",
        summary="MNIST: 70,000 grey images of 28 x 28 pixels, 10 digits",
        fetch="get the four idx files that torchvision keeps in MNIST/raw",
        task="classification",
        folders=("MNIST/raw", "MNIST", "raw"),
        marks=tuple(f"{file}{suffix}" for file in mnist.MD5 for suffix in ("", ".gz")),
        layout=mnist.LAYOUT,
        official_classes={"train": ClassCounts(60_000, 10), "test": ClassCounts(10_000, 10)},
        normalisation=MNIST,
        defaults={
            "data": {"height": 28, "width": 28, "pad": 0, "flip": False},
            "model": {"name": "mlp-800"},
            "optim": {"batch_size": 128, "lr": 0.05, "weight_decay": 0.0},
            "train": {"epochs": 60},
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

CLASS_READERS: dict[str, Callable[..., ClassData]] = {
    "cifar10": cifar.load,
    "cifar100": cifar.load,
    "mnist": mnist.load,
    "tiny-imagenet": tiny.load,
    "imagenet": folders.load,
    "class-folder": folders.load,
}
