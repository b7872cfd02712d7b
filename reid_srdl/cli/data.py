"""``reid-srdl data``: fetch data sets, make the embedded one, check any."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from reid_srdl.config.option import WHERE
from reid_srdl.shell.help import App
from reid_srdl.shell.options import PlainJson, argument, option

app = App(name="data", help="Fetch, make and check data sets.")
make_app = App(name="make", help="Make an embedded data set.")
app.add_typer(make_app)

_SIZE = "Size"

_ELSE = "Default: the environment variable REID_SRDL_DATA, else ./data."


def _folder(help: str) -> Any:
    return option(WHERE, help, "DIR")


def _pattern(what: str) -> Any:
    text = f"Of people: a pattern searched in each image's path, whose group is the {what}."
    return option(None, text, "PATTERN")


@make_app.command(
    epilog="Example: reid-srdl data make walkers --data-dir data --seed 0. "
    "The set is for showing that everything works; its scores say nothing about real streets."
)
def walkers(
    data_dir: Annotated[
        Path | None, _folder(f"Parent of the new folder 'walkers'. {_ELSE}")
    ] = None,
    seed: Annotated[int, option(None, "Seed of everything drawn.", min=0)] = 0,
    train_identities: Annotated[int, option(_SIZE, "People to train on.")] = 44,
    test_identities: Annotated[int, option(_SIZE, "People to search for.")] = 40,
    cameras: Annotated[int, option(_SIZE, "Cameras; each person is seen by 2 to 5.")] = 6,
    images: Annotated[int, option(_SIZE, "Most images of a person by one camera.")] = 5,
    junk: Annotated[float, option(_SIZE, "Junk boxes, as a share of the matches.")] = 0.15,
    distractors: Annotated[float, option(_SIZE, "Distractors, as a share of the matches.")] = 0.3,
) -> None:
    """Draw people seen by street cameras, in Market-1501's layout (128 x 64 pixels)."""
    from reid_srdl.data.walkers.make import default_parent, make_walkers
    from reid_srdl.data.walkers.plan import Options
    from reid_srdl.report.bars import bars
    from reid_srdl.report.say import say

    people, parent = (train_identities, test_identities), data_dir or default_parent()
    options = Options(*people, cameras, images, junk=junk, distractors=distractors)
    with bars() as tell:
        progress = (lambda done, total: tell("walkers", done, total)) if tell else None
        folder, made = make_walkers(parent, seed=seed, options=options, progress=progress)
    say(f"{folder}: made" if made else f"{folder}: there already, with this seed and these sizes")


@app.command(
    epilog="Example: reid-srdl data check market1501 --data-dir ~/data. "
    "Exit status: 0 where the set is ready to use, else 1."
)
def check(
    name: Annotated[str, argument("A data set's name, e.g. market1501 or cifar100.")],
    data_dir: Annotated[
        Path | None,
        _folder(
            "The set's folder, its parent, its archive, or a folder that holds that. Default: the "
            "environment variable REID_SRDL_DATA; for walkers, else ./data."
        ),
    ] = None,
    camera: Annotated[str | None, _pattern("camera")] = None,
    person: Annotated[str | None, _pattern("person")] = None,
    json: PlainJson = False,
) -> None:
    """Count a data set, read every image, and name every file that is wrong."""
    from reid_srdl.config import DataConfig, changed
    from reid_srdl.data import Patterns
    from reid_srdl.data.check import check_dataset
    from reid_srdl.report.bars import bars
    from reid_srdl.report.check import check_json, print_check
    from reid_srdl.report.say import show_json

    given = {"name": name, "camera": camera, "person": person}
    told = changed(DataConfig(), {key: own for key, own in given.items() if own}, "data")
    with bars() as tell:
        report = check_dataset(name, data_dir, tell, Patterns(told.camera, told.person))
    if json:
        show_json(check_json(report))
    else:
        print_check(report)
    if not report.ok:
        raise typer.Exit(1)


@app.command(
    epilog="Example: reid-srdl data get cifar100 --data-dir data. Files are compared with their "
    "official checksums; nothing half-written is left."
)
def get(
    name: Annotated[str, argument("cifar10, cifar100, mnist or tiny-imagenet.")],
    data_dir: Annotated[Path | None, _folder(f"Folder for the files. {_ELSE}")] = None,
) -> None:
    """Fetch a data set that anyone may fetch; of any other, say where to ask for it."""
    from reid_srdl.data.fetch import get_dataset
    from reid_srdl.data.walkers.make import default_parent
    from reid_srdl.report.say import say

    for path, fetched in get_dataset(name, data_dir or default_parent()):
        say(f"{path}: {'fetched' if fetched else 'there already'}, the official file")


@app.command("list", epilog="Example: reid-srdl data list")
def list_(json: PlainJson = False) -> None:
    """Name the data sets, what they hold, and what to fetch where."""
    from reid_srdl.data import DATASETS
    from reid_srdl.report.say import show_json, show_pairs

    if json:
        keys = ("name", "summary", "fetch", "task", "splits")
        return show_json([{key: getattr(one, key) for key in keys} for one in DATASETS.values()])
    show_pairs(
        (name, f"{entry.summary}. To have it: {entry.fetch}") for name, entry in DATASETS.items()
    )
