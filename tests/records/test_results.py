"""The committed records: readable, and under the fingerprints of this version."""

from __future__ import annotations

from pathlib import Path

from reid_srdl.config import fingerprint, resolve
from reid_srdl.methods import OPTIONS
from reid_srdl.records.run import RunRecord
from reid_srdl.records.store import read_records

ROOT = Path(__file__).resolve().parents[2]
NOT_THE_EXPERIMENT = ("train.seed", "train.precision", "eval.ensembles")


def test_every_record_is_read_and_is_what_its_configuration_says() -> None:
    records, problems = read_records(ROOT / "results")
    assert problems == []
    assert len(records) >= 5
    for record in records:
        assert isinstance(record, RunRecord)
        config = resolve(record.config, OPTIONS)
        assert fingerprint(config, without=NOT_THE_EXPERIMENT) == record.experiment
        assert record.result is not None
        # A backward pass takes two forward passes, less what the first layer's input would.
        fits = [phase.work for phase in record.phases if phase.kind == "fit"]
        assert all(1.9 < work.backward / work.forward < 2 for work in fits)
