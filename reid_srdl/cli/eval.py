"""``reid-srdl eval``: scores of a run's network, or of what other software made."""

from __future__ import annotations

from typing import Any

from reid_srdl.jobs.eval_input import input_of
from reid_srdl.jobs.eval_options import EvalLine
from reid_srdl.shell import options
from reid_srdl.shell.generated import with_options

EXAMPLE = (
    "Examples:  reid-srdl eval runs/NAME --dataset market1501 --data-dir DIR   |   "
    "reid-srdl eval --features features.npz --json"
)


@with_options("eval", own=EvalLine, default="the run's own, or {default}")
def evaluate(given: dict[str, Any], run: options.Run = None, json: options.Json = False) -> None:
    """Evaluate a run's network, features, distances or weights: CMC, mAP, mINP, multi-query too.

    Several processes share the gallery and give the same scores, bit for bit:
    torchrun --nproc-per-node N -m reid_srdl eval ...

    On M machines that see the same files, run this on each of them:
    torchrun --nnodes M --nproc-per-node N --rdzv-backend c10d --rdzv-endpoint HOST:PORT
    -m reid_srdl eval ...

    OMP_NUM_THREADS sets the threads of each process; torchrun uses 1 if it is not set.
    """
    asked = EvalLine.of("eval", given)
    from reid_srdl.group.processes import joined

    with joined() as group:
        source = input_of(run, asked, group)
        from reid_srdl.jobs.eval_answer import evaluated
        from reid_srdl.report.say import tell

        if group.size > 1 and group.local_rank == 0:
            elsewhere = f"; the one on {group.writer} prints the results" if group.rank else ""
            tell(f"{group.size} processes share the gallery{elsewhere}")
        found = evaluated(source, asked, group)
        if found is not None:
            found.show(as_json=json)
