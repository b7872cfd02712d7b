"""Imports go downwards through the rooms of the house, and without circles."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "reid_srdl"

# From the top to the bottom: a room imports from itself and from rooms below it. The package's own
# __init__ stands above all: it offers the public names. Nothing points upwards, so there is no list
# of exceptions.
ROOMS = (
    "__main__",
    "cli",
    "shell",
    "api",
    "jobs",
    "report",
    "tasks",
    "methods",
    "training",
    "compat",
    "evaluation",
    "records",
    "feature_files",
    "verification",
    "reranking",
    "by_faiss",
    "retrieval",
    "data",
    "analysis",
    "models",
    "group",
    "config",
    "machine",
    "failures",
    "yaml_text",
    "seals",
    "files",
    "places",
    "texts",
    "errors",
    "seeds",
    "version",
    "lazy",
)

Imports = Mapping[str, frozenset[str]]


def imports_of(package: Path) -> dict[str, frozenset[str]]:
    """Returns what each module of a package imports from it: at the top, in functions, for types.

    A package counts as its ``__init__``. A name that is no module of its own is the module's that
    defines it; the packages above an imported module, which run first, are left out.
    """
    files = {_name(path, package): path for path in sorted(package.rglob("*.py"))}
    return {
        module: frozenset(_imported(ast.parse(path.read_text()), package.name, files)) - {module}
        for module, path in files.items()
    }


def _name(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def _imported(tree: ast.AST, package: str, files: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            given = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in files else str(node.module) for name in given]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] == package)


def room(module: str) -> str:
    """Returns the room of a module by its dotted name; none for the package itself."""
    return module.split(".")[1] if "." in module else ""


def upward(imports: Imports) -> list[str]:
    """Returns the imports that point to a room above, one line each."""
    depth = {"": -1, **{name: index for index, name in enumerate(ROOMS)}}
    return [
        f"{module} imports {other}"
        for module, others in imports.items()
        for other in sorted(others)
        if depth[room(other)] < depth[room(module)]
    ]


def circle(imports: Imports) -> list[str]:
    """Returns modules that import each other in a circle, the first again at the end."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        found: list[str] = error.args[1][::-1]  # graphlib goes from the imported to the importer
        return found
    return []


@pytest.fixture(scope="module")
def imports() -> dict[str, frozenset[str]]:
    return imports_of(PACKAGE)


def test_every_room_has_its_place(imports: Imports) -> None:
    unknown = {room(module) for module in imports} - {"", *ROOMS}
    assert not unknown, f"give these rooms a place in ROOMS: {sorted(unknown)}"
    assert {"cli", "retrieval", "errors"} <= {room(module) for module in imports}


def test_imports_go_downwards(imports: Imports) -> None:
    assert sum(map(len, imports.values())) > 300  # it does read them
    assert upward(imports) == []


def test_no_module_imports_itself_by_others(imports: Imports) -> None:
    assert circle(imports) == []


Write = Callable[[dict[str, str]], Path]


@pytest.fixture
def house(tmp_path: Path) -> Write:
    def write(files: dict[str, str]) -> Path:
        package = tmp_path / "house"
        for name, text in {"__init__.py": "", **files}.items():
            (package / name).parent.mkdir(parents=True, exist_ok=True)
            (package / name).write_text(text)
        return package

    return write


def test_upward_imports_are_found_wherever_they_stand(house: Write) -> None:
    files = {
        "cli/__init__.py": "import house.jobs.train",
        "jobs/__init__.py": "",
        "jobs/train.py": "from house.files import write\nimport torch.nn",
        "files.py": "def write():\n    from house.jobs import train\n    import house",
        "errors.py": "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from house.jobs.train import x",
    }
    found = imports_of(house(files))
    assert found["house.cli"] == {"house.jobs.train"}
    assert found["house.jobs.train"] == {"house.files"}
    assert upward(found) == [
        "house.errors imports house.jobs.train",
        "house.files imports house",
        "house.files imports house.jobs.train",
    ]


def test_circles_are_found_within_a_room(house: Write) -> None:
    files = {
        "data/__init__.py": "",
        "data/a.py": "from house.data.b import x",
        "data/b.py": "from house.data import c",
        "data/c.py": "def f():\n    from house.data.a import y",
    }
    found = imports_of(house(files))
    assert upward(found) == []
    names = circle(found)
    assert names[0] == names[-1]
    assert set(names) == {"house.data.a", "house.data.b", "house.data.c"}
    step = dict(pairwise(names))
    assert step["house.data.a"] == "house.data.b"
