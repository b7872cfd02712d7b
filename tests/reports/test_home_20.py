"""``~`` is somebody's home wherever a command names a place, and never a folder of this name."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from reid_srdl.cli import main
from reid_srdl.places import as_a_shell_would


@pytest.mark.parametrize(
    ("word", "whole"),
    [
        ("~", "HOME"),
        ("~/a b", "HOME/a b"),
        ("--output=~/a", "--output=HOME/a"),
        ("a~/b", "a~/b"),
        ("./~/b", "./~/b"),
        ("~nobody-of-this-name/b", "~nobody-of-this-name/b"),
        ("--label=a=~/b", "--label=a=~/b"),
        ("", ""),
    ],
)
def test_words_are_expanded_as_by_a_shell(home: Path, word: str, whole: str) -> None:
    assert as_a_shell_would(word) == whole.replace("HOME", str(home))


@pytest.mark.parametrize("joined", [True, False])
def test_files_are_read_from_and_written_below_home(
    home: Path, monkeypatch: pytest.MonkeyPatch, joined: bool
) -> None:
    monkeypatch.chdir(home.parent)
    drawn = np.random.default_rng(0)
    np.savez(
        home / "f.npz",
        query_features=drawn.normal(size=(4, 8)).astype("f4"),
        query_pids=np.arange(4),
        query_camids=np.ones(4, int),
        gallery_features=drawn.normal(size=(8, 8)).astype("f4"),
        gallery_pids=np.arange(8) % 4,
        gallery_camids=np.full(8, 2),
    )
    pairs = (("--features", "~/f.npz"), ("--per-query", "~/new/q.csv"))
    words = [w for pair in pairs for w in (["=".join(pair)] if joined else pair)]
    monkeypatch.setattr(sys, "argv", ["reid-srdl", "eval", *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    assert (home / "new" / "q.csv").is_file()
    assert not (home.parent / "~").exists()
