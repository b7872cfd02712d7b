"""Rank lists as pictures: PNG files that show a query, its first ten and what it missed."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reid_srdl.errors import UserError
from reid_srdl.files import whole_file
from reid_srdl.places import check_output
from reid_srdl.records.answer import Answer
from reid_srdl.report.rank_lists import Shown, Tile
from reid_srdl.texts import plain

if TYPE_CHECKING:
    from PIL.Image import Image

_WIDTH, _HEIGHT, _FRAME, _GAP, _LINE = 96, 192, 5, 10, 15
_COLOURS = {"query": "#202020", "match": "#1a9641", "other": "#d7191c", "ignored": "#9a9a9a"}
_COLOURS["found"] = "#2b6cb0"  # by a search, which knows nobody
_PER_LINE = 15  # characters below an image


def write_pictures(folder: Path, lists: Sequence[Shown]) -> list[Path]:
    """Writes a picture of each list, numbered in their order, and returns the files.

    Raises:
        FileError: the operating system refuses.
    """
    written = []
    for number, shown in enumerate(lists, 1):
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(shown.query.name).stem)[:80]
        path = folder / f"{number:03d}-{name}.png"
        with whole_file(path, "the picture") as temporary:
            draw(shown).save(temporary, format="PNG")
        written.append(path)
    return written


def check_picture(path: Path) -> None:
    """Checks where a picture is to be written, before the work that leads to it.

    Raises:
        UserError: it is no .png by its name, or nothing can be written there.
    """
    if path.suffix != ".png":
        raise UserError(f"{path}: not a picture by its name", "end it in .png", usage=True)
    check_output(path, "the picture")


def draw_answer(path: Path, answer: Answer) -> None:
    """Draws what a search found.

    Raises:
        FileError: the operating system refuses.
    """
    tiles = []
    for one in answer.results:
        who = "" if one.pid is None else f"person {one.pid}, camera {one.camid}"
        lines = (f"{one.rank}. {one.distance:.4g}", who)
        tiles.append(Tile(Path(one.path), plain(one.name), lines, "found"))
    name = plain(Path(answer.image).name)
    query = Tile(Path(answer.image), name, ("the query",), "query")
    shown = Shown(f"{name} in {plain(answer.gallery)}", query, tuple(tiles), ())
    with whole_file(path, "the picture") as temporary:
        draw(shown).save(temporary, format="PNG")


def draw(shown: Shown) -> Image:
    """Returns the picture of a list: the query left, what it found beside it, missed ones below."""
    from PIL import Image, ImageDraw, ImageFont

    step = _WIDTH + 2 * _FRAME + _GAP
    cell = _HEIGHT + 2 * _FRAME + 3 * _LINE + _GAP
    rows = 1 + bool(shown.missed)
    canvas = Image.new("RGB", (step * (1 + len(shown.first)) + 3 * _GAP, 30 + rows * cell), "white")
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(12)
    pen.text((_GAP, 8), shown.title, fill="black", font=ImageFont.load_default(14))

    def place(tile: Tile, column: int, row: int) -> None:
        left = _GAP + column * step + (2 * _GAP if column else 0)
        top = 30 + row * cell
        right, bottom = left + _WIDTH + 2 * _FRAME, top + _HEIGHT + 2 * _FRAME
        pen.rectangle((left, top, right - 1, bottom - 1), fill=_COLOURS[tile.kind])
        image = picture(tile)
        if image is None:
            pen.rectangle(
                (left + _FRAME, top + _FRAME, right - _FRAME - 1, bottom - _FRAME - 1), fill="white"
            )
            text = "\n".join(textwrap.wrap(tile.name, _PER_LINE))
            pen.text((left + 2 * _FRAME, top + 2 * _FRAME), text, fill="black", font=font)
        else:
            canvas.paste(image, (left + _FRAME, top + _FRAME))
        for number, line in enumerate(tile.lines):
            grey = "#606060" if tile.kind == "ignored" else "black"
            pen.text((left, bottom + 2 + number * _LINE), line, fill=grey, font=font)

    place(shown.query, 0, 0)
    for column, tile in enumerate(shown.first, 1):
        place(tile, column, 0)
    for column, tile in enumerate(shown.missed, 1):
        place(tile, column, 1)
    if shown.missed:
        more = f"\nand {shown.further} more" if shown.further else ""
        pen.text((_GAP, 30 + cell + 4), f"missed{more}", fill="black", font=font)
    return canvas


def picture(
    tile: Tile, size: tuple[int, int] = (_WIDTH, _HEIGHT), *, enlarge: bool = True
) -> Image | None:
    """Returns a tile's image at a size, grey where it is ignored; None where it cannot be read.

    With ``enlarge=False`` a smaller image keeps its height, and has the size's proportions.
    """
    from PIL import Image

    if tile.path is None:
        return None
    try:
        with Image.open(tile.path) as file:
            height = size[1] if enlarge else min(size[1], file.height)
            image = file.convert("RGB").resize((round(size[0] * height / size[1]), height))
    except (OSError, ValueError, SyntaxError):
        return None
    return image.convert("L").convert("RGB") if tile.kind == "ignored" else image
