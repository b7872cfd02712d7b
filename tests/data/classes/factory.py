"""Tiny classification data sets in the official formats, written in a moment."""

from __future__ import annotations

import hashlib
import io
import pickle
import struct
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reid_srdl.data.classes import cifar


class _Python2Pickler(pickle._Pickler):  # type: ignore[name-defined]
    """Writes texts as Python 2's byte strings, as in the official files."""

    dispatch = pickle._Pickler.dispatch.copy()  # type: ignore[attr-defined]

    def save_text(self, value: str | bytes) -> None:
        raw = value.encode("latin1") if isinstance(value, str) else value
        if len(raw) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes([len(raw)]) + raw)
        else:
            self.write(pickle.BINSTRING + struct.pack("<i", len(raw)) + raw)

    dispatch[str] = dispatch[bytes] = save_text


def python2_pickle(value: Any) -> bytes:
    """Pickles as Python 2 did with protocol 2."""
    file = io.BytesIO()
    _Python2Pickler(file, protocol=2).dump(value)
    return file.getvalue().replace(b"numpy._core", b"numpy.core")


def write_cifar(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, images: int = 6) -> Path:
    """Writes a set of ``images`` images a file into ``folder`` and makes its sums the official."""
    files = cifar.FILES[name]
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number, batch in enumerate((*files.train, *files.test)):
        labels = ((np.arange(images) + number) % files.classes).tolist()
        data = rng.integers(0, 256, (images, 3072), dtype=np.uint8)
        content = {"batch_label": batch, files.labels: labels, "data": data}
        if name == "cifar100":
            content["coarse_labels"] = [label // 5 for label in labels]
        content["filenames"] = [f"image_s_{index:06d}.png" for index in range(images)]
        (folder / batch).write_bytes(python2_pickle(content))
    names = [f"class{number}" for number in range(files.classes)]
    (folder / files.meta).write_bytes(python2_pickle({files.names: names}))
    accept(name, folder, monkeypatch)
    return folder


def accept(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the sums of a folder's files the official ones."""
    files = cifar.FILES[name]
    md5 = {file: hashlib.md5((folder / file).read_bytes()).hexdigest() for file in files.md5}
    monkeypatch.setitem(cifar.FILES, name, replace(files, md5=md5))


def write_tar(folder: Path, archive: Path) -> Path:
    with tarfile.open(archive, "w:gz") as content:
        content.add(folder, folder.name)
    return archive


def write_picture(path: Path, width: int = 64, height: int = 64, mode: str = "RGB") -> None:
    """Writes a smooth picture, the same for the same name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(list(path.name.encode()))
    coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    picture = coarse.resize((width, height), Image.Resampling.BICUBIC).convert(mode)
    picture.save(path, "JPEG" if path.suffix.lower() != ".png" else "PNG")


WNIDS = ("n03444034", "n01443537", "n02099712")  # not sorted, as in the official list


def write_tiny_imagenet(root: Path, train: int = 4, val: int = 2) -> Path:
    """Writes Tiny ImageNet's layout; the first image of each class is grey."""
    for wnid in WNIDS:
        for number in range(train):
            path = root / "train" / wnid / "images" / f"{wnid}_{number}.JPEG"
            write_picture(path, mode="RGB" if number else "L")
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text(f"{wnid}_0.JPEG\t0\t0\t62\t62\n")
    lines = []
    for number in range(val * len(WNIDS)):
        write_picture(root / "val" / "images" / f"val_{number}.JPEG")
        lines.append(f"val_{number}.JPEG\t{WNIDS[number % len(WNIDS)]}\t0\t32\t44\t62\n")
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    (root / "wnids.txt").write_text("\n".join(WNIDS) + "\n")
    (root / "words.txt").write_text(
        "n00001740\tentity\nn01443537\tgoldfish, Carassius auratus\nn03444034\tgo-kart\n"
        "n02099712\tLabrador retriever\n"
    )
    write_picture(root / "test" / "images" / "test_0.JPEG")
    return root


def write_class_folders(
    root: Path,
    sizes: tuple[tuple[int, int], ...] = ((40, 30), (30, 40), (90, 60)),
    val: str = "val",
) -> Path:
    """Writes three classes with an image of each (width, height), and a test image of each."""
    for wnid in sorted(WNIDS):
        for number, (width, height) in enumerate(sizes):
            write_picture(root / "train" / wnid / f"{wnid}_{number}.JPEG", width, height)
        write_picture(root / val / wnid / f"{wnid}_val.JPEG", *sizes[0])
    return root
