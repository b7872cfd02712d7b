"""Images as people have them: folders of persons, and tables of images."""

from __future__ import annotations

import csv
import os
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reid_srdl.config import resolve
from reid_srdl.data import Patterns, load_dataset, load_people
from reid_srdl.data.check import check_dataset
from reid_srdl.data.content import content_of
from reid_srdl.data.people.kept_split import split_text
from reid_srdl.data.reid.crops import UNKNOWN_CAMERA, Crops, ReidData
from reid_srdl.errors import UserError
from reid_srdl.files import write_text
from reid_srdl.methods import OPTIONS

CAMERA = Patterns(camera=r"cam(\d+)")
# Names may be any text.
PERSONS = ("0000", "-1", "junk", "Ms  Ünal", "unknown", "7", "person 8", "None")

Write = Callable[[Sequence[Sequence[object]]], Path]


def image(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 4, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Eight persons, three images each by two cameras; those of the second one stand deeper."""
    root = tmp_path / "people"
    for number, person in enumerate(PERSONS):
        for shot in range(3):
            image(root / person / f"cam1_{shot}.png", 10 * number + shot)
            image(root / person / "late" / "cam2" / f"{shot}.png", 10 * number + shot + 5)
    return root


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(rows: Sequence[Sequence[object]]) -> Path:
        with (tmp_path / "table.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
        return tmp_path / "table.csv"

    return written


def crops_of(data: ReidData) -> dict[str, tuple[str, str]]:
    """Returns person and camera of each image by its path."""
    parts: list[Crops] = [data.train, data.query, data.gallery]
    return {
        path.relative_to(data.root).as_posix(): (data.person(pid), data.camera(camid))
        for part in parts
        for path, pid, camid in zip(
            part.paths, part.pids.tolist(), part.camids.tolist(), strict=True
        )
    }


def refused(place: Path, *words: str, patterns: Patterns | None = None) -> None:
    with pytest.raises(UserError) as caught:
        load_dataset("people", place, 0, patterns)
    told = f"{caught.value.what} / {caught.value.hint}"
    assert "\n" not in told
    assert place.name in told or caught.value.usage
    assert all(word in told for word in words), told


def test_a_folder_for_each_person_is_read_at_any_depth(folders: Path) -> None:
    data = load_dataset("people", folders, 0, CAMERA)
    found = crops_of(data)
    assert len(found) == 48
    assert found["Ms  Ünal/late/cam2/1.png"] == ("Ms  Ünal", "2")
    assert {person for person, _ in found.values()} == set(PERSONS)
    every = np.concatenate([part.pids for part in (data.train, data.query, data.gallery)])
    assert sorted(set(every.tolist())) == list(range(1, 9))  # nobody is junk or a distractor


def test_a_split_is_drawn_by_persons_and_cameras(folders: Path) -> None:
    data = load_dataset("people", folders, 0, CAMERA)
    train, test = set(data.train.pids.tolist()), set(data.query.pids.tolist())
    assert len(train) == len(test) == 4
    assert train.isdisjoint(test)
    assert set(data.gallery.pids.tolist()) == test
    pairs = list(zip(data.query.pids.tolist(), data.query.camids.tolist(), strict=True))
    assert len(pairs) == len(set(pairs)) == 8
    assert len(data.gallery) == 4 * (6 - 2)
    assert "4 of 8 persons drawn" in "".join(note.text for note in data.notes)
    again = load_dataset("people", folders, 0, CAMERA)
    assert list(again.query.paths) == list(data.query.paths)


def test_an_only_image_of_a_camera_stays_in_the_gallery(write: Write, tmp_path: Path) -> None:
    rows: list[list[object]] = []
    for person in "abcdefgh":
        for camera in "xy":
            rows.append([f"{person}{camera}.png", person, camera])
            image(tmp_path / f"{person}{camera}.png", len(rows))
    data = load_dataset("people", write([["path", "person", "camera"], *rows]))
    assert len(data.query) == len(data.gallery) == 4
    assert sorted(data.query.pids.tolist()) == sorted(data.gallery.pids.tolist())


def test_frames_of_a_querys_sequence_leave_the_gallery(write: Write, tmp_path: Path) -> None:
    rows = [
        [f"{person}{sequence}{frame}.png", person, f"walk {sequence}"]
        for person in "abcd"
        for sequence in (1, 2)
        for frame in (1, 2, 3)
    ]
    for seed, row in enumerate(rows):
        image(tmp_path / row[0], seed)
    data = load_dataset("people", write([["path", "person", "sequence"], *rows]))
    assert len(data.query) == 2
    assert len(data.gallery) == 2 * 3
    walks = {row[0]: (row[1], row[2]) for row in rows}
    asked, left = ({walks[path.name] for path in part.paths} for part in (data.query, data.gallery))
    assert asked.isdisjoint(left)
    assert "4 frames of queries' own sequences" in "".join(note.text for note in data.notes)


def test_a_table_says_who_is_where(write: Write, tmp_path: Path) -> None:
    rows = [
        ["b.png", "Ann", "door", "train", ""],
        ["a.png", "Ann", "hall", "train", ""],
        ["c.png", "0000", "door", "train", ""],
        ["n.png", "", "door", "train", "junk"],
        ["q.png", "-1", "door", "query", ""],
        ["g.png", "-1", "hall", "gallery", ""],
        ["j.png", "Ann", "hall", "gallery", "junk"],
        ["d.png", "", "hall", "gallery", "distractor"],
        ["x.png", "-1", "door", "boxes", ""],
    ]
    for seed, row in enumerate(rows):
        image(tmp_path / row[0], seed)
    header = ["Path", "person", " camera", "split", "kind", "age"]
    data = load_dataset("people", write([header, *[[*row, "?"] for row in rows]]))
    assert [path.name for path in data.train.paths] == ["a.png", "b.png", "c.png"]
    assert data.class_names == ("0000", "Ann")
    assert data.person(int(data.query.pids[0])) == "-1"
    assert data.gallery.pids.tolist() == [0, int(data.query.pids[0]), -1]
    assert data.boxes is not None
    assert len(data.boxes) == 1
    told = " ".join(note.line for note in data.notes)
    assert "age" in told
    assert "1 images of no person" in told


def test_the_order_of_rows_and_numbers_of_others_change_nothing(
    write: Write, tmp_path: Path
) -> None:
    sides = ("train", "train", "query", "gallery")
    rows = [
        [f"{n}.png", person, side]
        for n, (person, side) in enumerate(zip("abcc", sides, strict=True))
    ]
    for seed, row in enumerate(rows):
        image(tmp_path / row[0], seed)
    header = ["path", "person", "split"]
    first = content_of(load_dataset("people", write([header, *rows])))
    assert content_of(load_dataset("people", write([header, *rows[::-1]]))) == first
    image(tmp_path / "9.png", 9)
    more = content_of(load_dataset("people", write([header, *rows, ["9.png", "A", "train"]])))
    assert more.test == first.test
    assert more.train != first.train
    renamed = [[row[0], row[1].replace("c", "-1"), row[2]] for row in rows]
    assert content_of(load_dataset("people", write([header, *renamed]))).test != first.test


def test_persons_may_stand_in_file_names(tmp_path: Path) -> None:
    for seed, name in enumerate(
        f"{person:04d}_c{cam}_{shot}.png"
        for person in range(4)
        for cam in (1, 2)
        for shot in (0, 1)
    ):
        image(tmp_path / "all" / name, seed)
    patterns = Patterns(camera=r"_c(\d)", person=r"(\d{4})_c")
    data = load_dataset("people", tmp_path / "all", 0, patterns)
    assert set(dict(crops_of(data).values())) == {"0000", "0001", "0002", "0003"}


def test_without_a_pattern_no_camera_is_known(folders: Path) -> None:
    data = load_dataset("people", folders)
    assert set(data.query.camids.tolist()) == {UNKNOWN_CAMERA}
    assert len(data.query) == 4  # one image of each person
    some = load_dataset("people", folders, 0, Patterns(camera=r"cam(1)"))
    assert {camera for _, camera in crops_of(some).values()} == {"1", str(UNKNOWN_CAMERA)}


def test_a_kept_split_leaves_out_what_was_added(folders: Path, tmp_path: Path) -> None:
    data = load_dataset("people", folders, 0, CAMERA)
    assert data.drawn is not None
    write_text(tmp_path / "split.csv", split_text(data.drawn))
    for number, person in enumerate(("aa", "Zoe")):
        for shot in range(3):
            image(folders / person / f"cam1_{shot}.png", 900 + 10 * number + shot)
    image(folders / "7" / "cam3_0.png", 990)
    assert load_dataset("people", folders, 0, CAMERA).class_names != data.class_names
    again = load_dataset("people", folders, 0, CAMERA, tmp_path / "split.csv")
    assert content_of(again) == content_of(data)
    assert again.query.pids.tolist() == data.query.pids.tolist()
    assert "7 files more than the split" in "".join(note.text for note in again.notes)
    (folders / "7" / "cam1_0.png").unlink()
    with pytest.raises(UserError, match="1 file of the split that the run was trained on are gone"):
        load_dataset("people", folders, 0, CAMERA, tmp_path / "split.csv")


def test_people_join_other_sets(folders: Path, tiny: Path) -> None:
    joint = load_people([("people", folders), ("folder", tiny)], 0, CAMERA)
    assert len(joint.train) == len(load_dataset("people", folders, 0, CAMERA).train) + 4


def test_persons_that_differ_by_case_alone_are_refused(folders: Path) -> None:
    image(folders / "PERSON 8" / "cam1_0.png")
    refused(folders, "'PERSON 8' and 'person 8'", "rename")


def test_a_pattern_that_finds_nothing_is_refused(folders: Path) -> None:
    refused(folders, "data.camera", "finds nothing", patterns=Patterns(camera="kamera(.)"))
    refused(folders, "data.person", "finds nothing", patterns=Patterns(person="who=(.)"))
    refused(folders, "data.person", "24 files", patterns=Patterns(person="late/(cam.)"))


def test_keys_that_nothing_would_read_are_refused() -> None:
    for tree, words in (
        ({"name": "folder", "camera": "c"}, "nothing reads it while data.name is folder"),
        ({"name": "people", "camera": "c("}, "not a pattern: missing ), unterminated subpattern"),
        ({"name": "people", "person": ".*"}, "a pattern that an empty text matches, too"),
    ):
        with pytest.raises(UserError) as caught:
            resolve({"data": tree}, OPTIONS)
        assert words in caught.value.what


def test_folders_without_persons_are_refused(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    refused(tmp_path / "none", "the folder is empty")
    image(tmp_path / "flat" / "a.png")
    refused(tmp_path / "flat", "no images in folders of persons")
    for person in "ab":
        image(tmp_path / "two" / person / "1.png")
    refused(tmp_path / "two", "2 persons", "4 or more")
    (tmp_path / "two.txt").write_text("path,person\n")
    refused(tmp_path / "two.txt", "no table (.csv or .parquet)")


def test_links_in_a_circle_and_empty_files_are_left_out(folders: Path) -> None:
    (folders / "7" / "again").symlink_to(folders / "7")
    (folders / "7" / "empty.png").touch()
    data = load_dataset("people", folders, 0, CAMERA)
    assert len(crops_of(data)) == 48
    told = " ".join(note.line for note in data.notes)
    assert "again (a link to a folder above it)" in told
    assert "empty.png (empty file)" in told


def test_a_folder_whose_name_is_no_text_is_left_out(folders: Path) -> None:
    image(folders / "x" / "cam1.png").parent.rename(os.fsdecode(os.fsencode(folders) + b"/\xff"))
    data = load_dataset("people", folders, 0, CAMERA)
    assert len(crops_of(data)) == 48
    assert r"\xff (a name that is not UTF-8)" in " ".join(note.line for note in data.notes)


SOUND = [["a.png", "A"], ["b.png", "B"], ["c.png", "C"], ["d.png", "D"]]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (SOUND, ["no header with path and person", "a.png, A"]),
        ([], ["no header"]),
        ([["path", "person"]], ["no rows"]),
        ([["path", "person", "path"], *[[*row, "x"] for row in SOUND]], ["stand twice: path"]),
        ([["path", "person"], *SOUND, ["e.png", "A"]], ["e.png (no such file", "1 file"]),
        ([["path", "person"], *SOUND, ["./a.png", "A"]], ["paths that stand twice: a.png"]),
        ([["path", "person"], *SOUND, ["HERE/a.png", "A"]], ["paths that stand twice: a.png"]),
        ([["path", "person"], *SOUND, ["../NAME/a.png", "A"]], ["paths that stand twice: a.png"]),
        ([["path", "person"], *SOUND, ["a.txt", "A"]], ["a.txt (not an image type"]),
        ([["path", "person"], *SOUND, ["a.png"]], ["line 6: 1 cells"]),
        ([["path", "person"], ["", "A"]], ["line 2: no path"]),
        ([["path", "person"], ["a.png", ""]], ["line 2: no person"]),
        (
            [["path", "person", "split"], *[[*row, "trian"] for row in SOUND]],
            ["line 2: no such split: 'trian'", "'train'"],
        ),
        (
            [["path", "person", "kind"], *[[*row, "junks"] for row in SOUND]],
            ["line 2: no such kind: 'junks'", "'junk'"],
        ),
        (
            [["path", "person", "split"], *[[*row, "train"] for row in SOUND]],
            ["no rows of the split query and gallery"],
        ),
        (
            [["path", "person", "split"], [*SOUND[0], "train"], *[[*row, ""] for row in SOUND[1:]]],
            ["3 files without a split", "b.png"],
        ),
        (
            [
                ["path", "person", "split"],
                ["a.png", "A", "train"],
                ["b.png", "B", "train"],
                ["c.png", "B", "query"],
                ["d.png", "A", "gallery"],
            ],
            ["2 persons to train on are among those to test: A, B"],
        ),
        (
            [
                ["path", "person", "split"],
                ["a.png", "A", "train"],
                ["c.png", "B", "query"],
                ["d.png", "B", "gallery"],
            ],
            ["1 person to train on"],
        ),
    ],
)
def test_tables_that_are_wrong_are_refused(
    write: Write, tmp_path: Path, rows: list[list[object]], words: list[str]
) -> None:
    for seed, (name, _) in enumerate(SOUND):
        image(tmp_path / name, seed)
    (tmp_path / "a.txt").write_text("no image")
    places = {"HERE": str(tmp_path), "../NAME": f"../{tmp_path.name}"}
    told = [[_in_places(cell, places) for cell in row] for row in rows]
    refused(write(told), *words)


def _in_places(cell: object, places: dict[str, str]) -> object:
    folder, sign, name = str(cell).rpartition("/")
    return f"{places[folder]}/{name}" if sign and folder in places else cell


def test_one_camera_for_all_is_noted_by_the_check(write: Write, tmp_path: Path) -> None:
    rows = [[f"{person}{shot}.png", person, "door"] for person in "abcd" for shot in (1, 2)]
    for seed, row in enumerate(rows):
        image(tmp_path / row[0], seed)
    report = check_dataset("people", write([["path", "person", "camera"], *rows]), None)
    assert report.ok
    assert any("all images are by one camera" in note.text for note in report.notes)


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes(b"path,person\n\xe9.png,A\n")
    refused(tmp_path / "latin.csv", "not UTF-8")
    (tmp_path / "quotes.csv").write_text('path,person\na.png,"A"b\n')
    refused(tmp_path / "quotes.csv", "line 2", "quotes")
    (tmp_path / "a.parquet").write_bytes(b"PAR0")
    refused(tmp_path / "a.parquet", "a.parquet")


def test_columns_of_parquet_that_are_no_texts_are_named(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="the extra 'tables' is not installed")
    from pyarrow import parquet

    names = [name for name, _ in SOUND]
    for persons, words in (
        ([[person] for _, person in SOUND], "column 'person' holds list"),
        ([b"\xff" + person.encode() for _, person in SOUND], "column 'person' holds binary"),
    ):
        table = pyarrow.table({"path": names, "person": persons})
        parquet.write_table(table, tmp_path / "t.parquet")
        refused(tmp_path / "t.parquet", words, "write it as text")


def test_tables_of_other_programs_are_read(tmp_path: Path) -> None:
    for seed, (name, _) in enumerate(SOUND):
        for shot in (0, 1):
            image(tmp_path / f"{shot}{name}", 2 * seed + shot)
    lines = [f"{shot}{name};{person}" for name, person in SOUND for shot in (0, 1)]
    text = "\ufeffpath;person\r\n" + "\r\n".join(lines) + "\r\n\r\n"
    (tmp_path / "excel.csv").write_bytes(text.encode())
    assert len(crops_of(load_dataset("people", tmp_path / "excel.csv"))) == 8


def test_the_check_tells_what_disturbs_scores(folders: Path) -> None:
    sound = check_dataset("people", folders, None, CAMERA)
    assert sound.ok
    assert [row.split for row in sound.rows] == ["train", "query", "gallery"]
    data = load_dataset("people", folders, 0, CAMERA)
    copied = data.train.paths[0].read_bytes()
    data.query.paths[0].write_bytes(copied)
    (problem,) = check_dataset("people", folders, None, CAMERA).problems
    assert problem.text == "1 image stands in several splits, byte by byte"
    assert "(train)" in problem.files[0]
    assert "(query)" in problem.files[0]
    image(folders / "Solo" / "cam1_0.png", 800)
    (folders / "7" / "cam1_0.png").rename(folders / "7" / "other.png")
    report = check_dataset("people", folders, None, CAMERA)
    notes = {note.text: note.files for note in report.notes}
    assert notes["1 persons with one image"] == ("Solo",)
    assert notes["1 images of unknown cameras"] == ("7/other.png",)
    unknown = check_dataset("people", folders, None)
    assert any("no camera is known" in note.text for note in unknown.notes)
    wrong = check_dataset("people", folders, None, Patterns(camera="kamera"))
    assert "finds nothing" in wrong.problems[0].text


def test_names_that_are_nearly_one_are_noted(write: Write, tmp_path: Path) -> None:
    people = ["Anna", "anna ", "Ben", "Cem", "Dan"]
    seen = [(person, camera) for person in people for camera in ("door", "Door")]
    rows = [(f"{number}.png", *who) for number, who in enumerate(seen)]
    for number, row in enumerate(rows):
        image(tmp_path / row[0], number)
    data = load_dataset("people", write([("path", "person", "camera"), *rows]))
    assert len(data.persons) == 5
    assert [note.line for note in data.notes][:2] == [
        "persons whose names differ by case or blanks alone are taken for several: "
        "'Anna' and 'anna '",
        "cameras whose names differ by case or blanks alone are taken for several: "
        "'Door' and 'door'",
    ]


def test_millions_of_rows_would_fit_into_a_gibibyte_and_a_minute(tmp_path: Path) -> None:
    rows, folders, millions = 30_000, 100, 3 * 10**6
    (tmp_path / "images").mkdir()
    for number in range(rows // folders):
        (tmp_path / "images" / f"{number:04d}.jpg").write_bytes(b"x")
    for number in range(folders):  # the same few files by very many names
        (tmp_path / f"folder-{number:04d}").symlink_to("images")
    with (tmp_path / "table.csv").open("w") as file:
        file.write("path,person,camera\n")
        for row in range(rows):
            folder, image = divmod(row, rows // folders)
            file.write(f"folder-{folder:04d}/{image:04d}.jpg,person {row // 15},c{row % 5}\n")
    seconds = []
    for _ in range(2):
        start = time.process_time()
        load_dataset("people", tmp_path / "table.csv")
        seconds.append(time.process_time() - start)
    assert min(seconds) / rows * millions < 60
    tracemalloc.start()
    try:
        data = load_dataset("people", tmp_path / "table.csv")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(data.train) == rows // 2
    assert peak / rows * millions < 2**30
