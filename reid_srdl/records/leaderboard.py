"""The leaderboard: means over seeds, and gains over vanilla. A pure function of records.

Networks and features that were not made here have a row for each evaluation, below the runs that
were judged on the same test images, or in a table of their own.

Runs are averaged when they differ in nothing but the seed and the place where they ran: same data
by content, same network, same method and options, same configuration, same precision. Everything
else stands in a row of its own, and the row's label says what sets it apart. The other weights of
a run's result, ``srdl.ema`` and ``srdl.best``, have rows of their own, too. Runs on a
joint set stand among those of each data set that they are judged on.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from reid_srdl.analysis.class_scores import ClassScores
from reid_srdl.config import PLACES
from reid_srdl.records.board import Gain, Leaderboard, Row, Scores
from reid_srdl.records.foreign import ForeignRecord, foreign_rows
from reid_srdl.records.imported import by_evaluation
from reid_srdl.records.intervals import LEAST_SEEDS, paired_p
from reid_srdl.records.joint import by_set
from reid_srdl.records.kept import KINDS, Kind, kept_name, kept_parts
from reid_srdl.records.metrics import METRICS, score_of
from reid_srdl.records.naming import differing_keys, flatten, kept_label, show, tell, title
from reid_srdl.records.run import (
    AnyRecord,
    DatasetFacts,
    FeaturesRecord,
    ImportedRecord,
    RunRecord,
)
from reid_srdl.records.statistics import Measure, measure, paired_gain, unpaired_gain

BASELINE = "vanilla"
_RECIPE = "recipe.name"

_DIGITS = 8  # of a digest in a label

_NO_BASELINE = f"no gain: no single {BASELINE} experiment is otherwise configured alike"


class _Key(NamedTuple):
    """What runs share that are averaged."""

    dataset: DatasetFacts
    network: str
    precision: str
    label: str
    experiment: str
    parts: tuple[int, ...]


@dataclass(frozen=True)
class _Group:
    """The runs behind a row, one for each seed, and the settings that they share."""

    row: Row
    records: tuple[RunRecord, ...]
    weights: Kind | None  # which of the result's; None: the last epoch's
    setting: dict[str, Any]  # the configuration without method, seed and places
    facts: dict[str, Any]  # of the data set: two folders may bear one name
    content: dict[str, Any]  # digests of what was trained and judged on


def leaderboard(records: Iterable[AnyRecord]) -> Leaderboard:
    """Turns records into the rows and gains of a table like the SRDL paper's Table 3."""
    records = tuple(records)
    runs = [own for record in records if isinstance(record, RunRecord) for own in by_set(record)]
    foreign: list[ForeignRecord] = [r for r in records if isinstance(r, FeaturesRecord)]
    imported = [record for record in records if isinstance(record, ImportedRecord)]
    foreign += [one for record in imported for one in by_evaluation(record)]
    notes: list[str] = []
    rows, gains = _trained([weights for run in runs for weights in _by_weights(run)], notes)
    rows += foreign_rows(foreign, runs)
    rows.sort(key=lambda row: (row.dataset.name, row.method is None))  # keeps their order else
    notes += [f"{_where(row)}: not trained here" for row in rows if row.method is None]
    notes += dict.fromkeys(f"{run.name}: {', '.join(run.marks)}" for run in runs if run.marks)
    return Leaderboard(tuple(rows), tuple(gains), tuple(notes))


def _by_weights(run: RunRecord) -> Iterator[RunRecord]:
    """Yields a run's record, and for other weights of its result one in which they are it."""
    yield run
    for kind in KINDS:
        name = kept_name(run.network, kind)
        if (found := run.evaluation(name)) is not None:
            label = kept_label(run.method.label, kind)
            method = run.method.model_copy(update={"label": label})
            yield run.model_copy(update={"method": method, "evaluations": (found,)})


