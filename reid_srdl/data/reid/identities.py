"""What identities 0 and -1 mean, held to in every re-id data set (see `data.reid.crops`)."""

from __future__ import annotations

import dataclasses

from reid_srdl.data.notes import Finding, say_files
from reid_srdl.data.reid.crops import DISTRACTOR, JUNK, Crops, ReidData
from reid_srdl.data.reid.names import names_of, note_nobody
from reid_srdl.errors import UserError

_HINT = "number people from 1, in all splits alike: 0 marks false detections, which match nobody"


def find_nobody_queries(query: Crops) -> tuple[Finding, ...]:
    """Returns the problem that queries are of identity 0, which would match distractors."""
    names = names_of(query, DISTRACTOR)
    if not names:
        return ()
    text = f"query: {say_files(names)} of identity 0, which stands for distractors"
    return (Finding(text, names),)


def with_meanings(data: ReidData) -> ReidData:
    """Returns a data set whose labels mean what they should, with its junk queries noted.

    Raises:
        UserError: queries are of identity 0, or all of them are junk.
    """
    for problem in find_nobody_queries(data.query):
        raise UserError(f"{data.root}: {problem.line}", _HINT)
    if len(data.query) and (data.query.pids == JUNK).all():
        raise UserError(f"{data.root}: all queries are junk (identity -1)", "name people from 1")
    notes = (*data.notes, *note_nobody("query", data.query, "never scored"))
    return dataclasses.replace(data, notes=notes)
