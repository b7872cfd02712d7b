"""Judges networks on test sets, each on each, and measures their speed side by side."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from reid_srdl.analysis.cost import count_parameters
from reid_srdl.config import changed, sets_of
from reid_srdl.data import UNKNOWN, find_entry
from reid_srdl.data.content import content_of_test
from reid_srdl.data.readable import check_readable
from reid_srdl.data.reid.crops import ReidData
from reid_srdl.errors import FileError, UserError, fail
from reid_srdl.evaluation import Scored
from reid_srdl.evaluation.conventions import CONVENTIONS
from reid_srdl.jobs.evaluate import evaluate_run
from reid_srdl.jobs.extract import opened_run
from reid_srdl.methods import KNOWN
from reid_srdl.records.belonging import read_run
from reid_srdl.records.comparison import Float64s, Metric, Settings, mean_interval
from reid_srdl.records.crossed import Cell, Crossed, CrossedNetwork, Score
from reid_srdl.records.folder import RunFolder
from reid_srdl.retrieval.features import Features
from reid_srdl.retrieval.metrics import PerQuery
from reid_srdl.tasks.data import settings_on
from reid_srdl.tasks.features import Extractor
from reid_srdl.tasks.reid import check_data
from reid_srdl.tasks.task import Noted, Steps

_IMAGES, _TURNS = 64, 5


@dataclass(frozen=True)
class _Network:
    """A run whose network is ready, its embedding's length, and which of the sets are its own."""

    run: Path
    name: str
    extractor: Extractor
    dim: int
    own: frozenset[str]


def cross_runs(
    runs: Sequence[Path],
    datasets: Sequence[tuple[str, Path | None]],
    *,
    device: str = "auto",
    steps: Steps | None = None,
    noted: Noted | None = None,
) -> Crossed:
    """Evaluates each run's network on each re-id set; each run keeps its evaluations.

    All cells are checked before any is computed: each network answers an image of its size, and
    each test image is read.

    Args:
        runs: folders of finished runs, or of imported networks.
        datasets: names and folders (None: where the run's was, or where sets are looked for).
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        steps: told of the progress.
        noted: told what of each set was left out, and which evaluations could not be recorded.

    Raises:
        FileError: an evaluation cannot be recorded, and nobody is told.
        UserError: nothing to cross, something twice, or a cell that cannot be evaluated; it is
            named.
    """
    _check_given(runs, [name for name, _ in datasets])
    networks = [_opened(run, datasets, device, steps) for run in runs]
    speeds = _speeds([network.extractor for network in networks])
    settings = Settings()
    rows: list[CrossedNetwork] = []
    for network, speed in zip(networks, speeds, strict=True):
        cells = []
        for name, folder in datasets:
            features, scored, _ = evaluate_run(
                network.run,
                dataset=name,
                data_dir=folder,
                device=device,
                steps=steps,
                noted=None if rows else noted,
                refused=fail if noted is None else partial(_unrecorded, noted),
            )
            cells.append(_cell(name, name in network.own, (features, scored), settings))
        rows.append(
            CrossedNetwork(
                run=str(network.run),
                network=network.name,
                size=network.extractor.size,
                dim=network.dim,
                parameters=count_parameters(network.extractor.network),
                images_per_second=speed,
                cells=tuple(cells),
            )
        )
    used = networks[0].extractor.compute.device_name
    return Crossed(tuple(rows), used, _IMAGES, _TURNS, settings.resamples, settings.confidence)


def _unrecorded(noted: Noted, error: FileError) -> None:
    """Goes on where a run's folder can only be read: its scores are shown all the same."""
    noted(f"{error.what}; nothing was recorded")


def _check_given(runs: Sequence[Path], datasets: Sequence[str]) -> None:
    for what, given in (("run", [str(run.resolve()) for run in runs]), ("--dataset", datasets)):
        if not given:
            raise UserError(f"no {what} is given", "name at least one", usage=True)
        if twice := sorted({one for one in given if given.count(one) > 1}):
            raise UserError(f"{what} {twice[0]} stands twice", "name each once", usage=True)


