"""The report: one file that asks for nothing, with every number of the commands in its text."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from reid_srdl.report.html.page import Section, render
from reid_srdl.report.html.svg import Scale, element
from reid_srdl.report.tables import Column, Row, Table
from tests.browser import browser
from tests.cli.run import assert_told, reid_srdl_here
from tests.reports.runs import classes, run_classes

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e&\"'_%$\\"


def text_of(page: str) -> str:
    """Returns what a reader sees with JavaScript off."""
    bare = re.sub(r"<script.*?</script>|<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    return html.unescape(bare)


@pytest.fixture(scope="module")
def page(walkers: Path) -> Path:
    path = walkers / "page.html"
    from reid_srdl.cli import app
    from reid_srdl.shell.outcome import run

    runs = walkers / "r"
    pair = [str(runs / "vanilla"), str(runs / "srdl")]
    words = [
        "report",
        str(runs),
        "--study",
        "table4",
        "--compare",
        *pair,
        "--maps",
        "2",
        "-o",
        str(path),
    ]
    assert run(app, words) == 0
    return path


def numbers(tree: Any) -> list[Any]:
    """Returns the numbers of a JSON tree."""
    if isinstance(tree, dict):
        return [number for value in tree.values() for number in numbers(value)]
    if isinstance(tree, list):
        return [number for value in tree for number in numbers(value)]
    return [tree] if isinstance(tree, int | float) and not isinstance(tree, bool) else []


COMMANDS = {
    "leaderboard": ("leaderboard", "{r}", "--format", "json"),
    "study": ("study", "show", "table4", "--runs", "{r}", "--format", "json"),
    "compare": ("compare", "{r}/vanilla", "{r}/srdl", "--json"),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_every_number_of_a_command_stands_in_the_text(
    command: tuple[str, ...], walkers: Path, page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = reid_srdl_here(*(word.format(r=walkers / "r") for word in command), streams=capsys)
    assert done.returncode == 0, done.stderr
    wanted = {repr(number) for number in numbers(json.loads(done.stdout))}
    assert len(wanted) > 10
    there = set(re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", text_of(page.read_text())))
    assert wanted - there == set()


def test_the_leaderboard_shows_the_cells_of_the_command(
    walkers: Path, page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = reid_srdl_here("leaderboard", walkers / "r", "--format", "markdown", streams=capsys)
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ")][2:]
    cells = [cell.strip("* ") for row in rows for cell in row.strip("|").split("|")]
    text = text_of(page.read_text())
    assert len(cells) > 20
    assert [cell for cell in cells if cell.replace("\\", "") not in text] == []


def test_the_file_asks_for_nothing(page: Path) -> None:
    text = page.read_text()
    asked = re.findall(r"(?:src|href)\s*=\s*[\"']?(.)|url\(\s*[\"']?(.)|(@import)", text)
    assert {"".join(found) for found in asked} <= {"#", "d"}
    assert 'src="data:image/jpeg;base64,' in text
    assert len(text) < 10 << 20
    assert text.count("<svg") > 5


def test_it_holds_every_section(page: Path) -> None:
    keys = re.findall(r'<section id="([a-z0-9-]+)"', page.read_text())
    wanted = ["leaderboard", "gains", "compare-1", "study-1", "curves", "queries", "lists"]
    assert keys == [*wanted, "looks", "settings", "machines", "again"]
    text = text_of(page.read_text())
    assert "reid-srdl train --dataset walkers --model resnet32" in " ".join(text.split())
    assert "method.temperature" in text
    assert "mAP by cameras" in text


def test_networks_are_asked_where_they_look_side_by_side(page: Path) -> None:
    (section,) = re.findall(r'<section id="looks">.*?</section>', page.read_text(), re.DOTALL)
    names = re.findall(r'<li class="seen"><img src="data:image/jpeg[^"]*" alt="([^"]*)"', section)
    asked = re.findall(r'<p class="note">([^<]*)</p>', section)
    assert len(names) == 2 * 3 * 3  # two queries, three questions, a picture and two networks
    assert asked[:3] == [
        "mean absolute activation",
        "Grad-CAM, likeness to its nearest match",
        "Grad-CAM, likeness to the wrong person found first",
    ]
    assert all(set(names[at + 1 : at + 3]) == {"srdl", "vanilla"} for at in range(0, 18, 3))
    assert names[0] == "query"
    assert re.fullmatch(r"match, rank \d+", names[3])
    assert re.fullmatch(r"wrong, rank [12]", names[6])
    uris = re.findall(r'<img src="(data:image/jpeg[^"]*)"', section)
    assert len(set(uris[:9])) == 9  # each answer is another picture


def test_maps_that_cannot_be_made_are_told(
    walkers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of one run the weights are gone, of the data the query that is looked at."""
    shutil.copytree(walkers / "r", tmp_path / "r")
    shutil.copytree(walkers / "d", tmp_path / "d")
    for one in (tmp_path / "r").iterdir():
        config = one / "config.yaml"
        config.write_text(config.read_text().replace(str(walkers / "d"), str(tmp_path / "d")))
        (one / "checksums.json").unlink()
    shutil.rmtree(tmp_path / "r/srdl/weights")
    shutil.rmtree(tmp_path / "r/srdl/phases")
    words = ("report", tmp_path / "r", "--maps", "3", "--lists", "0", "-o", tmp_path / "a.html")
    done = reid_srdl_here(*words, streams=capsys)
    assert done.returncode == 0, done.stderr
    assert re.search(r"note: .*r/srdl: no maps: ", done.stderr)
    assert (tmp_path / "a.html").read_text().count('<li class="seen">') == 3 * 3 * 2
    for image in sorted((tmp_path / "d/walkers/bounding_box_test").glob("*.jpg"))[::2]:
        image.unlink()
    done = reid_srdl_here(*words, streams=capsys)
    assert done.returncode == 0, done.stderr
    gone = done.stderr.count("the image is gone; no map aims at it")
    assert gone
    assert (tmp_path / "a.html").read_text().count('<li class="seen">') == (3 * 3 - gone) * 2
    for image in (tmp_path / "d/walkers/query").glob("*.jpg"):
        image.unlink()
    done = reid_srdl_here(*words, streams=capsys)
    assert done.returncode == 0, done.stderr
    assert "looks" not in re.findall(r'<section id="([a-z-]+)"', (tmp_path / "a.html").read_text())
    assert re.search(r"note: .*r/vanilla: no images: ", done.stderr)


