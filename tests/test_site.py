"""The site is built strictly from README, docs and docstrings, and loads nothing from elsewhere."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from tests.pages import ROOT

SCRIPT = ROOT / "tools" / "docs"


def module_in(file: Path) -> ModuleType:
    """Imports a script."""
    loader = SourceFileLoader(f"tools_{file.stem}", str(file))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def docs() -> ModuleType:
    """tools/docs as a module."""
    return module_in(SCRIPT)


@pytest.mark.parametrize(
    "page",
    [
        '<script src="https://cdn.example.org/x.js"></script>',
        '<link rel="stylesheet" href="//fonts.example.org/css?family=Roboto">',
        '<link rel="preconnect" href="https://fonts.example.org">',
        '<img src="http://example.org/badge.svg">',
    ],
)
def test_what_is_loaded_from_elsewhere_is_found(
    page: str, docs: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "a.html").write_text(page)
    assert len(list(docs.loads_from_elsewhere(tmp_path))) == 1


def test_styles_are_read_too(docs: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("body { background: url( 'https://example.org/a.png') }")
    (tmp_path / "b.css").write_text("body { background: url(b.png) }")
    assert list(docs.loads_from_elsewhere(tmp_path)) == ["a.css loads from elsewhere"]


def test_links_and_own_files_are_no_loads(docs: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<a href="https://example.org">paper</a><script src="assets/x.js"></script>'
        '<link rel="canonical" href="https://example.org/a">'
    )
    assert not list(docs.loads_from_elsewhere(tmp_path))


def test_every_module_is_in_the_api(docs: ModuleType) -> None:
    rooms = docs.modules_by_room()
    assert "reid_srdl.training.plan" in rooms["training"]
    assert "reid_srdl.errors" in rooms["errors"]
    assert rooms["reid_srdl"] == ["reid_srdl"]


def test_doctests_are_fenced() -> None:
    pytest.importorskip("griffe", reason="the extra 'docs' is not installed")
    examples = module_in(ROOT / "tools" / "docs_examples.py")
    text = "One.\n\n  >>> 1 + 1\n  2\n\nEnd."
    assert examples.fenced(text) == "One.\n\n  ```pycon\n  >>> 1 + 1\n  2\n  ```\n\nEnd."


def test_the_site_is_built(tmp_path: Path) -> None:
    for package in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(package, reason="the extra 'docs' is not installed")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--output", str(tmp_path / "site")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "One study" in (tmp_path / "site" / "index.html").read_text()
    assert "fit_together" in (tmp_path / "site" / "api" / "training.html").read_text()
