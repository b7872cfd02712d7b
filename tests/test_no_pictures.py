"""No picture of a data set stands in the repository: only generated people, in one known page."""

from __future__ import annotations

import subprocess

import pytest

from tests.pages import ROOT

SHOWN = {"docs/walkers-report.html"}
IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff")
_EMBEDDED = b"data:image" + b"/"


def test_images_stand_nowhere_else() -> None:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("not a checkout")
    files = [name for name in done.stdout.decode().split("\0") if name]
    assert len(files) > 300
    assert [name for name in files if name.lower().endswith(IMAGES)] == []
    embedded = {
        name
        for name in files
        if (ROOT / name).is_file() and _holds_images((ROOT / name).read_bytes())
    }
    assert embedded <= SHOWN


def test_the_shown_page_is_small() -> None:
    """``tools/docs --report`` makes it anew."""
    (page,) = (ROOT / name for name in SHOWN)
    assert page.stat().st_size < 300_000


def _holds_images(content: bytes) -> bool:
    """Says whether a file has an image in it, long enough to be one."""
    return any(len(part.split(b'"')[0]) > 200 for part in content.split(_EMBEDDED)[1:])


def test_an_embedded_image_is_found() -> None:
    assert _holds_images(b'<img src="' + _EMBEDDED + b"jpeg;base64," + b"A" * 300 + b'">')
    assert not _holds_images(b'assert "' + _EMBEDDED + b'jpeg" in text')
