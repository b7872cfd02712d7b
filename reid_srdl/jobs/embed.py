"""Features of any folder of images, as a run's network sees them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_srdl.data.nested import NestedImages, list_nested
from reid_srdl.errors import UserError
from reid_srdl.files import whole_file
from reid_srdl.places import check_output
from reid_srdl.tasks.task import Steps


def check_embeddings(path: Path) -> None:
    """Checks the name of the file before the work that leads to it.

    Raises:
        UserError: it does not end in .npz, or no file can be written there.
    """
    if path.suffix != ".npz" and not path.is_dir():
        raise UserError(f"{path}: features are written as .npz", "let its name end so", usage=True)
    check_output(path, "the features")


def embed_folder(
    run: Path,
    folder: Path,
    *,
    network: str | None = None,
    flip: bool | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    steps: Steps | None = None,
) -> tuple[NestedImages, NDArray[np.float32]]:
    """Returns the images below a folder, and their N x D features.

    Args:
        run: the folder of a finished run.
        folder: of images, in folders or not.
        network: which of the run's networks; None: its result.
        flip: average the features of each image and its mirror image; None: as the run does.
        batch_size: images of a forward pass; None: the run's.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        steps: told of the progress.

    Raises:
        UserError: no run, no such network, no images, or some that can't be read, named.
    """
    images = list_nested(folder)
    from reid_srdl.jobs.extract import extractor_of_run

    extractor = extractor_of_run(
        run, network=network, flip=flip, batch_size=batch_size, device=device, steps=steps
    )
    pixels = extractor.decoded("the images", images)
    return images, extractor.of_pixels("the images", pixels)


def write_embeddings(path: Path, names: Sequence[str], features: NDArray[np.float32]) -> None:
    """Writes ``features`` (N x D) and ``names`` (N texts) as .npz, whole or not at all.

    Raises:
        FileError: the operating system refuses.
    """
    with whole_file(path, "the features") as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, features=features, names=np.array(names))
