"""A run's network as weights that torchreid loads, compared once torchreid has loaded them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from reid_srdl.data.augment import normalise
from reid_srdl.errors import UserError
from reid_srdl.files import whole_file
from reid_srdl.jobs.export.samples import samples_of
from reid_srdl.jobs.export.subject import subject_of
from reid_srdl.jobs.extract import seen_by
from reid_srdl.models.adapters.to_torchreid import (
    loaded_by_torchreid,
    torchreid_name,
    torchreid_state,
    write_checkpoint,
)
from reid_srdl.models.answering import Output
from reid_srdl.models.graphs.comparing import relative_difference
from reid_srdl.records.exported import ForTorchreid
from reid_srdl.tasks.normalised import normalisation_of

LIMIT = 1e-5  # of features by torchreid's own code
SUFFIXES = (".pth.tar", ".pth")


def export_torchreid(
    run: Path,
    output: Path,
    *,
    network: str | None = None,
    data_dir: Path | None = None,
    dataset: str | None = None,
) -> tuple[ForTorchreid, str | None]:
    """Writes a network of a finished run as weights of torchreid's network of the same kind.

    Args:
        run: the run's folder.
        output: the file, .pth.tar or .pth.
        network: which of the run's networks; None: its result.
        data_dir: where the data set is now.
        dataset: on whose images the weights are tried; None: the run's own.

    Returns:
        What was written, and what is worth a note.

    Raises:
        UserError: torchreid has no such network; or the features that its own code gives, once its
            ``load_pretrained_weights`` has read the file, differ from the run's by more than 1e-5,
            relative to each feature's largest value. Then there is no file.
    """
    if not output.name.endswith(SUFFIXES):
        raise UserError(
            f"{output}: torchreid's weights are called otherwise",
            f"let its name end in {' or '.join(SUFFIXES)}",
            usage=True,
        )
    named = subject_of(run, network)
    name = torchreid_name(named.network.spec)
    normalisation = normalisation_of(named.network.spec, seen_by(named.config.data.name))
    samples = samples_of(named, data_dir, dataset)
    images = normalise(samples.pixels, normalisation)
    state, classes = torchreid_state(named.network), named.network.classes
    with torch.inference_mode(), whole_file(output, "the weights") as temporary:
        write_checkpoint(temporary, state)
        theirs: Tensor = loaded_by_torchreid(name, classes, temporary, state)(images)
        ours: Output = named.network.eval()(images)
        difference = relative_difference(theirs, ours.features)
        if not difference <= LIMIT:
            raise UserError(
                f"{output}: torchreid's {name} answers otherwise, by {difference:.1e}, more than "
                f"{LIMIT:.0e} ({samples.words}); the file was not kept",
                "export it as a graph instead: -o model.onnx",
            )
    facts = ForTorchreid(
        name=name,
        network=f"{named.subject.network} of {named.subject.run}",
        classes=classes,
        size=(named.config.data.height, named.config.data.width),
        mean=normalisation.mean,
        std=normalisation.std,
        tried_on=samples.words,
        difference=difference,
    )
    return facts, samples.note
