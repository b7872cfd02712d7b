"""Which rank lists are to be drawn, as ``reid-srdl eval`` is asked for them; no image is needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reid_srdl.errors import UserError
from reid_srdl.jobs.eval_options import EvalLine
from reid_srdl.places import check_output
from reid_srdl.records.rank_choice import Choice


@dataclass(frozen=True)
class Wish:
    """Pictures that are asked for: the folder they go to, and whose lists."""

    folder: Path
    choice: Choice


def wish_of(asked: EvalLine) -> Wish | None:
    """Returns which rank lists are to be drawn, and where to; None: no pictures are asked for.

    Raises:
        UserError: a choice without a folder, two choices, or a folder that is a file.
    """
    given = {
        "--worst": asked.worst,
        "--best": asked.best,
        "--random": asked.random,
        "--queries": asked.queries,
    }
    named = [flag for flag, value in given.items() if value]
    if asked.pictures is None:
        if named:
            raise UserError(f"{named[0]}: of which pictures?", "add --pictures DIR", usage=True)
        return None
    if len(named) > 1:
        raise UserError(f"{' and '.join(named)}: two choices", "give one of them", usage=True)
    check_output(asked.pictures / "001.png", "the pictures")
    names = tuple(filter(None, (asked.queries or "").split(",")))
    choice = Choice(names, best=asked.best, random=asked.random, count=asked.worst or 20)
    return Wish(asked.pictures, choice)
