"""A folder for each person, with images at any depth; patterns may tell persons and cameras."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reid_srdl.data.listing import LeftOut, note_left_out
from reid_srdl.data.nested import list_nested
from reid_srdl.data.notes import first_ten, printable, say_files
from reid_srdl.data.people.rows import Rows, names_alike
from reid_srdl.errors import UserError

_NO_PERSON = "in no person's folder"


@dataclass(frozen=True)
class Patterns:
    r"""Regular expressions that are searched in an image's path below the data set's folder.

    >>> Patterns(camera=r"cam(\d+)").camera_of("anna/cam2_001.jpg")
    '2'

    Attributes:
        camera: its first group is the camera, or all that it matches; None: paths do not tell.
        person: likewise the person; None: the first folder is.
    """

    camera: str | None = None
    person: str | None = None

    def camera_of(self, path: str) -> str:
        """Returns the camera's name; empty where nothing is found, or nothing is asked."""
        return "" if self.camera is None else _found(self.camera, path)

    def person_of(self, path: str) -> str:
        """Returns the person's name; empty where nothing is found."""
        if self.person is None:
            return path.rpartition("/")[0].partition("/")[0]
        return _found(self.person, path)


def as_patterns(told: Patterns | Mapping[str, str] | None) -> Patterns:
    """Returns patterns that may have been given by their names.

    Raises:
        UserError: they are no patterns, or nothing reads one of this name.

    >>> as_patterns({"camera": "cam(.)"}).camera_of("anna/cam2.jpg")
    '2'
    """
    if told is None or isinstance(told, Patterns):
        return told or Patterns()
    hint = "give {'camera': PATTERN, 'person': PATTERN}, or one of them"
    if not isinstance(told, Mapping) or not told.keys() <= {"camera", "person"}:
        raise UserError(f"patterns={told!r}: nothing reads it", hint)
    for name, pattern in told.items():
        try:
            re.compile(pattern)
        except (re.error, TypeError) as error:
            raise UserError(f"patterns: {name} is not a pattern ({error})", hint) from None
    return Patterns(**told)


def read_folders(root: Path, patterns: Patterns) -> Rows:
    """Lists the images below a folder; reads none.

    Raises:
        UserError: there is none, two persons' folders differ by case or blanks, a pattern finds
            nothing in any path, or finds no person in some.
    """
    found = list_nested(root)
    rows, nobody = Rows(root, root, notes=found.notes), list[str]()
    for path in found.names:
        person = patterns.person_of(path)
        if person:
            rows.add(path, person, patterns.camera_of(path))
        else:
            nobody.append(path)
    _check_persons(root, patterns, nobody, bool(rows.paths))
    if not rows.paths:
        raise UserError(
            f"{root}: no images in folders of persons", "make a folder of images for each person"
        )
    check_camera(root, patterns, rows)
    _check_case(root, rows.person_names.names)
    rows.notes += note_left_out(root.name, [LeftOut(path, _NO_PERSON) for path in nobody])
    return rows


def check_camera(where: Path, patterns: Patterns, rows: Rows) -> None:
    """Checks that the camera's pattern finds something.

    Raises:
        UserError: it finds nothing in any path.
    """
    if patterns.camera is not None and not rows.camera_names.names:
        raise UserError(
            f"data.camera: {patterns.camera!r} finds nothing in any path below {where}, such as "
            f"{printable(min(rows.paths))}",
            "mend the pattern, or leave data.camera out: cameras are not known then",
            usage=True,
        )


def _check_persons(root: Path, patterns: Patterns, nobody: list[str], some: bool) -> None:
    if patterns.person is None or not nobody:
        return
    told = first_ten([printable(path) for path in nobody])
    where = f"{say_files(nobody)} below {root}" if some else f"any path below {root}"
    raise UserError(
        f"data.person: {patterns.person!r} finds nothing in {where}: {told}",
        "mend the pattern, or leave data.person out: the first folder is the person then",
        usage=True,
    )


def _check_case(root: Path, names: tuple[str, ...]) -> None:
    """Refuses persons that some disks would make one."""
    if pairs := names_alike(names):
        raise UserError(
            f"{root}: persons whose names differ by case or blanks alone: {first_ten(pairs)}",
            "rename one, or put all images into one folder",
        )


def _found(pattern: str, path: str) -> str:
    match = re.search(pattern, path)
    return (match[1] if match.re.groups else match[0]) or "" if match else ""
