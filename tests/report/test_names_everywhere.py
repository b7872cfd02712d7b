"""Names with HTML, terminal and LaTeX special characters reach every output as mere text.

What tables print in each form is in `tests/reports/test_hostile_text.py`; here are the others: the
page with all that may stand on it, its charts, figures' files, TensorBoard's tags, pictures.
"""

from __future__ import annotations

import re
import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from reid_srdl.report.figures import FIGURES, new_figure, save_figure
from reid_srdl.report.html.charts import (
    Chart,
    Effect,
    Series,
    distribution,
    forest,
    heat_map,
    lines,
)
from reid_srdl.report.html.looks import Look, looks_section
from reid_srdl.report.html.page import Section, render
from reid_srdl.report.pictures import write_pictures
from reid_srdl.report.rank_lists import Shown, Tile
from reid_srdl.report.tables import Column, Row, Table
from reid_srdl.texts import plain
from reid_srdl.training.monitor import EpochRow, NetworkRow
from reid_srdl.training.tensorboard import TensorBoardLog

NAME = (
    '<b onload="x">\'&amp;</svg></script>\x1b[31m\x07\u202e\udcff$\\frac{a$ %_#{}~^|`*[red]\\end{'
)
VALUES = np.array([0.25, 0.5])


def charts() -> list[Chart]:
    """Every kind of chart, the name wherever one may stand."""
    spread = np.array([1, 3, 0, 2])
    return [
        lines(NAME, [Series(NAME, VALUES, VALUES, VALUES, VALUES)], NAME, NAME, NAME),
        forest(NAME, [Effect(NAME, 0.1, -0.1, 0.2, NAME)], NAME, NAME),
        distribution(NAME, [(NAME, spread)], NAME, NAME),
        heat_map(NAME, [NAME], [NAME], np.array([[0.5]]), [[NAME]], NAME, 0.5),
    ]


def page() -> str:
    """A page that holds everything."""
    tile = Tile(None, NAME, (NAME,), "match")
    pixels = np.zeros((4, 2, 3), np.uint8)
    look = Look(NAME, NAME, NAME, pixels, NAME, pixels, np.zeros((2, 1), np.float32))
    looks = looks_section([look])
    assert looks is not None
    table = Table(NAME, (Column("a", NAME, group=NAME),), (Row({"a": NAME}),), (NAME,))
    section = Section(
        *("x", NAME, NAME, [table], charts(), [Shown(NAME, tile, (tile,), (tile,))], looks.views),
        exact=[(NAME, NAME)],
        commands=[(NAME, NAME)],
        notes=[NAME],
        sorts=True,
    )
    return render(NAME, NAME, [section])


class _Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_page_shows_names_as_text() -> None:
    seen = _Seen()
    text = page()
    seen.feed(text)
    assert not {name for name in seen.attributes if name.startswith("on")}
    assert text.count("</script>") == 1
    kinds = {unicodedata.category(letter) for letter in text.replace("\n", "")}
    assert not kinds & {"Cc", "Cs", "Zl", "Zp"}
    assert "\u202e" not in text
    assert sum(plain(NAME) in shown for shown in seen.texts) > 25


@pytest.mark.parametrize("chart", charts(), ids=["lines", "forest", "distribution", "heat map"])
def test_a_chart_is_a_drawing_whatever_the_names(chart: Chart) -> None:
    tree = ElementTree.fromstring(str(chart.drawing))
    tags = {element.tag for element in tree.iter()}
    assert tags <= {"svg", "title", "line", "text", "path", "circle", "rect"}
    assert [title.text for title in tree.findall("title")] == [plain(NAME)]
    assert sum(element.text == plain(NAME) for element in tree.iter()) > 1


@pytest.mark.parametrize("ending", FIGURES)
def test_a_figure_takes_no_name_for_a_formula(ending: str, tmp_path: Path) -> None:
    figure = new_figure(24, 24)
    axes = figure.subplots()
    axes.plot([1, 1000], [1, 2], label=NAME)
    axes.set(title=NAME, xlabel=NAME, ylabel=NAME, xscale="log")
    axes.set_yticks([1, 2], [plain(NAME), plain(NAME)])
    axes.legend()
    file = tmp_path / f"a{ending}"
    save_figure(figure, file)
    assert axes.get_title() == plain(NAME)
    if ending == ".svg":
        ElementTree.parse(file)
        assert "mathdefault" in file.read_text()  # a power of ten is still a formula
        assert "\x1b" not in file.read_text()


def test_tags_of_tensorboard_are_plain(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = TensorBoardLog(tmp_path)
    network = NetworkRow(terms={NAME: 1.0}, accuracy=0.5)
    row = EpochRow(
        phase=NAME, epoch=1, epochs=1, networks={NAME: network}, lr=0.1, seconds=1.0, images=8
    )
    log.phase_opened(NAME, 0.0, [row])
    log.evaluated(NAME, {NAME: 0.5})
    log.warned(NAME)
    log.close()
    found = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    tags = found.Tags()["scalars"]
    assert f"{plain(NAME)}/loss/{plain(NAME)}" in tags
    assert all(tag == plain(tag) for tag in tags)


def test_a_picture_has_a_name_that_any_shell_takes(tmp_path: Path) -> None:
    tile = Tile(None, NAME, (plain(NAME),), "other")
    (file,) = write_pictures(tmp_path, [Shown(plain(NAME), tile, (tile,), ())])
    assert re.fullmatch(r"001-[A-Za-z0-9._-]+\.png", file.name)