def test_a_set_without_queries_has_no_maps_and_that_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_classes(classes(tmp_path / "set"), tmp_path / "runs")
    words = ("report", tmp_path / "runs", "--maps", "2", "-o", tmp_path / "a.html")
    done = reid_srdl_here(*words, streams=capsys)
    assert done.returncode == 0, done.stderr
    assert "class-folder: no maps: none of its runs has kept ranks" in done.stderr
    done = reid_srdl_here(*words[:2], "-o", tmp_path / "a.html", streams=capsys)
    assert "no maps" not in done.stderr


@pytest.mark.parametrize("name", ["vanilla", "srdl"])
def test_the_command_of_a_run_trains_the_same_run(
    name: str, walkers: Path, page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shlex

    from reid_srdl.config import fingerprint, read_yaml, resolve
    from reid_srdl.methods import KNOWN

    told = re.findall(rf"<b>{name}</b> <code>(.*?)</code>", page.read_text())
    words = shlex.split(html.unescape(re.sub("</?span>", "", told[0])))
    done = reid_srdl_here(*words[1:], "--print-config", streams=capsys)
    assert done.returncode == 0, done.stderr
    (walkers / "printed.yaml").write_text(done.stdout)
    both = [
        fingerprint(resolve(read_yaml(path), KNOWN))
        for path in (walkers / "printed.yaml", walkers / f"r/{name}/config.yaml")
    ]
    assert both[0] == both[1]


def test_hostile_names_are_escaped_wherever_they_stand() -> None:
    table = Table(HOSTILE, (Column("a", HOSTILE),), (Row({"a": HOSTILE}),), (HOSTILE,))
    section = Section(
        "x", HOSTILE, HOSTILE, [table], exact=[(HOSTILE, HOSTILE)], commands=[(HOSTILE, HOSTILE)]
    )
    text = render(HOSTILE, HOSTILE, [section])
    assert "alert(1)" in text
    assert "<script>alert" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "<b" not in element("text", "<b>", x='"><b>')


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (-3, 12, [0, 5, 10]), (2, 2, None), (1e-9, 4e-9, None)],
)
def test_ticks_are_round_and_within(low: float, high: float, ticks: list[float] | None) -> None:
    found = Scale(low, high, 0, 100).ticks()
    assert all(low - 1e-12 <= value <= max(high, low + 1) for value in found)
    if ticks is not None:
        assert found == pytest.approx(ticks)


