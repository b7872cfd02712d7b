"""YAML of strangers is an error in words, and never a traceback or a trap."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_srdl.errors import UserError
from reid_srdl.yaml_text import read_yaml_text

_ALIASES = "\n".join(
    f"{name}: &{name} [{','.join([value] * 10)}]"
    for name, value in zip("abcdef", ["1", *(f"*{name}" for name in "abcde")], strict=True)
)
HOSTILE = {
    "brackets": ("[" * 50_000, "nested too deeply"),
    "braces": ("{a: " * 20_000 + "}" * 20_000, "nested too deeply"),
    "depth": ("[" * 60 + "]" * 60, "nested too deeply"),
    "digits": ("a: " + "9" * 5_000, "not valid YAML"),
    "bits": ("a: 0x" + "f" * 5_000, "more than 64 bits"),
    "a day that is not": ("a: 2001-02-31", "not valid YAML"),
    "a month that is not": ("2001-13-01", "not valid YAML"),
    "NUL": ("a: b\0c", "character 0x0 at 4"),
    "escaped NUL": (r'a: "b\0c"', "holds a character"),
    "half a pair": (r'a: "\ud800"', "holds a character"),
    "not UTF-8": ("a: caf\udcff", "not valid YAML"),
    "an object": ("!!python/object/apply:os.system [ls]", "not valid YAML"),
    "an integer of letters": ("!!int x", "not valid YAML"),
    "a boolean of letters": ("!!bool x", "not valid YAML"),
    "a time of letters": ("!!timestamp x", "not valid YAML"),
    "bytes of letters": ("!!binary é", "not valid YAML"),
    "a list as a key": ("? [a]\n: b", "not valid YAML"),
    "an alias of nothing": ("*a", "not valid YAML"),
    "an alias in itself": ("a: &a [*a]", "nested too deeply"),
    "aliases of aliases": (_ALIASES, "more than 100,000 values"),
    "two colons": ("a: b: c", "line 1"),
    "a key twice": ("optim: {lr: 0.1, lr: 0.2}", "the key 'lr' stands twice"),
    "a section twice": ("optim: {lr: 0.1}\ndata: {pad: 2}\noptim: {}", "line 3: the key 'optim'"),
    "octal": ("epochs: 010", "010: write a plain decimal number"),
    "base 60": ("epochs: 1:30", "1:30: write a plain decimal number"),
    "base 60 with a point": ("lr: 1:30.5", "1:30.5: write a plain decimal number"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_yaml_is_an_error_in_words(kind: str) -> None:
    text, words = HOSTILE[kind]
    with pytest.raises(UserError, match=words) as raised:
        read_yaml_text(text, "x.yaml")
    assert raised.value.exit_status == 2
    assert raised.value.what.startswith("x.yaml: ")
    assert len(raised.value.what) < 250
    assert raised.value.what.isprintable()


def test_plain_yaml_is_read() -> None:
    text = "optim: &o {lr: 0.05, milestones: [0.5, 0.75]}\nother: *o\nname: café\nempty:\n"
    optim = {"lr": 0.05, "milestones": [0.5, 0.75]}
    tree = {"optim": optim, "other": optim, "name": "café", "empty": None}
    assert read_yaml_text(text, "x.yaml") == tree
    assert read_yaml_text("", "x.yaml") is None
    assert read_yaml_text("[0, 10, 0.5, -3, 1e-3, 0x10, '010', 2.0]", "x") == [
        *(0, 10, 0.5, -3, "1e-3", 16, "010", 2.0)
    ]
    assert read_yaml_text("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}", "x")["b"] == {"x": 3, "y": 2}
    assert read_yaml_text("9223372036854775807", "x") == 2**63 - 1


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(st.characters(), max_size=40),
        st.text("[]{}&*!|>'\"%@:,-? \n\ta0.~<=#\0é", max_size=40),
        st.sampled_from(["int", "float", "bool", "timestamp", "binary", "set", "omap", "null"]).map(
            "!!{} x-1".format
        ),
    )
)
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(UserError):
        read_yaml_text(text, "x")
