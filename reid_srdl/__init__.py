"""Train, evaluate and compare re-id and classification networks, by SRDL and other methods.

The public API. Each name is imported when it is first used, so ``import reid_srdl`` is fast:

- ``train(tree, progress=True, method=...)``: trains one run and returns its record;
- ``resume(folder)``: continues a run that was stopped;
- ``open_run(folder)``: a finished run: its network, curves, features, search and evaluation;
- ``experiment(tree)``: a validated configuration from keys, with the data set's defaults;
- ``resolve(tree, methods=OPTIONS)``: the same without the data set's defaults;
- ``evaluate_run(folder)``: evaluates a re-id run's network, on its own data set or another;
- ``evaluate_classes(folder)``: evaluates a classification run's networks on their test images;
- ``evaluate(features, protocol)``: evaluates features from any software;
- ``load_features``, ``save_features``: read and write files of features;
- ``evaluate_distances(distances, ...)``: evaluates a matrix of distances from any software;
- ``extract_features``, ``features_of_run``: compute the features of a network, or of a run's;
- ``load_dataset(name, folder)``: lists the crops of a data set;
- ``leaderboard(folder)``: the table of finished runs;
- ``read_record``, ``read_records``: the records of finished runs: scores, cost, settings;
- ``compare(read_results(a), read_results(b))``: do two results differ by more than chance?
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from reid_srdl.version import __version__

if TYPE_CHECKING:
    from reid_srdl.api.opened import open_run
    from reid_srdl.api.tables import leaderboard
    from reid_srdl.api.training import train
    from reid_srdl.config import resolve
    from reid_srdl.config.protocol import Protocol
    from reid_srdl.data import load_dataset
    from reid_srdl.evaluation import evaluate, evaluate_distances
    from reid_srdl.feature_files.reading import load_features, save_features
    from reid_srdl.jobs.evaluate import evaluate_classes, evaluate_run
    from reid_srdl.jobs.experiment import experiment
    from reid_srdl.jobs.extract import features_of_run
    from reid_srdl.jobs.train import resume
    from reid_srdl.methods import OPTIONS
    from reid_srdl.records.comparison import compare
    from reid_srdl.records.per_query import read_results
    from reid_srdl.records.store import read_record, read_records
    from reid_srdl.retrieval.features import Features, FeatureSet
    from reid_srdl.tasks.features import extract_features

_HOMES = {
    "OPTIONS": "reid_srdl.methods",
    "FeatureSet": "reid_srdl.retrieval.features",
    "Features": "reid_srdl.retrieval.features",
    "Protocol": "reid_srdl.config",
    "compare": "reid_srdl.records.comparison",
    "evaluate": "reid_srdl.evaluation",
    "evaluate_classes": "reid_srdl.jobs.evaluate",
    "evaluate_distances": "reid_srdl.evaluation",
    "evaluate_run": "reid_srdl.jobs.evaluate",
    "experiment": "reid_srdl.jobs.experiment",
    "extract_features": "reid_srdl.tasks.features",
    "features_of_run": "reid_srdl.jobs.extract",
    "leaderboard": "reid_srdl.api.tables",
    "load_dataset": "reid_srdl.data",
    "load_features": "reid_srdl.feature_files.reading",
    "open_run": "reid_srdl.api.opened",
    "read_record": "reid_srdl.records.store",
    "read_records": "reid_srdl.records.store",
    "read_results": "reid_srdl.records.per_query",
    "resolve": "reid_srdl.config",
    "resume": "reid_srdl.jobs.train",
    "save_features": "reid_srdl.feature_files.reading",
    "train": "reid_srdl.api.training",
}

__all__ = [
    "OPTIONS",
    "FeatureSet",
    "Features",
    "Protocol",
    "__version__",
    "compare",
    "evaluate",
    "evaluate_classes",
    "evaluate_distances",
    "evaluate_run",
    "experiment",
    "extract_features",
    "features_of_run",
    "leaderboard",
    "load_dataset",
    "load_features",
    "open_run",
    "read_record",
    "read_records",
    "read_results",
    "resolve",
    "resume",
    "save_features",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'reid_srdl' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