def _opened(
    run: Path,
    datasets: Sequence[tuple[str, Path | None]],
    device: str,
    steps: Steps | None,
) -> _Network:
    """Returns a run's network, having seen that each set can be evaluated with it."""
    config, record = read_run(RunFolder(run), KNOWN)
    own = {name: place for name, place in sets_of(config.data) if name != UNKNOWN}
    if any(find_entry(name).task != "reid" for name in own):
        raise UserError(f"{run}: a classification run, which has no features", "name re-id runs")
    trained_on = set[str]()
    for name, folder in datasets:
        gallery = find_entry(name).defaults.get("eval", {}).get("gallery", "all")
        elsewhere = changed(config.eval, {"gallery": gallery}, "eval")
        settings = settings_on(config.data, config.eval, name) if name in own else elsewhere
        if len(own) > 1 and name == config.data.name:
            raise UserError(f"{name}: is no one test set", f"name its sets: {', '.join(own)}")

        def check(data: ReidData) -> None:
            check_data(data, settings)  # noqa: B023 - called before the next turn of the loop

        try:
            extractor, data = opened_run(
                run, dataset=name, data_dir=folder, device=device, steps=steps, check=check
            )
            check_readable(data, extractor.size, steps)
            if name in own and (len(own) > 1 or _is_own(run, data, steps)):
                trained_on.add(name)
        except UserError as error:
            told = f"{run} on {name}: {error.what}"
            raise UserError(told, error.hint, usage=error.exit_status == 2) from None
    length = _length(run, extractor)
    return _Network(run, record.network, extractor, length, frozenset(trained_on))


def _is_own(run: Path, data: ReidData, steps: Steps | None) -> bool:
    """Says whether data of a run's own name are its own: folders of people all have one name."""
    known = RunFolder(run).read_trained_on()
    return known is None or content_of_test(data, steps).digest == known.test.digest


def _length(run: Path, extractor: Extractor) -> int:
    """Returns the length of a network's embedding, as it answers one grey image."""
    blank = np.full((1, *extractor.size, 3), 128, np.uint8)
    try:
        return int(extractor.of_pixels("a blank image", blank).shape[1])
    except UserError as error:
        raise UserError(f"{run}: {error.what}", error.hint) from None
    except RuntimeError as error:
        height, width = extractor.size
        line = str(error).splitlines()[0]
        raise UserError(
            f"{run}: its network takes no image of {height} x {width} pixels ({line})",
            "give the run the size that its network was built for",
        ) from None


def _speeds(extractors: Sequence[Extractor]) -> list[float]:
    """Returns images per second of each network; they take turns, so that all see one machine."""
    draw = np.random.default_rng(0)
    images = [draw.integers(0, 256, (_IMAGES, *one.size, 3), np.uint8) for one in extractors]
    fastest = [np.inf] * len(extractors)
    for turn in range(_TURNS + 1):
        for place, (extractor, pixels) in enumerate(zip(extractors, images, strict=True)):
            start = time.perf_counter()
            extractor.of_pixels("drawn images", pixels)
            if turn:  # the first one warms up
                fastest[place] = min(fastest[place], time.perf_counter() - start)
    return [_IMAGES / seconds for seconds in fastest]


def _cell(dataset: str, own: bool, found: tuple[Features, Scored], settings: Settings) -> Cell:
    features, scored = found
    rules, told = scored.evaluation.protocol.rules, scored.evaluation.single_query
    single = scored.single
    hits = (single.first_rank == 1).astype(np.float64)
    official = CONVENTIONS[rules].mean_ap == "mAP_trapezoid"
    # Of drawn galleries a query has no one rank: its first rank is a median over trials.
    several = scored.evaluation.spread is not None
    return Cell(
        dataset,
        own,
        _score(told.rank1, None if several else hits, single, settings, "rank1"),
        _score(
            told.mAP_trapezoid if official else told.mAP,
            single.ap_trapezoid if official else single.ap,
            single,
            settings,
            "mAP",
        ),
        rules,
        len(features.query),
        len(features.gallery),
    )


def _score(
    value: float, values: Float64s | None, single: PerQuery, settings: Settings, metric: Metric
) -> Score:
    """Returns a score with its interval over the identities of the queries that are scored."""
    interval = None
    if values is not None:
        people = single.pids[single.scored]
        interval = mean_interval(values[single.scored], people, settings, metric)
    return Score(value, *(interval or (None, None)))