def test_what_cannot_be_shown_is_told(
    walkers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(walkers / "r", runs)
    (runs / "srdl/record.json").unlink()
    shutil.copytree(runs / "vanilla", runs / "older")
    record = json.loads((runs / "older/record.json").read_text()) | {"schema_version": 1}
    (runs / "older/record.json").write_text(json.dumps(record))
    (runs / "vanilla/metrics.jsonl").write_text("{")
    moved = tmp_path / "moved"
    done = reid_srdl_here("report", runs, "-o", tmp_path / "r.html", streams=capsys)
    assert done.returncode == 0, done.stderr
    assert not moved.exists()
    for words in ("srdl: without a record", "older/record.json", "metrics.jsonl: damaged"):
        assert words in done.stderr
    assert "vanilla" in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("report", "{r}", "-o", "{r}"), "is a directory"),
        (("report", "{r}", "-o", "{t}/report.txt"), "not a page by its name"),
        (("report", "{t}/nowhere", "-o", "{t}/r.html"), "no such folder"),
        (("report", "{t}", "-o", "{t}/r.html"), "no finished run"),
        (("report", "{r}", "--study", "tabel4", "-o", "{t}/r.html"), "tabel4"),
    ],
)
def test_bad_input_is_answered_in_words(
    words: tuple[str, ...],
    told: str,
    walkers: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [word.format(r=walkers / "r", t=tmp_path) for word in words]
    done = reid_srdl_here(*given, streams=capsys)
    assert_told(done, status=done.returncode)
    assert told.lower() in done.stderr.lower()
    assert done.returncode in (1, 2)
    assert list(tmp_path.iterdir()) == []


def test_a_browser_shows_it(page: Path, tmp_path: Path) -> None:
    with browser() as opened:
        for width in (400, 1400):
            view = opened.new_page(viewport={"width": width, "height": 900})
            requests: list[str] = []
            problems: list[str] = []
            view.on("request", lambda request: requests.append(request.url))  # noqa: B023
            view.on("console", lambda message: problems.append(message.text))  # noqa: B023
            view.on("pageerror", lambda error: problems.append(str(error)))  # noqa: B023
            view.goto(page.as_uri())
            assert view.evaluate("document.documentElement.scrollWidth") <= width
            _sort(view)
            _filter(view)
            view.hover("svg .dot >> nth=0")
            _cells_are_readable(view)
            _method_stays_in_sight(view)
            colours = {
                kind: view.eval_on_selector(
                    f".tile.{kind} img", "e => getComputedStyle(e).borderColor"
                )
                for kind in ("match", "other")
            }
            assert colours == {"match": "rgb(26, 150, 65)", "other": "rgb(215, 25, 28)"}
            assert view.eval_on_selector(".tile img", "e => e.naturalWidth") > 0
            assert [url for url in requests if not url.startswith("data:")] == [page.as_uri()]
            assert problems == []
            view.emulate_media(media="print", color_scheme="dark")
            style = "e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]"
            assert view.eval_on_selector("thead th", style) == [
                "rgb(0, 0, 0)",
                "rgb(244, 245, 247)",  # paper is white, whatever the screen is
            ]
            adjusted = "e => getComputedStyle(e).printColorAdjust"
            assert view.eval_on_selector(".legend i", adjusted) == "exact"  # else it stays white
            view.pdf(path=str(tmp_path / "page.pdf"))
            assert (tmp_path / "page.pdf").stat().st_size > 10_000
            view.close()


_CONTRAST = """cells => cells.map(text => {
  const numbers = (colour) => colour.match(/[0-9.]+/g).map(Number);
  const linear = (v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const weights = [0.2126, 0.7152, 0.0722];
  const light = (rgb) => rgb.reduce((sum, v, i) => sum + weights[i] * linear(v / 255), 0);
  const style = getComputedStyle(text.previousElementSibling);
  const [paper, fill, ink] = [getComputedStyle(document.body).backgroundColor, style.fill,
    getComputedStyle(text).fill].map(colour => numbers(colour).slice(0, 3));
  const share = Number(style.fillOpacity);
  const seen = fill.map((v, i) => share * v + (1 - share) * paper[i]);
  const [low, high] = [light(seen), light(ink)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
})"""


def _cells_are_readable(view: Any) -> None:
    """Numbers in heat maps keep the contrast that WCAG 2.1 asks of text, on either paper."""
    for scheme in ("light", "dark"):
        view.emulate_media(color_scheme=scheme)
        contrasts = view.eval_on_selector_all("#queries svg rect + text", _CONTRAST)
        assert len(contrasts) > 8
        assert min(contrasts) >= 4.5, scheme
    view.emulate_media(color_scheme="light")


def _method_stays_in_sight(view: Any) -> None:
    """Rows are told apart by it, so it stays where a narrow table is scrolled."""
    script = "e => { e.scrollLeft = 1e6; return e.getBoundingClientRect().left; }"
    edge = view.eval_on_selector("#leaderboard .wide", script)
    place = "e => e.getBoundingClientRect().left"
    if view.viewport_size["width"] < 640:
        assert view.eval_on_selector("#leaderboard td.name", place) == pytest.approx(edge, abs=1)


def _column(view: Any, number: int) -> list[str]:
    script = f"rows => rows.filter(r => !r.hidden).map(r => r.cells[{number}].textContent)"
    found: list[str] = view.eval_on_selector_all("#machines tbody tr", script)
    return found


def _sort(view: Any) -> None:
    before = _column(view, 0)
    view.click("#machines th button >> nth=0")
    first = _column(view, 0)
    view.click("#machines th button >> nth=0")
    assert first == sorted(before)
    assert _column(view, 0) == first[::-1]


def _filter(view: Any) -> None:
    view.fill("#machines input", "SRDL")
    assert _column(view, 0) == ["srdl"]
    view.fill("#machines input", "")
    assert len(_column(view, 0)) == 2
