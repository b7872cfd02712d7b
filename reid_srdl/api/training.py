"""Training from Python: keys as nested dicts, methods as objects, progress on the screen."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reid_srdl.config import AnyConfig
from reid_srdl.errors import UserError
from reid_srdl.jobs.experiment import experiment
from reid_srdl.methods.method import Method

if TYPE_CHECKING:
    from reid_srdl.jobs.listener import Listener
    from reid_srdl.records.run import RunRecord


def train(
    config: AnyConfig | Mapping[str, Any],
    listener: Listener | None = None,
    *,
    progress: bool = False,
    method: Method | Callable[..., Any] | str | None = None,
) -> RunRecord:
    """Trains, evaluates and records one run; resumes it if it was stopped.

    Args:
        config: what `experiment` returns, or keys as nested dicts, as in YAML.
        listener: its methods are called as training proceeds.
        progress: show the progress on standard error, as ``reid-srdl train`` does.
        method: overrides the method of ``config``: a name, or a `Method` or its program, defined in
            a file of yours. The file is loaded again, so a script that trains must do so
            under ``if __name__ == "__main__":``.

    Returns:
        The run's record; a run that is already finished is not trained again.

    Raises:
        UserError: invalid keys, data that cannot be read, a folder that holds another run, a method
            that no file defines, or a loss that is not finite.

    >>> tree = {
    ...     "data": {"name": "folder", "dir": "set", "height": 32, "width": 16},
    ...     "model": {"name": "resnet18"},
    ...     "train": {"epochs": 1, "device": "cpu", "threads": 1},
    ...     "optim": {"batch_size": 12},
    ...     "run": {"name": "small"},
    ... }
    >>> record = train(tree, method="vanilla")  # doctest: +SKIP
    >>> record.name, record.method.name, record.epochs  # doctest: +SKIP
    ('small', 'vanilla', 1)
    """
    from reid_srdl.jobs import train as job

    if progress and listener is not None:
        raise UserError("progress=True beside a listener", "leave one of them out")
    if method is not None:
        config = _with_method(config, method)
    made = experiment(config) if isinstance(config, Mapping) else config
    if not progress:
        return job.train(made, listener)
    from reid_srdl.report.progress import Display

    with Display(run=True) as display:
        return job.train(made, display)


def _with_method(
    config: AnyConfig | Mapping[str, Any], method: Method | Callable[..., Any] | str
) -> dict[str, Any]:
    """Returns a tree of keys with another method; options of the same method stay."""
    tree = dict(config) if isinstance(config, Mapping) else config.model_dump()
    name = method if isinstance(method, str) else _named(method)
    own = tree.get("method") or {}
    kept = own if own.get("name") in (None, name) else {}
    return {**tree, "method": {**kept, "name": name}}


def _named(method: Method | Callable[..., Any]) -> str:
    """Returns FILE.py:NAME of a method that a file defines; the built-in ones by their names."""
    from reid_srdl.methods import METHODS

    for name, known in METHODS.items():
        if method in (known, known.program):
            return name
    program = method.program if isinstance(method, Method) else method
    module = sys.modules.get(getattr(program, "__module__", ""))
    try:
        file = inspect.getsourcefile(program)
    except TypeError:
        file = None
    for name, value in vars(module).items() if module and file and Path(file).is_file() else ():
        if isinstance(value, Method) and method in (value, value.program):
            return f"{Path(str(file)).resolve()}:{name}"
    raise UserError(
        f"method={getattr(program, '__name__', program)!r}: no file defines it as a Method",
        "write NAME = Method(program, options, summary) in a .py file, and give that",
    )
