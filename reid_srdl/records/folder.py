"""A run's folder: where each of its files stands, and who may write to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import filelock

from reid_srdl.config import AnyConfig, MethodOptions, fingerprint, read_yaml, resolve, to_yaml
from reid_srdl.errors import UserError
from reid_srdl.files import remove_leftovers, write_text
from reid_srdl.places import writing


class RunFolder:
    """The files of one run.

    Attributes:
        config: the resolved configuration, YAML.
        metrics: one line of JSON per epoch.
        phases: folder of the durable phases.
        record: the typed record, written last.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.metrics = path / "metrics.jsonl"
        self.phases = path / "phases"
        self.record = path / "record.json"

    def weights(self, network: str) -> Path:
        """Returns the weights file of a network that the method returned by this name."""
        return self.path / "weights" / f"{network}.safetensors"

    def evaluation(self, dataset: str) -> Path:
        """Returns the file of the newest later evaluation on a data set."""
        return self.path / "evaluations" / f"{dataset}.json"

    def analysis(self, name: str) -> Path:
        """Returns the file of the newest analysis of this name."""
        return self.path / "analyses" / f"{name}.json"

    def read_config(self, methods: Mapping[str, type[MethodOptions]]) -> AnyConfig:
        """Reads the run's configuration.

        Raises:
            UserError: this is no run folder, or its configuration is damaged.
        """
        if not self.config.is_file():
            raise UserError(
                f"{self.path}: not a run folder (no {self.config.name} in it)",
                "name a folder that reid-srdl train wrote, e.g. runs/NAME",
            )
        return resolve(read_yaml(self.config), methods)

    def check_same(self, config: AnyConfig, methods: Mapping[str, type[MethodOptions]]) -> None:
        """Checks that a run of this configuration may be in this folder.

        Raises:
            UserError: the folder holds a run of another configuration, or something else.
        """
        if not self.path.exists():
            return
        if not self.path.is_dir() or (not self.config.exists() and any(self._foreign_files())):
            raise UserError(
                f"{self.path}: holds something that is not a run", "choose another --name"
            )
        if self.config.exists() and fingerprint(self.read_config(methods)) != fingerprint(config):
            raise UserError(
                f"{self.path}: holds a run of another configuration",
                f"choose another --name, or go on with it by reid-srdl train --resume {self.path}",
            )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes from writing to the folder; the lock dies with its process.

        Raises:
            UserError: another process is writing to the folder.
        """
        with writing(self.path, "the run's folder"):
            self.path.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self.path / ".lock", timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise UserError(
                f"{self.path}: another process is writing to this run",
                "wait for it to end, or choose another --name",
            ) from None
        try:
            remove_leftovers(self.path)
            yield
        finally:
            lock.release()

    def write_config(self, config: AnyConfig) -> None:
        """Writes the resolved configuration, once."""
        if not self.config.exists():
            write_text(self.config, to_yaml(config))

    def _foreign_files(self) -> Iterator[Path]:
        return (path for path in self.path.iterdir() if path.name != ".lock")
