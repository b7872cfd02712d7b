"""The way out of a wrong key: the new name of an old one, or the nearest that there is."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from reid_srdl.errors import did_you_mean

_SPLIT = {"rerank": ("k1", "k2", "lambda"), "expand": ("n", "alpha")}

# Keys that have moved: where they are now. What is a section now held its method's name.
RENAMED = {f"eval.{group}": f"eval.{group}.method" for group in _SPLIT} | {
    f"eval.{group}_{key}": f"eval.{group}.{key}" for group, keys in _SPLIT.items() for key in keys
}


def way_out(path: str, keys: Sequence[str]) -> str:
    """Suggests the right path for a wrong one, also where only the section is wrong or missing.

    Args:
        path: the wrong path.
        keys: every path of the schema.

    >>> way_out("eval.rerank_k1", [])
    "it is 'eval.rerank.k1' now"
    >>> way_out("lr", ["optim.lr", "train.seed"])
    "did you mean 'optim.lr'?"
    """
    if path in RENAMED:
        return f"it is {RENAMED[path]!r} now"
    section, _, leaf = path.rpartition(".")
    leaves = {_leaf(key): key for key in reversed(keys)}
    if not section:
        sections = {key.split(".")[0] for key in keys}
        nearest = leaves.get(path)
        return f"did you mean {nearest!r}?" if nearest else did_you_mean(path, sections)
    leaves |= {_leaf(key): key for key in keys if key.startswith(f"{section}.")}
    if near := difflib.get_close_matches(leaf, leaves, n=1, cutoff=0.6):
        return f"did you mean {leaves[near[0]]!r}?"
    return did_you_mean(path, [key for key in keys if key.startswith(f"{section}.")] or keys)


def below(path: str, keys: Sequence[str]) -> str:
    """Says which keys a section has, to whoever gave it a plain value."""
    if path in RENAMED:
        return f"it is {RENAMED[path]!r} now"
    own = [key for key in keys if key.startswith(f"{path}.")]
    return f"it holds keys: {', '.join(own)}"


def _leaf(key: str) -> str:
    return key.rpartition(".")[2]
