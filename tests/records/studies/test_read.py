"""Studies as YAML: those of the package, and every way to get one wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reid_srdl.errors import UserError
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.rehearsal import rehearse
from reid_srdl.methods import METHODS
from reid_srdl.records.studies import find_study, plan_study, read_study, study_files
from reid_srdl.training.phases import Fit
from reid_srdl.training.values import after
from tests.records.studies.made import STUDY, write_study

METHODS_OF_IT = ("vanilla", "srdl")
TABLES = ("table1", "table2", "table3", "table4", "table5", "table6", "figure4", "market1501")
FAMILIES = {
    f"family_{data}{kind}": (data, kind)
    for data in ("mnist", "cifar100", "market1501")
    for kind in ("", "_own", "_teacher_given")
}
TAUGHT = ("kd", "fitnet", "at", "rkd", "dkd")


def test_the_packages_studies_are_all_there() -> None:
    assert set(study_files()) == {
        *TABLES,
        *FAMILIES,
        "lecture_mnist",
        "recipe_market1501",
        "transfer_cifar100",
        "rehearsal_cifar100",
        "rehearsal_market1501",
        "rehearsal_recipe_market1501",
        "strong_recipe_market1501",
    }


@pytest.mark.parametrize("name", FAMILIES)
def test_the_studies_of_the_family(name: str) -> None:
    """One network throughout; every method with a budget, with none, or its teacher given."""
    data, kind = FAMILIES[name]
    plan = plan_study(read_study(find_study(name)), experiment, rehearse)
    configs = {cell.cell.label: cell.config for cell in plan.cells.values()}
    assert {one.data.name for one in configs.values()} == {data}
    assert len({one.model for one in configs.values()}) == 1
    assert {one.train.budget for one in configs.values()} == {"own" if kind == "_own" else "equal"}
    methods = {one.method.name for one in configs.values()}
    assert plan.study.title.startswith("Teacher given, outside of the budget") == (
        kind == "_teacher_given"
    )
    if kind == "_teacher_given":
        assert methods == {"vanilla", *TAUGHT}
        assert {cell.cell.teacher for cell in plan.cells.values()} == {None, "vanilla"}
    else:
        assert methods == METHODS.keys() - {"transfer"}  # which starts from another task
        for one in configs.values():
            assert getattr(one.method, "teacher", one.model.name) == one.model.name
    assert {contrast.of for contrast in plan.study.contrasts} >= methods - {"vanilla"}


def test_a_study_extends_another(tmp_path: Path) -> None:
    base = tmp_path / "base.yaml"
    base.write_text(
        "title: base\nseeds: [0]\nconfig: {data: {name: cifar10}}\n"
        "cells:\n  a: {label: A, config: {method: {name: vanilla}}}\n"
    )
    over = tmp_path / "over.yaml"
    over.write_text("extends: base\ntitle: over\ncells: {a: {label: B}}\n")
    study = read_study(over)
    assert (study.name, study.title, study.seeds) == ("over", "over", (0,))
    assert study.cells["a"].label == "B"
    assert study.cells["a"].config == {"method": {"name": "vanilla"}}
    base.write_text("extends: over\n")
    with pytest.raises(UserError, match="extends itself"):
        read_study(over)
    over.write_text("extends: nothing\n")
    with pytest.raises(UserError, match=r"over.yaml: extends: no such study: 'nothing'"):
        read_study(over)
    base.write_text("title: base\ncells: {a: {label: A}}\n")
    over.write_text("extends: base.yaml\n")
    assert read_study(over).title == "base"


def test_the_study_of_transfer_has_every_cell() -> None:
    """Yosinski et al. 2014: baseB; AnB, BnB, AnB+ and BnB+ for each of the three stages."""
    plan = plan_study(read_study(find_study("transfer_cifar100")), experiment, rehearse)
    cells = {name: rehearse(cell.config) for name, cell in plan.cells.items()}
    kinds = {
        f"{half}{n}B{tuned}": (half, n, bool(tuned))
        for half in "AB"
        for n in (1, 2, 3)
        for tuned in ("", "-tuned")
    }
    assert cells.keys() == {"baseB", *kinds}
    assert [phase.name for phase in cells["baseB"].phases] == ["transfer"]
    views = {name: next(iter(done.returned.values())).view for name, done in cells.items()}
    assert len(set(views.values())) == 1
    for name, (half, n, tuned) in kinds.items():
        source, last = (phase.asked for phase in cells[name].phases)
        assert isinstance(source, Fit)
        assert isinstance(last, Fit)
        assert (source.models["source"].view == views["baseB"]) == (half == "B")
        assert last.only == (None if tuned else after(f"group{n}"))
    options: Any = plan.cells["A3B-tuned"].config.method
    assert (options.source_classes, options.stages, options.tune) == ("A", 3, True)
    of = {contrast.of for contrast in plan.study.contrasts}
    assert of == kinds.keys()


def test_the_lectures_experiment_has_its_three_networks_and_one_that_tells_changes_apart() -> None:
    plan = plan_study(read_study(find_study("lecture_mnist")), experiment, rehearse)
    teacher, student, like_distilled, distilled = plan.cells.values()
    published = [cell.cell.published.get("top1") for cell in plan.cells.values()]
    assert published == [99.33, 98.54, None, 99.26]
    assert like_distilled.config.optim == distilled.config.optim != student.config.optim
    assert distilled.cell.teacher == teacher.name
    told = (teacher.config.model, teacher.config.data.pad, teacher.config.optim.max_norm)
    assert (told[0].name, told[0].dropout, told[0].input_dropout, *told[1:]) == (
        *("mlp-1200", 0.5, 0.2),
        *(2, 3.873),
    )
    options: Any = distilled.config.method
    assert (options.temperature, options.form) == (20, "lecture")
    for cell in (student, like_distilled, distilled):
        config = cell.config
        assert (config.model.name, config.model.dropout, config.data.pad) == ("mlp-800", 0, 0)
        assert (config.data.flip, config.optim.max_norm, config.train.epochs) == (False, None, 60)


def test_a_rehearsal_shortens_a_source_too(tmp_path: Path) -> None:
    method = {"name": "transfer", "source_epochs": 40}
    config = {"data": {"name": "cifar100"}, "method": method, "train": {"epochs": 200}}
    cell = {"label": "x", "config": config}
    path = write_study(tmp_path, {"title": "x", "cells": {"a": cell}})
    plan = plan_study(read_study(path), experiment, rehearse, scale=0.1)
    made: Any = plan.cells["a"].config
    assert (made.train.epochs, made.method.source_epochs) == (20, 4)


def test_the_ladder_of_tricks_has_vanilla_and_srdl_on_each_step() -> None:
    plan = plan_study(read_study(find_study("recipe_market1501")), experiment, rehearse)
    steps = {name.rpartition("-")[0] for name in plan.cells}
    assert plan.cells.keys() == {f"{step}-{method}" for step in steps for method in METHODS_OF_IT}
    assert (len(steps), plan.seeds) == (8, (0, 1, 2))
    assert plan.cells["cross-entropy-vanilla"].cell.published == {}  # another optimiser's: quoted
    assert [row.published["single_mAP"] for row in plan.study.quotations] == [71.6]
    last = plan.cells["centre-srdl"].config
    assert (last.optim.batch_size, last.loss.smoothing, last.model.neck) == (64, 0.1, "bnneck")


@pytest.mark.parametrize("name", TABLES)
def test_each_cell_of_the_packages_studies_is_a_valid_experiment(name: str) -> None:
    path = find_study(name)
    plan = plan_study(read_study(path), experiment, rehearse)
    assert plan.seeds == (0, 1, 2, 3, 4)
    assert len(plan.runs) <= 5 * len(plan.cells)
    head = path.read_text().partition("\n\n")[0]
    for word in ("# Command:", "# Seeds:", "# Hardware:", "# Expected:"):
        assert word in head
    for cell in plan.cells.values():
        assert cell.config.optim.lr == 0.1
        assert cell.config.optim.weight_decay == 2e-4
        assert cell.cell.published or "teacher" in cell.cell.label
    rehearsal = plan_study(read_study(path), experiment, rehearse, scale=0.001)
    for cell in rehearsal.cells.values():
        experiment(cell.config.model_dump())


def test_the_papers_gains() -> None:
    """Table 1 and 3 print gains beside the scores; ours follow from the scores."""
    gains = {}
    for name in ("table1", "table3"):
        study = read_study(find_study(name))
        for contrast in study.contrasts:
            of, over = study.cells[contrast.of].published, study.cells[contrast.over].published
            gains[contrast.label] = [round(of[metric] - over[metric], 2) for metric in of]
    assert gains["SRDL - vanilla, ResNet-32, CIFAR10"] == [0.59]
    assert gains["SRDL - vanilla, ResNet-32, CIFAR100"] == [2.61]
    assert gains["SRDL - vanilla, ResNet-32, Tiny ImageNet"] == [2.20]
    assert gains["SRDL - vanilla, WRN-28-10, CIFAR10"] == [0.43]
    assert gains["SRDL - vanilla, WRN-28-10, CIFAR100"] == [1.06]
    assert gains["SRDL - vanilla, WRN-28-10, Tiny ImageNet"] == [2.42]
    assert gains["SRDL - vanilla, DenseNet-BC (L=190, k=40), CIFAR10"] == [0.19]
    assert gains["SRDL - vanilla, DenseNet-BC (L=190, k=40), CIFAR100"] == [0.76]
    assert gains["SRDL - vanilla, DenseNet-BC (L=190, k=40), Tiny ImageNet"] == [1.31]
    assert gains["SRDL - vanilla, ResNet-50"] == [1.8, 3.6, 1.7, 3.0]
    assert gains["SRDL - vanilla, DenseNet-121"] == [1.6, 2.8, 0.6, 1.8]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"titel": "x"}, ["titel: no such key", "did you mean 'title'?"]),
        ({"name": "x"}, ["name: no such key"]),
        ({"seeds": []}, ["seeds"]),
        ({"seeds": [0, 0]}, ["seeds: one stands twice"]),
        ({"seeds": [-1]}, ["seeds.0"]),
        ({"config": {"train": {"seed": 3}}}, ["config.train.seed: a study's runs have its seeds"]),
        (
            {"cells": {"a": {"label": "x", "config": {"train.seed": 3}}}},
            ["cells.a.config.train.seed: a study's runs have its seeds"],
        ),
        ({"cells": {}}, ["cells"]),
        ({"cells": {"a b": {"label": "x"}}}, ["cells.a b"]),
        ({"cells": {"a": {"labe": "x"}}}, ["cells.a.labe: no such key", "did you mean 'label'?"]),
        ({"cells": {"a": {"label": "x", "published": {"top1": 690}}}}, ["cells.a.published.top1"]),
        (
            {"contrasts": [], "cells": {"a": {"label": "x", "published": {"top2": 1}}}},
            ["cells.a.published: no such metric 'top2'"],
        ),
        (
            {"contrasts": [{"label": "x", "of": "single", "over": "singel"}]},
            ["contrasts.0.over: no such cell 'singel'"],
        ),
        (
            {"contrasts": [], "cells": {"a": {"label": "x", "teacher": "b"}}},
            ["cells.a.teacher: no such cell 'b'"],
        ),
        (
            {
                "contrasts": [],
                "cells": {
                    "a": {"label": "x", "teacher": "b"},
                    "b": {"label": "y", "teacher": "a"},
                },
            },
            ["cells.a.teacher: is taught by itself", "cells.b.teacher: is taught by itself"],
        ),
        ({"seeds": "x", "width": {"step": 3}}, ["seeds", "width.step", "did you mean 'steps'?"]),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, changes: dict[str, Any], words: list[str]) -> None:
    path = write_study(tmp_path, {**STUDY, **changes})
    with pytest.raises(UserError) as raised:
        read_study(path)
    assert raised.value.exit_status == 2
    for word in [str(path), *words]:
        assert word in f"{raised.value.what} {raised.value.hint}"
    assert "\n" not in raised.value.what


def test_no_yaml_and_no_study(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("cells: [")
    with pytest.raises(UserError, match=r"a.yaml: not valid YAML"):
        read_study(tmp_path / "a.yaml")
    with pytest.raises(UserError, match="no such file"):
        find_study(str(tmp_path / "b.yaml"))
    with pytest.raises(UserError) as raised:
        find_study("tabel4")
    assert "did you mean 'table4'?" in raised.value.hint
    assert find_study(str(tmp_path / "a.yaml")) == tmp_path / "a.yaml"
