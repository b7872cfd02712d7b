"""The committed records are of the present schema; where one is not, run ``tools/rekey.py``."""

from __future__ import annotations

from pathlib import Path

from reid_srdl.config import PATHS, fingerprint, resolve
from reid_srdl.methods import OPTIONS
from reid_srdl.records.run import RunRecord
from reid_srdl.records.store import read_records

ROOT = Path(__file__).resolve().parents[2]
UNTRAINED = ("at", "dml", "fitnet", "label-refinery", "rkd")  # also pass what they do not train
NOT_THE_EXPERIMENT = ("train.seed", "train.precision", "eval.ensembles")


def test_every_record_is_read_and_is_what_its_configuration_says() -> None:
    records, problems = read_records(ROOT / "results")
    assert problems == []
    assert len(records) >= 5
    experiments = {record.name: record.experiment for record in records}
    for record in records:
        assert isinstance(record, RunRecord)
        config = resolve(record.config, OPTIONS)
        tree = config.model_dump(mode="json", by_alias=True)
        for section, key in (path.split(".") for path in PATHS):
            del tree[section][key]
        assert tree == record.config, "run tools/rekey.py"
        teacher = getattr(config.method, "teacher", None)
        if teacher in experiments:  # a finished run, which counts by what it is
            taught = config.method.model_copy(update={"teacher": experiments[teacher]})
            config = config.model_copy(update={"method": taught})
        assert fingerprint(config, without=NOT_THE_EXPERIMENT) == record.experiment
        assert record.result is not None
        # A backward pass takes two forward passes, less what the first layer's input would: of
        # an MLP that is up to half of a forward pass.
        least = 1.5 if config.model.name.startswith("mlp") else 1.9
        if config.method.name in UNTRAINED:
            least = 0.5
        fits = [phase.work for phase in record.phases if phase.kind == "fit"]
        assert all(least < work.backward / work.forward < 2 for work in fits)


def test_the_table_of_what_was_run_is_of_all_records() -> None:
    said = (ROOT / "results/README.md").read_text()
    told = set()
    for line in said.split("| folder |")[1].split("\n\n")[0].splitlines()[2:]:
        folder, runs, seconds, machine = (cell.strip(" `") for cell in line.strip("|").split("|"))
        records, _ = read_records(ROOT / "results" / folder)
        told |= {(record.name, record.experiment) for record in records}
        assert len(records) == int(runs), folder
        assert round(sum(one.cost.seconds for one in records)) == int(seconds.replace(",", ""))
        for record in records:
            assert machine.split(", ")[0] in record.device.name
            assert machine.endswith({"fp32": "float32"}.get(record.device.precision, "bf16"))
    every, _ = read_records(ROOT / "results")
    assert told == {(record.name, record.experiment) for record in every}
