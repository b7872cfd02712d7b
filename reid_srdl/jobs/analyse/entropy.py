"""The training cross-entropy of finished runs, as recorded and measured again."""

from __future__ import annotations

from pathlib import Path

from reid_srdl.analysis.entropy import mean_cross_entropy
from reid_srdl.jobs.analyse.named_networks import phase_file
from reid_srdl.jobs.analyse.place import Place, clean_splits, finite
from reid_srdl.jobs.networks import check_trained_on
from reid_srdl.methods import KNOWN
from reid_srdl.records.analyses import Entropies, PhaseEntropy
from reid_srdl.records.belonging import read_run
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.store import read_record
from reid_srdl.training.checkpoint import network_in


def training_entropies(
    run: Path, *, measure: bool = True, place: Place | None = None
) -> tuple[Entropies, Path | None]:
    """Gathers the training cross-entropy of a run's phases, as recorded and as measured again.

    Args:
        run: the run's folder.
        measure: measure it, too, in evaluation mode on the clean training images.
        place: data and device.

    Returns:
        The entropies, and the file under ``RUN/analyses`` that records what was measured; None
        where nothing was.

    Raises:
        UserError: no finished run, or data that cannot be read, or others than it was trained on.
    """
    place = place or Place()
    folder = RunFolder(run)
    record = read_record(run)
    config = read_run(folder, KNOWN)[0] if measure else None
    phases = [phase for phase in record.phases if phase.kind == "fit"]
    fits = [(phase, member) for phase in phases for member in phase.networks]
    clean: dict[str, float | None] = {}
    device = None
    files = {member: phase_file(folder, phase) for phase, member in fits} if measure else {}
    if config is not None and any(files.values()):
        task, compute = place.opened(config)
        check_trained_on(run, record, task)
        device = compute.device_name
        with compute.activated():
            split = clean_splits(task, config.eval.batch_size, None, 0)["train"]
            for done, (phase, member) in enumerate(fits):
                place.steps("training cross-entropy", done, len(fits))
                if path := files[member]:
                    network = network_in(path, phase.key, member).to(compute.device)
                    loss = mean_cross_entropy(network, split.batches(), compute.autocast)
                    clean[member] = finite(loss)
    entropies = Entropies(
        run=record.name,
        method=record.method.label,
        dataset=record.dataset.name,
        seed=record.seed,
        images=record.cost.images,
        phases=tuple(
            PhaseEntropy(
                phase=member,
                model=phase.networks[member].model,
                epochs=phase.epochs,
                last_epoch=phase.networks[member].loss.get("ce"),
                clean=clean.get(member),
            )
            for phase, member in fits
        ),
        device=device,
    )
    if device is None:
        return entropies, None
    kept = folder.analysis("entropy")
    place.keep(kept, entropies)
    return entropies, kept
