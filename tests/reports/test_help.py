"""Help cuts no word at any width, and tells every option, every method, and --debug."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from reid_srdl.cli import app, main
from reid_srdl.methods import METHODS


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield words, command
    for name in getattr(command, "commands", {}):
        yield from commands(command.commands[name], (*words, name))


ALL = dict(commands(typer.main.get_command(app)))


def shown(
    words: tuple[str, ...],
    width: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys, "argv", ["reid-srdl", *words, "--help"])
    with pytest.raises(SystemExit) as raised:
        main()
    assert not raised.value.code
    return capsys.readouterr().out


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_no_word_is_lost_at_any_width(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wide = sorted(shown(words, 200, monkeypatch, capsys).split())
    for width in (60, 61, 72, 80, 100, 133, 200):
        text = shown(words, width, monkeypatch, capsys)
        assert sorted(text.split()) == wide
        assert "…" not in text
        assert max(map(len, text.splitlines())) <= max(width, 60)


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_option_and_its_help_stand_there(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = " ".join(shown(words, 80, monkeypatch, capsys).split())
    for parameter in ALL[words].params:
        if getattr(parameter, "hidden", False):  # to the help that shows it, it is pointed
            elsewhere = {name for one in ALL[("study", "run")].params for name in one.opts}
            assert "see study run --help" in text
            assert elsewhere >= set(parameter.opts)
            continue
        for name in parameter.opts if parameter.param_type_name == "option" else ():
            assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text), name
        if parameter.help and "{" not in parameter.help:
            assert " ".join(parameter.help.split()) in text
    for name in getattr(ALL[words], "commands", {}):
        assert f" {name} " in text


def test_debug_is_an_option(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert re.search(r"^  --debug ", shown((), 80, monkeypatch, capsys), re.MULTILINE)


def test_every_method_stands_in_the_help_of_train(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(METHODS, "newest", METHODS["kd"])
    text = " ".join(shown(("train",), 80, monkeypatch, capsys).split())
    (told,) = re.findall(r"--method <\w+> (.*?) --", text)
    assert all(re.search(rf"\b{name}\b", told) for name in METHODS)
    assert "newest" in told
