"""README and docs say what is so: their commands, keys, links and figures are checked."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from reid_srdl.cli import app
from reid_srdl.config import known_keys, merge
from reid_srdl.config.method import MethodOptions
from reid_srdl.jobs.experiment import configured, experiment
from reid_srdl.methods import METHODS
from reid_srdl.records.studies.read import read_study
from reid_srdl.shell.generated import marked
from tests.pages import PAGES, ROOT, blocks, prose

README = ROOT / "README.md"
RECORDS = ROOT / "results" / "benchmarks"
_INLINE = re.compile(r"`([^`\n]+)`")
_SECTIONS = "data|sampler|model|method|loss|optim|train|eval|run"
_KEY = re.compile(rf"(?<![\w./-])(?:{_SECTIONS})(?:\.[a-z_0-9]+)+")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HERE = re.compile(r"(?<![\w.])/(?:work|home|tmp|root|mnt|opt|var|usr|Users)/")
_OURS = re.compile(r"(?:reid_srdl|tests|tools|configs|results|docs)/[\w./*-]*")

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def inline(page: Path) -> list[str]:
    """Returns what stands between backquotes in a page's sentences, wrapped lines joined."""
    return _INLINE.findall(re.sub(r"(?<=\S)\n(?=\S)", " ", prose(page)))


def command_lines(page: Path) -> Iterator[tuple[list[str], bool]]:
    """Yields the arguments of each command line, and whether it is said to work as it stands."""
    for block in blocks(page):
        if block.language == "sh":
            for line in block.text.replace("\\\n", " ").splitlines():
                if words := _arguments(line):
                    yield words, block.title != "run"  # tests/test_developing.py runs those
    for text in inline(page):
        if (words := _arguments(text)) and len(words) > 1:
            yield words, True


def _arguments(line: str) -> list[str] | None:
    words = shlex.split(line, comments=True)
    if "torchrun" in words:  # perhaps behind SLURM's srun
        return words[words.index("reid_srdl") + 1 :]
    return words[1:] if words[:1] == ["reid-srdl"] else None


def parsed(words: list[str]) -> tuple[str, dict[str, Any]]:
    """Returns command and parameters, as the command line itself reads them."""
    command: Any = typer.main.get_command(app)
    name, rest = "", list(words)
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"no command {name} {rest[0]}"
        name, command, rest = f"{name} {rest[0]}".strip(), command.commands[rest[0]], rest[1:]
    shown = {o for p in command.params if not getattr(p, "hidden", False) for o in p.opts}
    shown |= {o for p in command.params for o in p.secondary_opts} | {"--help", "-h"}
    if "slurm" in rest:  # train --help says that the help of study run lists what goes to SLURM
        shown |= {o for p in command.params for o in p.opts}
    for word in rest:
        flag = word.partition("=")[0]
        if re.fullmatch(r"--?[a-z][\w-]*", flag):
            assert flag in shown, f"{name} --help knows no {flag}"
    if "--help" in rest:
        return name, {}
    return name, dict(command.make_context(name, rest).params)


@pages
def test_every_command_line_is_one(page: Path) -> None:
    for words, whole in command_lines(page):
        try:
            name, given = parsed(words)
            if name == "train" and whole and given and ".py:" not in str(given["method"]):
                _configured(given)
        except Exception as error:
            message = getattr(error, "message", None) or getattr(error, "what", None) or error
            pytest.fail(f"{page.name}: reid-srdl {' '.join(words)}: {message}")


def _configured(given: dict[str, Any]) -> None:
    file = given["config"]
    options = {one.key: given[one.parameter] for one in marked("train")}
    told = {key: value for key, value in options.items() if value not in (None, ())}
    configured(told, ROOT / file if file else None, given["set"] or [], None)


def test_the_check_of_command_lines_can_fail() -> None:
    for words in (
        ["train", "--epoch", "3"],
        ["evaluate"],
        ["compare", "runs/a"],
        ["leaderboard", "--format", "xml"],
    ):
        with pytest.raises(Exception):  # noqa: B017, PT011 - typer's own, or an assertion
            parsed(words)


@pages
def test_every_key_is_one(page: Path) -> None:
    keys = {key for method in METHODS.values() for key in known_keys(method.options)}
    keys |= set(known_keys(MethodOptions))
    sections = {key.rpartition(".")[0] for key in keys}
    texts = [*inline(page), *(b.text for b in blocks(page) if b.language == "sh" and not b.title)]
    named = {
        key for text in texts for key in _KEY.findall(text) if not key.endswith((".py", ".md"))
    }
    assert not named - keys - sections


def test_the_pages_name_keys_and_commands() -> None:
    """Guards the two tests above against finding nothing to check."""
    assert sum(len(list(command_lines(page))) for page in PAGES) > 60
    assert any("eval.rerank.k1" in text for page in PAGES for text in inline(page))


def slug(heading: str) -> str:
    """Returns a heading's anchor, as GitHub and the site make it.

    >>> slug("Search, indexes, re-ranking")
    'search-indexes-re-ranking'
    """
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    """Returns the anchors of a page's headings."""
    return {slug(text) for text in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)}


@pages
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.is_file(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(file), f"{page.name}: {target}"


@pages
def test_files_that_are_named_exist(page: Path) -> None:
    for text in inline(page):
        if (found := _OURS.fullmatch(text)) and "NAME" not in text:
            assert (ROOT / found[0]).exists(), f"{page.name}: {text}"


@pages
def test_no_page_names_a_file_of_one_machine(page: Path) -> None:
    assert not _HERE.findall(page.read_text())


@pages
def test_lines_are_of_a_width_that_can_be_read(page: Path) -> None:
    for line in prose(page).splitlines():
        assert len(line) <= 120 or line.startswith("|"), f"{page.name}: {line}"


def test_the_readme_is_short() -> None:
    lines = README.read_text().splitlines()
    assert len(lines) < 160
    assert max(map(len, lines)) <= 120


def test_every_page_is_linked_from_the_readme() -> None:
    linked = set(_LINK.findall(README.read_text()))
    assert {f"docs/{page.name}" for page in PAGES[1:]} <= linked


def test_the_figures_of_the_readme_stand_in_records() -> None:
    def eval_ratio(name: str) -> float:
        rows = _record(f"eval-market1501-{name}")["sets"][0]["rows"]
        return next(float(r["ratio_of_minima"]) for r in rows if r["name"] == "reid-srdl, count")

    scale = _record("scale-512")["rows"][-1]
    rerank = _record("rerank-market1501-real-512")["runs"]
    plain, ours = (row["images_per_second"] for row in _record("train-cifar100")["rows"][:2])
    told = README.read_text().partition("## How fast it is")[2].partition("## ")[0]
    for figure in (
        *(f"{eval_ratio(name):.2f} x" for name in ("2048", "real-1280", "real-512")),
        f"{scale['gallery']:,} images",
        f"{scale['seconds']:.1f} s",
        f"{rerank['ours']['seconds']:.2f} s",
        f"{rerank['dense']['seconds']:.1f} s",
        f"{ours:.0f} images/s",
        f"{plain:.0f} for",
    ):
        assert f" {figure}" in told, figure


def _record(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RECORDS / f"{name}.json").read_text())
    return found


def test_the_study_of_the_page_is_one(tmp_path: Path) -> None:
    (block,) = (b for b in blocks(ROOT / "docs" / "studies.md") if b.language == "yaml")
    file = tmp_path / block.title
    file.write_text(block.text)
    study = read_study(file)
    assert set(study.cells) == {"t3", "t4"}
    for cell in study.cells.values():
        experiment(merge(study.config, cell.config))