def _trained(runs: Sequence[RunRecord], notes: list[str]) -> tuple[list[Row], list[Gain]]:
    """Returns the rows of runs, by data set and network, and their gains."""
    by_key: dict[_Key, list[RunRecord]] = defaultdict(list)
    for record in runs:
        key = _Key(
            record.dataset.model_copy(update={"folder": None}),  # a moved set is the same
            record.model,
            record.device.precision,
            record.method.label,
            record.experiment,
            record.norm_parts,
        )
        by_key[key].append(record)
    groups = [_group(found, notes) for found in by_key.values()]
    tables: dict[tuple[str, str], list[_Group]] = defaultdict(list)
    for group in groups:
        tables[group.row.dataset.name, group.row.network].append(group)
    rows: list[Row] = []
    gains: list[Gain] = []
    for name in sorted(tables):
        table = _tell_apart(tables[name])
        notes += _content_notes(name, table)
        rows += [group.row for group in table]
        for group in table:
            if gain := _gain(group, table):
                gains.append(gain)
            elif group.row.method != BASELINE:
                notes.append(f"{_where(group.row)}: {group.row.label}: {_NO_BASELINE}")
    for gain in gains:
        if not gain.paired and any(gain.scores.values()):
            seeds = f"seeds {_listed(gain.row.seeds)} and {_listed(gain.baseline.seeds)}"
            notes.append(
                f"{_where(gain.row)}: {gain.label}: difference of means, unpaired: {seeds}"
            )
    return rows, gains


def _group(found: Sequence[RunRecord], notes: list[str]) -> _Group:
    """Averages the runs of one experiment; of two runs with one seed the newest counts."""
    newest: dict[int, RunRecord] = {}
    for record in sorted(found, key=lambda record: (record.created, record.name)):
        if older := newest.get(record.seed):
            notes.append(
                f"seed {record.seed} of {record.method.label} stands twice: "
                f"{record.name} counts, the older {older.name} does not"
            )
        newest[record.seed] = record
    records = tuple(newest[seed] for seed in sorted(newest))
    first = records[0]
    row = Row(
        dataset=first.dataset,
        network=first.model,
        method=first.method.name,
        label=first.method.label,
        experiment=first.experiment,
        runs=tuple(record.name for record in records),
        seeds=tuple(record.seed for record in records),
        parameters=first.parameters,
        epochs=first.epochs,
        trcost=measure([record.cost.trcost for record in records]).mean,
        work=measure([record.true_work.cost for record in records]).mean,
        scores={metric: _mean(_by_seed(records, metric)) for metric in METRICS[first.dataset.task]},
    )
    facts = flatten({"dataset": first.dataset.model_dump(exclude={"content", "parts", "folder"})})
    weights = kept_parts(first.network)[1]
    return _Group(row, records, weights, _setting(first), facts, _content(first.dataset))


def _content(dataset: DatasetFacts) -> dict[str, Any]:
    """What was trained and judged on, as labels tell it: the first digits of digests."""
    known = dataset.content
    return {
        key: "unknown" if known is None else getattr(known, part)[:_DIGITS]
        for key, part in (("training data", "train"), ("test data", "test"))
    }


def _setting(record: RunRecord) -> dict[str, Any]:
    """What two runs must share to be compared as methods."""
    left_out = {*PLACES, "train.seed", "eval.ensembles"}
    setting = {
        key: value
        for key, value in flatten(record.config).items()
        if key not in left_out and not key.startswith("method.")
    }
    # What 'auto' came to on that machine, not what was asked for.
    own = {"processes": " and ".join(map(str, record.norm_parts))}  # that batch norm knew of
    return setting | own | {"train.precision": record.device.precision}


def _tell_apart(groups: Sequence[_Group]) -> list[_Group]:
    """Sorts the rows of one data set and network, and puts what differs into their labels."""
    keys = [
        key
        for key in differing_keys([group.setting for group in groups])
        if key != _RECIPE and _differs_beyond_recipes(key, groups)
    ]
    apart = [tell(group.setting, keys) for group in groups]
    facts = differing_keys([group.facts for group in groups])
    both = [tell(group.setting | group.facts, keys + facts) for group in groups]
    # A smaller training set that the configuration asked for is told once, by its key.
    told = both if len(set(both)) > len(set(apart)) else apart
    contents = differing_keys([group.content for group in groups])
    whole = [
        ", ".join(filter(None, (text, tell(group.content, contents))))
        for text, group in zip(told, groups, strict=True)
    ]
    if len(_labels(whole, groups)) > len(_labels(told, groups)):
        told = whole
    labelled = [_labelled(group, text) for group, text in zip(groups, told, strict=True)]
    counts: dict[str, int] = defaultdict(int)
    for group in labelled:
        counts[group.row.label] += 1
    # Left are runs whose programs differ though their keys do not: told by their fingerprint.
    unique = [
        _labelled(group, group.row.experiment[:8]) if counts[group.row.label] > 1 else group
        for group in labelled
    ]
    order = [(text, group.row.method != BASELINE) for text, group in zip(told, unique, strict=True)]
    pairs = zip(order, unique, strict=True)
    return [group for _, group in sorted(pairs, key=lambda pair: (*pair[0], pair[1].row.label))]


