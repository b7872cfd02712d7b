"""Who is seen where: every image of the walkers, before anything is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reid_srdl.data.reid import market
from reid_srdl.data.reid.crops import DISTRACTOR, JUNK
from reid_srdl.errors import UserError
from reid_srdl.seeds import generator

Kind = Literal["detected", "drawn", "junk", "stranger", "half", "background"]

_FRAME_STEP = 25  # frames between two images of a visit, as in Market-1501


@dataclass(frozen=True)
class Options:
    """Sizes of the data set.

    Attributes:
        train_identities: people to train on.
        test_identities: people to search for.
        cameras: cameras; each person is seen by 2 to 5 of them.
        images: most gallery or training images of a person by one camera (at least 2).
        junk: junk boxes, as a share of the test people's gallery images.
        distractors: boxes of anything else, as a share of them too.
    """

    train_identities: int = 44
    test_identities: int = 40
    cameras: int = 6
    images: int = 5
    junk: float = 0.15
    distractors: float = 0.3

    def validate(self) -> None:
        """Raises UserError where a size is out of range."""
        for name, least, most in (
            ("train_identities", 2, 4_000),
            ("test_identities", 1, 4_000),
            ("cameras", 2, 16),
            ("images", 2, 50),
            ("junk", 0, 10),
            ("distractors", 0, 10),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                option = "--" + name.replace("_", "-")
                raise UserError(
                    f"{option} {value}: out of range", f"give {least} to {most:,}", usage=True
                )


@dataclass(frozen=True)
class Shot:
    """One image to draw.

    Attributes:
        file: path below the data set's folder.
        kind: how the box came about, and of what.
        person: number of the person seen; strangers have numbers of their own.
        camera: from 1.
        sequence: from 1; one visit of a person to a camera falls into one sequence.
        frame: moment of the visit, from 0.
    """

    file: str
    kind: Kind
    person: int
    camera: int
    sequence: int
    frame: int


@dataclass(frozen=True)
class _Visit:
    pid: int
    camera: int
    sequence: int
    start: int
    images: int

    def shot(self, split: str, kind: Kind, frame: int, box: int, pid: int | None = None) -> Shot:
        label = self.pid if pid is None else pid
        name = crop_name(label, self.camera, self.sequence, self.start + frame * _FRAME_STEP, box)
        return Shot(f"{split}/{name}", kind, self.pid, self.camera, self.sequence, frame)


def crop_name(pid: int, camera: int, sequence: int, frame: int, box: int) -> str:
    """Returns a file name in Market-1501's naming.

    >>> crop_name(2, 1, 1, 451, 3)
    '0002_c1s1_000451_03.jpg'
    """
    label = "-1" if pid == JUNK else f"{pid:04d}"
    return f"{label}_c{camera}s{sequence}_{frame:06d}_{box:02d}.jpg"


def plan(seed: int, options: Options) -> list[Shot]:
    """Returns every image to draw, in no particular order; a function of its arguments alone."""
    people = options.train_identities + options.test_identities
    order = generator(seed, "split").permutation(people) + 1
    shots: list[Shot] = []
    for pid in order[: options.train_identities].tolist():
        for visit in _visits(seed, options, pid):
            shots += [visit.shot(market.TRAIN, "detected", k, 1) for k in range(visit.images)]
    test = [
        visit
        for pid in order[options.train_identities :].tolist()
        for visit in _visits(seed, options, pid)
    ]
    for visit in test:
        shots += _test_shots(visit)
    gallery = sum(visit.images for visit in test)
    shots += _junk(seed, test, round(options.junk * gallery))
    shots += _distractors(seed, options, people, round(options.distractors * gallery))
    return shots


def _visits(seed: int, options: Options, pid: int) -> Iterator[_Visit]:
    draw = generator(seed, "visits", pid)
    count = int(draw.integers(2, min(5, options.cameras), endpoint=True))
    for camera in sorted(draw.choice(options.cameras, count, replace=False).tolist()):
        images = int(draw.integers(2, options.images, endpoint=True))
        sequence, start = int(draw.integers(1, 4)), int(draw.integers(1, 40_000))
        # frames of one person never meet another's: the remainder is the person's own
        yield _Visit(pid, camera + 1, sequence, start * _FRAME_STEP // 10 + pid % 10, images)


def _test_shots(visit: _Visit) -> Iterator[Shot]:
    """The query is one detected frame; hand-drawn boxes are of that frame and of others."""
    for frame in range(1, visit.images + 1):
        yield visit.shot(market.GALLERY, "detected", frame, 1)
    yield visit.shot(market.QUERY, "drawn", 0, 0)
    for frame in range(min(4, visit.images + 1)):
        yield visit.shot(market.BOXES, "drawn", frame, 0)


def _junk(seed: int, visits: list[_Visit], count: int) -> Iterator[Shot]:
    """Badly placed boxes of people who are searched for."""
    draw = generator(seed, "junk")
    for box in range(count):
        visit = visits[int(draw.integers(len(visits)))]
        frame = int(draw.integers(visit.images + 1))
        shot = visit.shot(market.GALLERY, "junk", frame, 2, pid=JUNK)
        # a running box number keeps two junk boxes of one frame apart
        yield Shot(shot.file.replace("_02.", f"_{box + 2:02d}."), *_rest(shot))


def _rest(shot: Shot) -> tuple[Kind, int, int, int, int]:
    return shot.kind, shot.person, shot.camera, shot.sequence, shot.frame


def _distractors(seed: int, options: Options, people: int, count: int) -> Iterator[Shot]:
    """Pieces of background, half bodies, and people who are never searched for."""
    draw = generator(seed, "distractors")
    kinds: tuple[Kind, ...] = ("background", "half", "stranger")
    for number in range(count):
        kind = kinds[int(np.searchsorted((0.35, 0.6), draw.random()))]
        camera = int(draw.integers(1, options.cameras, endpoint=True))
        sequence, start = int(draw.integers(1, 4)), int(draw.integers(1, 90_000))
        name = crop_name(DISTRACTOR, camera, sequence, start, number)
        stranger = people + 1 + number
        yield Shot(f"{market.GALLERY}/{name}", kind, stranger, camera, sequence, 0)
