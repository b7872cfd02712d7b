"""Analyses as tables and figures, from records made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reid_srdl.errors import UserError
from reid_srdl.records.analyses import (
    Entropies,
    PhaseEntropy,
    Subject,
    Width,
    WidthSettings,
    read_width,
)
from reid_srdl.records.network_analyses import Noise, NoiseSettings
from reid_srdl.report.analysis import entropy_table, label, plot_widths, width_table
from reid_srdl.report.noise import noise_table


def width(seed: int = 0, method: str = "srdl", **changes: Any) -> Width:
    subject = Subject(
        run=f"{method}-{seed}",
        network=changes.pop("network", method.split(" ")[0]),
        model="resnet32",
        method=method,
        dataset="cifar100",
        seed=seed,
        weights="0" * 64,
    )
    settings = WidthSettings(
        relative=False,
        distances=(0.0, 2.5, 5.0),
        directions=2,
        seed=0,
        subset=None,
        precision="fp32",
    )
    losses = {"train": ((0.5, 1.0, 2.0), (0.5, 2.0, None)), "test": ((1.0, 2.0, 3.0),) * 2}
    tree = {"subject": subject, "settings": settings, "losses": losses, "device": "cpu"}
    return Width.model_validate({**tree, "images": {"train": 10, "test": 5}, **changes})


def test_mean_and_deviation_over_directions() -> None:
    made = width()
    assert made.mean("train") == [0.5, 1.5, None]
    assert made.deviation("train") == [0.0, pytest.approx(0.5**0.5), None]
    one = width(losses={"train": ((0.5, 1.0, 2.0),)})
    assert one.deviation("train") == [None] * 3
    table = width_table([one])
    assert [table.text(table.rows[0], column) for column in table.shown][3:] == [
        *("0.5000", "1.0000", "2.0000"),
    ]


def test_the_table_tells_what_overflowed() -> None:
    table = width_table([width()])
    texts = [[table.text(row, column) for column in table.shown] for row in table.rows]
    assert texts == [
        ["resnet32 SRDL", "0", "train (10)", "0.5000", "1.5000 ± 0.7071", "overflow"],
        ["resnet32 SRDL", "0", "test (5)", "1.0000", "2.0000 ± 0.0000", "3.0000 ± 0.0000"],
    ]


@pytest.mark.parametrize("draws", [1, 2])
def test_one_draw_of_noise_claims_no_spread(draws: int) -> None:
    tree = {"deviations": (0.0, 0.1), "draws": draws, "relative": False, "seed": 0}
    losses = ((0.5, 1.0), (0.5, 2.0))[:draws]
    made = Noise(
        subject=width().subject,
        settings=NoiseSettings(**tree, subset=None, precision="fp32"),
        images={"test": 5},
        losses={"test": losses},
        accuracies={"test": ((0.8, 0.5),) * draws},
        device="cpu",
    )
    table = noise_table([made])
    cells = [[table.text(row, column) for column in table.shown][4:] for row in table.rows]
    if draws == 1:
        assert cells == [["0.5000", "1.0000"], ["80.00", "50.00"]]
    else:
        assert cells == [
            ["0.5000 ± 0.0000", "1.5000 ± 0.7071"],
            ["80.00 ± 0.00", "50.00 ± 0.00"],
        ]


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (width(), "resnet32 SRDL"),
        (width(network="first"), "resnet32 SRDL, first"),
        (width(method="srdl (restart=off)"), "resnet32 SRDL (restart=off)"),
        (width(method="vanilla (models=2)", network="vanilla-2"), "resnet32 vanilla (models=2)"),
    ],
)
def test_labels(made: Width, told: str) -> None:
    assert label(made.subject).startswith(told)


def test_seeds_are_pooled_in_one_band(tmp_path: Path) -> None:
    made = [width(seed, method) for method in ("vanilla", "srdl") for seed in (0, 1)]
    plot_widths(made, tmp_path / "w.svg")
    drawn = (tmp_path / "w.svg").read_text()
    # Matplotlib writes each line of text as a comment beside its outlines.
    assert drawn.count("<!-- resnet32 SRDL (2 seeds) -->") == 1
    assert drawn.count("<!-- resnet32 vanilla (2 seeds) -->") == 1
    with pytest.raises(UserError, match=r"w\.gif"):
        plot_widths(made, tmp_path / "w.gif")


def test_a_record_that_is_not_understood_is_none(tmp_path: Path) -> None:
    file = tmp_path / "width.json"
    assert read_width(file) is None
    file.write_text(width().model_dump_json())
    assert read_width(file) == width()
    file.write_text('{"kind": "width"}')
    assert read_width(file) is None


def test_entropies_end_with_the_papers() -> None:
    phases = (
        PhaseEntropy(phase="first", model="resnet32", epochs=100, last_epoch=0.2, clean=0.1),
        PhaseEntropy(phase="kd", model="resnet32", epochs=100, last_epoch=None),
    )
    run = Entropies(
        run="a", method="kd", dataset="cifar100", seed=0, images=9, phases=phases, device="cpu"
    )
    table = entropy_table([run])
    texts = [[table.text(row, column) for column in table.shown] for row in table.rows]
    assert texts[0][-2:] == ["0.2000", "0.1000"]
    assert texts[1][-2:] == ["-", "-"]
    assert [text[4] for text in texts[2:]] == ["0.0087", "0.1637"]
