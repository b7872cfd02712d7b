"""Turns committed records of schema 1 into schema 2, every number as it was measured.

    python tools/rekey.py                      # results/ of commit c3a186e, into results/
    python tools/rekey.py --from DIR --to DIR  # a tree of records in a folder

Configuration and fingerprint are made by this version's `config` from the keys of the old record.
The work of each phase is counted on the network as it is built today. What schema 1 did not hold
stays None: keys of phases, digests of labels, counts of distractors.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from reid_srdl.analysis.class_scores import ClassScores
from reid_srdl.analysis.work import WorkCounter, on_meta
from reid_srdl.config import PATHS, AnyConfig, fingerprint, place, resolve
from reid_srdl.methods import OPTIONS
from reid_srdl.models.build import build
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.records.evaluated import own_data, settings_used
from reid_srdl.records.metrics import Result
from reid_srdl.records.queries import ScoredQueries
from reid_srdl.records.run import (
    NO_WORK,
    Cost,
    DatasetFacts,
    Evaluated,
    NetworkFacts,
    Phase,
    RunRecord,
    Work,
)
from reid_srdl.records.store import RECORD, write_record
from reid_srdl.retrieval.result import Evaluation, Rules

COMMIT = "c3a186e"
ROOT = Path(__file__).resolve().parents[1]
_NOT_THE_EXPERIMENT = ("train.seed", "train.precision", "eval.ensembles")  # as jobs.summary has it
_MOVED = {
    "rerank": "rerank.method",
    "rerank_k1": "rerank.k1",
    "rerank_k2": "rerank.k2",
    "rerank_lambda": "rerank.lambda",
    "expand": "expand.method",
    "expand_n": "expand.n",
    "expand_alpha": "expand.alpha",
}
_RULES = ("rules", "distance", "normalize", "pooling", "gallery")
_WORDS = ("index", "rerank", "expand", "single_shot")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from", dest="source", type=Path, help=f"default: commit {COMMIT}")
    parser.add_argument("--to", type=Path, default=ROOT / "results")
    options = parser.parse_args()
    olds = _of_commit() if options.source is None else _of_folder(options.source)
    for folder, old in olds:
        if old["schema_version"] != 1:
            print(f"{folder}: schema {old['schema_version']}, left as it is")
            continue
        print(write_record(options.to / folder, rekeyed(old)))


def _of_folder(top: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(top.rglob(RECORD)):
        yield path.parent.relative_to(top), json.loads(path.read_text(encoding="utf-8"))


def _of_commit() -> Iterator[tuple[Path, dict[str, Any]]]:
    for name in _git("ls-tree", "-r", "--name-only", COMMIT, "results/").splitlines():
        if Path(name).name == RECORD:
            folder = Path(name).parent.relative_to("results")
            yield folder, json.loads(_git("show", f"{COMMIT}:{name}"))


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def rekeyed(old: dict[str, Any]) -> RunRecord:
    """Returns the record of schema 2 with the numbers of one of schema 1."""
    config = resolve(_tree(old["config"]), OPTIONS)
    dataset = DatasetFacts.model_validate(old["dataset"])
    cost = Cost.model_validate(old["cost"])
    if cost.teachers:
        raise SystemExit(f"{old['name']}: the work of a finished teacher is not known")
    image = _work_of_an_image(old, config)
    if image.forward != cost.macs:
        raise SystemExit(f"{old['name']}: {image.forward} multiply-accumulates, not {cost.macs}")
    phases = tuple(_phase(phase, old, config, image) for phase in old["phases"])
    same = ("name", "created", "status", "method", "model", "seed", "epochs", "parameters")
    return RunRecord(
        **{key: old[key] for key in (*same, "versions", "device")},
        experiment=fingerprint(config, without=_NOT_THE_EXPERIMENT),
        dataset=dataset,
        cost=cost,
        work=sum((phase.work for phase in phases), NO_WORK),
        phases=phases,
        evaluations=tuple(_evaluated(name, old, dataset, config) for name in old["results"]),
        config=_without_paths(config),
    )


def _tree(old: dict[str, Any]) -> dict[str, Any]:
    """Returns the old configuration under the keys of today."""
    tree = {section: dict(keys) for section, keys in old.items()}
    for key, path in _MOVED.items():
        if key in tree["eval"]:
            place(tree, f"eval.{path}", tree["eval"].pop(key))
    return tree


def _without_paths(config: AnyConfig) -> dict[str, Any]:
    tree = config.model_dump(mode="json")
    for path in PATHS:
        section, key = path.split(".")
        del tree[section][key]
    return tree


def _work_of_an_image(old: dict[str, Any], config: AnyConfig) -> Work:
    """Counts a training step for each of its images."""
    batch, size = 2, (config.data.height, config.data.width)
    classes = old["dataset"].get("classes") or old["dataset"]["identities"]
    network = on_meta(build(NetworkSpec(old["model"], classes, size), seed=0).train())
    images = torch.empty(batch, 3, *size, device="meta")
    labels = torch.zeros(batch, dtype=torch.long, device="meta")
    with WorkCounter() as counter:
        loss = cross_entropy(network(images).logits, labels)
        with counter.backward():
            loss.backward()
    return Work.of(counter.forward_macs // batch, counter.backward_macs // batch)


def _phase(phase: dict[str, Any], old: dict[str, Any], config: AnyConfig, image: Work) -> Phase:
    if phase.get("network", old["model"]) != old["model"]:
        raise SystemExit(f"{old['name']}: {phase['name']} ran another network")
    images, batch = old["cost"]["images"], config.optim.batch_size
    fit = phase["kind"] == "fit"
    seen = round(phase["epochs"] * (images // batch * batch if fit else images))
    facts = NetworkFacts(model=old["model"], loss=phase["loss"], accuracy=phase["accuracy"])
    return Phase(
        name=phase["name"],
        kind=phase["kind"],
        key=None,
        epochs=phase["epochs"],
        networks={phase["name"]: facts},
        work=Work.of(seen * image.forward, seen * image.backward if fit else 0),
        seconds=phase["seconds"],
    )


def _evaluated(
    name: str, old: dict[str, Any], dataset: DatasetFacts, config: AnyConfig
) -> Evaluated:
    result, queries = _result(old["results"][name]), old["per_query"].get(name)
    data = own_data(dataset, config.data.split, result)
    counted = "distractors" in ((old["results"][name] or {}).get("protocol") or {})
    return Evaluated(
        network=name,
        data=data if counted else data.model_copy(update={"distractors": None}),
        settings=settings_used(config.eval, dataset.task),
        result=result,
        per_query=None if queries is None else ScoredQueries.model_validate(queries),
    )


def _result(old: dict[str, Any] | None) -> Result | None:
    if old is None:
        return None
    if "single_query" not in old:
        return ClassScores.model_validate(old)
    told = old["protocol"]
    if any(not told.get(key, "none").startswith("none") for key in _WORDS):
        raise SystemExit("a ranking that is not plain and exact cannot be told anew")
    rules = Rules.model_validate({key: told[key] for key in _RULES if key in told})
    return Evaluation.model_validate({**old, "protocol": rules})


if __name__ == "__main__":
    main()
