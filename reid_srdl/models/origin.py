"""Where trained weights come from, as their file says it: the run, and the classes by name."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

ORIGIN = "origin"  # one of a weights file's facts


@dataclass(frozen=True)
class Origin:
    """What a run says in the weights files that it writes.

    Attributes:
        run: its name.
        network: the network's name in it.
        experiment: fingerprint of its configuration without the seed.
        seed: its seed; None where it was not trained here.
        classes: the names of what the network's logits stand for, in their order.
        among: the names of all classes that the run was trained on; ``classes`` are some of them.
    """

    run: str
    network: str
    experiment: str
    seed: int | None
    classes: tuple[str, ...]
    among: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns plain values; ``among`` is left out where it says nothing new."""
        plain = asdict(self)
        if self.among == self.classes:
            del plain["among"]
        return plain

    @classmethod
    def from_json(cls, plain: object) -> Origin | None:
        """Returns what ``to_json`` turned into plain values; None: it is something else."""
        if not isinstance(plain, dict):
            return None
        whole = {"among": plain.get("classes"), **plain}
        if whole.keys() != {"run", "network", "experiment", "seed", "classes", "among"}:
            return None
        classes, among = whole["classes"], whole["among"]
        if not isinstance(classes, list | tuple) or not isinstance(among, list | tuple):
            return None
        texts = [whole[key] for key in ("run", "network", "experiment")]
        if not all(isinstance(text, str) for text in (*texts, *classes, *among)):
            return None
        if type(whole["seed"]) not in (int, type(None)) or not set(classes) <= set(among):
            return None
        return cls(**{**whole, "classes": tuple(classes), "among": tuple(among)})
