"""A run's network as a graph in a file, compared with the network once it is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from reid_srdl.data.augment import normalise
from reid_srdl.data.normalisation import Normalisation
from reid_srdl.errors import UserError
from reid_srdl.files import file_digest, whole_file, write_json
from reid_srdl.jobs.analyse.named_networks import Named
from reid_srdl.jobs.export.samples import Samples, samples_of
from reid_srdl.jobs.export.subject import subject_of
from reid_srdl.jobs.extract import seen_by
from reid_srdl.models.answering import Output
from reid_srdl.models.graphs.comparing import LIMIT, largest_difference
from reid_srdl.models.graphs.running import open_onnx
from reid_srdl.models.graphs.standalone import Standalone
from reid_srdl.models.graphs.writing import WRITERS, check_suffix, read_program, traced
from reid_srdl.records.exported import (
    Answer,
    Checked,
    Exported,
    TakenImages,
    sidecar,
)
from reid_srdl.tasks.normalised import normalisation_of
from reid_srdl.version import __version__

# What says nothing about how features are compared.
_NOT_OF_FILES = {"enabled", "engine", "batch_size", "every", "ensembles"}


def export_graph(
    run: Path,
    output: Path,
    *,
    network: str | None = None,
    answer: Answer = "features",
    data_dir: Path | None = None,
    dataset: str | None = None,
) -> tuple[Exported, str | None]:
    """Writes a network of a finished run as ONNX (.onnx) or for torch.export (.pt2).

    The graph takes N x C x H x W float32 images in 0..1, RGB or grey, already resized, N any
    number. Normalising, the network in evaluation mode and its neck are inside. A JSON beside the
    file says so.

    Args:
        run: the run's folder.
        output: the file.
        network: which of the run's networks; None: its result.
        answer: what the graph gives.
        data_dir: where the data set is now.
        dataset: on whose images the graph is tried; None: the run's own.

    Returns:
        What the JSON says, and what is worth a note.

    Raises:
        UserError: no such network or data; it cannot be written as a graph; or the written one
            differs from it by more than 1e-4, relative to each answer's largest value, on 32
            images in batches of 1 and 7. Then there is no file.
    """
    check_suffix(output)
    named = subject_of(run, network)
    normalisation = normalisation_of(named.network.spec, seen_by(named.config.data.name))
    samples = samples_of(named, data_dir, dataset)
    reference = _answers(named, samples, normalisation, answer)
    size = (named.config.data.height, named.config.data.width)
    graph = Standalone(named.network, normalisation.mean, normalisation.std, answer)
    program = traced(graph, size)
    with whole_file(output, "the exported network") as temporary:
        WRITERS[output.suffix](program, answer, temporary)
        difference = _difference(output, temporary, samples, reference)
        checked = Checked(images=len(samples.pixels), of=samples.of, difference=difference)
        facts = _facts(named, normalisation, answer, file_digest(temporary), checked, reference)
        write_json(sidecar(output), facts.model_dump(mode="json"), "the JSON beside the file")
    return facts, samples.note


@torch.inference_mode()
def _answers(
    named: Named, samples: Samples, normalisation: Normalisation, answer: Answer
) -> Tensor:
    """Returns what the run's network answers in float32, N x D, on its own way."""
    output: Output = named.network.eval()(normalise(samples.pixels, normalisation))
    return output.logits if answer == "logits" else output.features


def _difference(output: Path, file: Path, samples: Samples, reference: Tensor) -> float:
    """Returns how far a written file is from the reference.

    Raises:
        UserError: too far.
    """
    images = samples.pixels.float() / 255
    run = _onnx(file) if output.suffix == ".onnx" else read_program(file)
    difference, batch = largest_difference(run, images, reference)
    if not difference <= LIMIT:
        raise UserError(
            f"{output}: what was written differs from the network by {difference:.1e}, more than "
            f"{LIMIT:.0e} ({samples.words}, batches of {batch}); the file was not kept",
            "try the other kind of file (.onnx, .pt2), or another network",
        )
    return difference


def _onnx(file: Path) -> Callable[[Tensor], Tensor]:
    graph = open_onnx(file)
    return lambda images: torch.from_numpy(graph.run(images.contiguous().numpy()))


def _facts(
    named: Named,
    normalisation: Normalisation,
    answer: Answer,
    digest: str,
    checked: Checked,
    reference: Tensor,
) -> Exported:
    config, subject = named.config, named.subject
    return Exported(
        file=digest,
        takes=TakenImages(
            channels=3 if named.network.channels == 3 else 1,
            height=config.data.height,
            width=config.data.width,
            mean=normalisation.mean,
            std=normalisation.std,
        ),
        gives=answer,
        length=reference.shape[1],
        classes=named.classes,
        run=subject.run,
        network=subject.network,
        model=subject.model,
        weights=subject.weights,
        dataset=subject.dataset,
        evaluation=config.eval.model_dump(
            mode="json", exclude_defaults=True, exclude=_NOT_OF_FILES
        ),
        checked=checked,
        version=__version__,
    )
