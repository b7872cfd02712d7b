"""``reid-srdl index-study``: what an approximate index costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from reid_srdl.config.marked import section
from reid_srdl.config.option import RULES
from reid_srdl.shell.generated import with_options
from reid_srdl.shell.options import Json, argument, figure, option

INDEXES = "Indexes"
EXAMPLE = (
    "Example:  reid-srdl index-study features.npz --index Flat --index HNSW32 "
    "--index 'IVF256,Flat;nprobe=16' --plot study.svg"
)


@with_options(
    "eval", only={"eval.distance": RULES, "eval.normalize": RULES, "eval.retrieved": INDEXES}
)
def index_study(
    given: dict[str, Any],
    features: Annotated[Path, argument("Features: .npz or .mat, as for eval.")],
    index: Annotated[
        list[str] | None,
        option(
            INDEXES,
            "A FAISS factory string, its run-time parameters after ';' (nprobe, efSearch); "
            "repeat it. Default: some that fit the features.",
            "FACTORY",
        ),
    ] = None,
    device: Annotated[str, option(INDEXES, "cpu, or cuda where FAISS sees a GPU.")] = "cpu",
    plot: Annotated[Path | None, figure("Draw accuracy over speed to FILE")] = None,
    json: Json = False,
) -> None:
    """Compare FAISS indexes with exact search: recall, Rank-1, truncated mAP, memory, time."""
    from reid_srdl.config import Protocol, changed
    from reid_srdl.feature_files.reading import load_features
    from reid_srdl.jobs.index_study import study_indexes
    from reid_srdl.report import index_study as report
    from reid_srdl.report.figures import check_target
    from reid_srdl.report.say import present, tell, tell_all

    check_target(plot)
    protocol = changed(Protocol(), section(given, "eval"), "eval", elsewhere=["retrieved"])
    found, gpu = load_features(features), device.startswith("cuda")
    study = study_indexes(found, index or (), protocol, retrieved=protocol.retrieved, gpu=gpu)
    tell_all("warning", (*found.notes, *report.advice_lines(study)))
    present(report.study_table(study), report.study_json(study), as_json=json)
    if plot is not None:
        report.plot_study(study, plot)
        tell(f"written: {plot}")
