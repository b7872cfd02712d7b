"""Data sets fetched from a loopback server: good, wrong and cut files."""

from __future__ import annotations

import hashlib
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from reid_srdl.data import fetch
from reid_srdl.data.fetch import SOURCES, Source, get_dataset
from reid_srdl.errors import UserError
from reid_srdl.models.offline import VARIABLE
from tests.cli.run import assert_told, reid_srdl

CONTENT = bytes(range(256)) * 400
MD5 = hashlib.md5(CONTENT).hexdigest()

Publish = Callable[..., None]


class Handler(BaseHTTPRequestHandler):
    """``/good`` is whole, ``/wrong`` has another byte, ``/cut`` ends early; no more is there."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        name = self.path.rpartition("/")[2]
        if name not in ("good", "wrong", "cut"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        told = {"good": CONTENT, "wrong": b"x" + CONTENT[1:], "cut": CONTENT[:5000]}
        if body:
            self.wfile.write(told[name])

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def published(site: str, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Lets MNIST be published as these files of the server's, in one place or several."""
    monkeypatch.setenv(VARIABLE, "0")
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def publish(*names: str) -> None:
        urls = tuple(f"{site}/{name}" for name in names)
        made = (Source(f"MNIST/raw/{number}.gz", urls, MD5) for number in (1, 2))
        monkeypatch.setattr(fetch, "SOURCES", {**SOURCES, "mnist": lambda: made})

    return publish


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_whole_files_get_their_names_and_are_fetched_once(
    published: Publish, tmp_path: Path
) -> None:
    published("good")
    found = list(get_dataset("mnist", tmp_path / "data"))
    assert [(path.name, new) for path, new in found] == [("1.gz", True), ("2.gz", True)]
    assert all(path.read_bytes() == CONTENT for path, _ in found)
    published("gone")
    assert [new for _, new in get_dataset("mnist", tmp_path / "data")] == [False, False]


@pytest.mark.parametrize(
    ("name", "words"),
    [("wrong", "102,400 bytes came"), ("cut", "5,000 bytes came"), ("gone", "HTTPError")],
)
def test_what_is_not_the_official_file_leaves_nothing(
    published: Publish, tmp_path: Path, name: str, words: str
) -> None:
    published(name)
    with pytest.raises(UserError, match=words) as caught:
        list(get_dataset("mnist", tmp_path))
    assert "put it at" in caught.value.hint
    assert files(tmp_path) == []
    published(name, "good")
    assert all(new for _, new in get_dataset("mnist", tmp_path))
    assert files(tmp_path) == ["1.gz", "2.gz"]


def test_a_server_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "0")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    source = Source("a.gz", ("http://127.0.0.1:9/a.gz",), MD5)
    monkeypatch.setattr(fetch, "SOURCES", {"mnist": lambda: iter([source])})
    with pytest.raises(UserError, match="can't be fetched"):
        list(get_dataset("mnist", tmp_path))
    assert files(tmp_path) == []


def test_another_file_in_its_place_stays(published: Publish, tmp_path: Path) -> None:
    published("good")
    (tmp_path / "MNIST" / "raw").mkdir(parents=True)
    (tmp_path / "MNIST" / "raw" / "2.gz").write_bytes(b"mine")
    with pytest.raises(UserError, match="there already, and not the official file"):
        list(get_dataset("mnist", tmp_path))
    assert (tmp_path / "MNIST" / "raw" / "2.gz").read_bytes() == b"mine"


def test_every_source_has_an_address_and_a_sum() -> None:
    for name, sources in SOURCES.items():
        found = list(sources())
        assert len(found) == (4 if name == "mnist" else 1)
        for source in found:
            assert len(source.md5) == 32
            assert all(url.startswith("http") for url in source.urls)
            assert source.urls[0].endswith(source.path.rpartition("/")[2])


@pytest.mark.parametrize(
    ("name", "words"),
    [("cuhk03", "W. Li et al"), ("walkers", "data make walkers"), ("cifar1000", "did you mean")],
)
def test_other_names(name: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        list(get_dataset(name, tmp_path))
    assert words in caught.value.hint


def test_the_command_says_where_to_ask(tmp_path: Path) -> None:
    def get(*words: str) -> subprocess.CompletedProcess[str]:
        return reid_srdl("data", "get", *words, "--data-dir", "d", cwd=tmp_path)

    for name, words in (
        ("market1501", "from the authors (L. Zheng et al."),
        ("duke", "took DukeMTMC-reID back"),
    ):
        assert_told(get(name), f"{name}: can't be fetched", words, status=2)
    assert_told(
        get("cifar10"), "nothing is fetched", "www.cs.toronto.edu", "d/cifar-10-python.tar.gz"
    )
    assert not (tmp_path / "d").exists()