def _labels(told: Sequence[str], groups: Sequence[_Group]) -> set[tuple[str, str]]:
    """Returns the different labels that rows would have."""
    return {(group.row.label, text) for group, text in zip(groups, told, strict=True)}


def _differs_beyond_recipes(key: str, groups: Sequence[_Group]) -> bool:
    """Says whether a key differs otherwise than by recipes, which labels name already."""
    values: dict[Any, set[str]] = defaultdict(set)
    for group in groups:
        known = group.records[0].config.get("recipe")
        own = known.get("keys") if isinstance(known, Mapping) else ()
        of_recipe = isinstance(own, Collection) and key in own
        values[group.setting.get(_RECIPE) if of_recipe else None].add(show(group.setting.get(key)))
    return any(len(some) > 1 for some in values.values())


def _content_notes(name: tuple[str, str], table: Sequence[_Group]) -> Iterator[str]:
    """Yields a line for what differs in content among rows of the same data settings."""
    for key in ("training data", "test data"):
        found: dict[str, list[str]] = defaultdict(list)
        contents: dict[str, set[str]] = defaultdict(set)
        for group in table:
            contents[_data_settings(group)].add(group.content[key])
        for group in table:
            if len(contents[_data_settings(group)]) > 1:
                own = group.row.dataset.folder
                found[" ".join(filter(None, (own, group.content[key])))] += group.row.runs
        if found:
            told = "; ".join(f"{part}: {', '.join(runs)}" for part, runs in found.items())
            yield f"{', '.join(name)}: other {key}, never averaged or subtracted: {told}"


def _data_settings(group: _Group) -> str:
    own = {key: value for key, value in group.setting.items() if key.startswith("data.")}
    return json.dumps(own, sort_keys=True, default=str)


def _labelled(group: _Group, apart: str) -> _Group:
    if not apart:
        return group
    return replace(group, row=replace(group.row, label=f"{group.row.label} [{apart}]"))


def _gain(group: _Group, table: Sequence[_Group]) -> Gain | None:
    """Compares a row with vanilla of the same data, network, epochs and configuration."""
    if group.row.method == BASELINE:
        return None
    baselines = [
        other
        for other in table
        if other.row.method == BASELINE
        and other.weights == group.weights
        and (other.setting, other.facts) == (group.setting, group.facts)
        and other.row.dataset.content == group.row.dataset.content
        and _judged(other) == _judged(group)
    ]
    name = BASELINE if group.weights is None else kept_name(BASELINE, group.weights)
    plain = [other for other in baselines if other.records[0].method.label == name]
    chosen = plain or baselines
    if len(chosen) != 1:
        return None
    baseline = chosen[0]
    scores: Scores = {}
    paired = True
    p: dict[str, float] = {}
    for metric in METRICS[group.row.dataset.task]:
        ours, theirs = (_by_seed(side.records, metric) for side in (group, baseline))
        if not ours or not theirs:
            scores[metric] = None
        elif ours.keys() == theirs.keys():
            both = list(ours.values()), list(theirs.values())
            scores[metric] = paired_gain(*both)
            if len(ours) >= LEAST_SEEDS and (found := paired_p(*both)) is not None:
                p[metric] = found
        else:
            paired = False
            scores[metric] = unpaired_gain(
                measure(list(ours.values())), measure(list(theirs.values()))
            )
    label = group.records[0].method.label
    apart = group.row.label.removeprefix(label)
    text = f"gain ({title(label)} - {baseline.records[0].method.label}){apart}"
    return Gain(text, group.row, baseline.row, paired, scores, p)


def _judged(group: _Group) -> set[int]:
    """Returns the numbers of test images; a network of a view of the classes sees some of them."""
    results = (record.result for record in group.records)
    return {result.images for result in results if isinstance(result, ClassScores)}


def _by_seed(records: Sequence[RunRecord], metric: str) -> dict[int, float]:
    """Returns the score of each evaluated run, by ascending seed."""
    found = {record.seed: score_of(record.result, metric) for record in records}
    return {seed: score for seed, score in found.items() if score is not None}


def _mean(values: Mapping[int, float]) -> Measure | None:
    return measure(list(values.values())) if values else None


def _where(row: Row) -> str:
    return f"{row.dataset.name}, {row.network}"


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(str(seed) for seed in seeds)
