"""A run's folder: where each of its files stands, and who may write to it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock

from reid_srdl.config import (
    AnyConfig,
    MethodOptions,
    UnreadOptions,
    fingerprint,
    read_yaml,
    resolve,
    to_yaml,
)
from reid_srdl.errors import UserError
from reid_srdl.files import is_leftover, remove_leftovers
from reid_srdl.places import check_output, writing
from reid_srdl.records.trained_on import (
    TrainedOn,
    check_same_content,
    read_trained_on,
    write_trained_on,
)
from reid_srdl.seals import LOCK, SEALS, check_seal, is_sealed, write_sealed

_RESTORE = "restore the file, or move the folder away and train again"
_OTHER = "go on with it by the version that began it, or train again under another --name"


class RunFolder:
    """The files of one run.

    Attributes:
        config: the resolved configuration, YAML.
        trained_on: what the run is trained on, JSON.
        split: the split of people that was drawn for it, CSV; not there where none was.
        metrics: one line of JSON per epoch.
        phases: folder of the durable phases.
        record: the typed record, written last.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.trained_on = path / "data.json"
        self.split = path / "split.csv"
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

        A key that came after the run began has its default, if the run is still the same by its
        fingerprint: so a run goes on under a newer version.

        Raises:
            UserError: this is no run folder, or its configuration is damaged, cut or another's, or
                means something else in this version.
        """
        if not self.config.is_file():
            raise UserError(
                f"{self.path}: not a run folder (no {self.config.name} in it)",
                "name a folder that reid-srdl train wrote, e.g. runs/NAME",
            )
        check_seal(self.config)
        sealed = is_sealed(self.config)  # then it is as it was written, by whichever version
        known = self.read_trained_on()
        try:
            tree = read_yaml(self.config)
        except UserError as error:
            raise self._unreadable(error.what.removeprefix(f"{self.config}: "), sealed) from None
        _load_method(tree, methods)
        try:
            config = resolve(tree, methods)
        except UserError as error:
            raise self._unreadable(error.what, sealed) from None
        missing = _missing(config.model_dump(mode="json"), tree)
        if missing and not sealed:
            raise self._unreadable(f"cut or damaged: {missing} is not in it", sealed)
        unread = isinstance(config.method, UnreadOptions)  # whose defaults nobody knows
        if known is not None and not unread and fingerprint(config) != known.settings:
            what = f"not the configuration that {self.trained_on.name} says the run began with"
            raise self._unreadable(what, sealed)
        return config

    def _unreadable(self, what: str, sealed: bool) -> UserError:
        if sealed:
            return UserError(f"{self.config}: of another version of reid-srdl: {what}", _OTHER)
        return UserError(f"{self.config}: {what}", _RESTORE)

    def read_trained_on(self) -> TrainedOn | None:
        """Reads what the run is trained on; None where nothing was written yet.

        Raises:
            UserError: the file is damaged, or gone although something was trained.
        """
        check_seal(self.trained_on)
        known = read_trained_on(self.trained_on)
        if known is None and self.config.exists() and any(self.phases.glob("*.safetensors")):
            raise UserError(
                f"{self.trained_on}: gone: what the run was trained on is not known", _RESTORE
            )
        return known

    def check_same(self, config: AnyConfig, methods: Mapping[str, type[MethodOptions]]) -> None:
        """Checks that a run of this configuration may be in this folder.

        Raises:
            FileError: there is none, and none could be made.
            UserError: the folder holds a run of another configuration, or something else.
        """
        if not self.path.exists():
            check_output(self.config, "the run's folder")
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

        A folder that was made here goes again where the body fails before anything was trained.

        Raises:
            FileError: the folder cannot be made or locked.
            UserError: another process is writing to the folder.
        """
        new = not self.path.exists()
        lock = filelock.FileLock(self.path / ".lock", timeout=0)
        with writing(self.path, "the run's folder"):
            self.path.mkdir(parents=True, exist_ok=True)
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
        except Exception:
            if new and not self._holds_work():
                shutil.rmtree(self.path, ignore_errors=True)
            raise
        finally:
            lock.release()

    def check_content(self, now: TrainedOn) -> None:
        """Checks that the run in this folder, if there is one, is trained on the content of now.

        Raises:
            UserError: it is trained on something else; both are named.
        """
        known = self.read_trained_on()
        if known is not None:
            check_same_content(self.path, known, now)

    def begin(self, config: AnyConfig, now: TrainedOn, split: str | None) -> None:
        """Writes what the run is, at its first moment; later where its data stand, if elsewhere.

        Args:
            config: its configuration.
            now: what it is trained on.
            split: the text of a drawn split; None: none was drawn.
        """
        known = self.read_trained_on()
        if known == now and self.config.exists():
            return
        if not self.config.exists() or (known is not None and known.folder != now.folder):
            write_sealed(self.config, to_yaml(config), "the run's configuration")
        if split is not None:
            write_sealed(self.split, split, "the run's split")
        write_trained_on(self.trained_on, now)

    def _holds_work(self) -> bool:
        begun = (self.config.name, self.trained_on.name)
        return self.path.is_dir() and any(self._foreign_files(*begun))

    def _foreign_files(self, *more: str) -> Iterator[Path]:
        # of a process that was killed in its first moment
        own = (".lock", LOCK, SEALS, *more)
        found = (path for path in self.path.iterdir() if path.name not in own)
        return (path for path in found if not is_leftover(path))


def _load_method(tree: Mapping[str, Any], methods: Mapping[str, type[MethodOptions]]) -> None:
    """Lets a file of one's own method that is gone or broken say so itself."""
    section = tree.get("method")
    name = section.get("name") if isinstance(section, Mapping) else None
    if isinstance(name, str):
        methods.get(name)


def _missing(whole: Mapping[str, Any], tree: object, above: str = "") -> str:
    """Returns the first key of a configuration that a file leaves out; empty: it has all."""
    for key, value in whole.items():
        if not isinstance(tree, Mapping) or key not in tree:
            return f"{above}{key}"
        if isinstance(value, Mapping) and (below := _missing(value, tree[key], f"{above}{key}.")):
            return below
    return ""
