"""Rank lists as pictures: who is shown, in which frame, and what happens without images."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reid_srdl.config.protocol import Protocol
from reid_srdl.evaluation import evaluate_by
from reid_srdl.feature_files.reading import load_features
from reid_srdl.jobs.pictures import files_of, shown_lists
from reid_srdl.records.evaluated import Evaluated
from reid_srdl.records.kept_ranks import ranks_file, read_ranks
from reid_srdl.records.rank_choice import Choice, average_precisions, chosen, first_of
from reid_srdl.records.store import read_record
from reid_srdl.report.pictures import draw
from reid_srdl.report.rank_lists import Shown, Tile, shown_list
from reid_srdl.retrieval.kept import MATCH, OTHER, KeptRanks
from tests.cli.run import assert_told, reid_srdl_here
from tests.retrieval.test_rerank import people


def _kept() -> KeptRanks:
    kept = evaluate_by(people(3), Protocol(), keep=True).kept
    assert kept is not None
    return kept


def test_the_worst_come_first_and_the_best_likewise() -> None:
    kept = _kept()
    precision = average_precisions(kept)
    scored = np.sort(precision[~np.isnan(precision)])
    worst, best = (chosen(kept, Choice(best=best, count=5)) for best in (False, True))
    assert precision[worst].tolist() == scored[:5].tolist()
    assert precision[best].tolist() == scored[::-1][:5].tolist()
    drawn = chosen(kept, Choice(random=True, count=5))
    assert len(set(drawn)) == 5
    assert drawn == chosen(kept, Choice(random=True, count=5))


def test_the_nearest_of_a_kind_is_the_first_in_the_list_or_beyond() -> None:
    kept = _kept()
    beyond = 0
    for query in chosen(kept, Choice(count=len(kept))):
        shown = shown_list(kept, query, 0.1)
        match, other = (first_of(kept, query, kind) for kind in (MATCH, OTHER))
        assert match is not None
        assert other is not None
        ranks = [rank for rank in range(1, 21) if f"{rank}." in _ranks(shown, "other")]
        if ranks:
            assert other[1] == ranks[0]
        place, rank = match
        assert kept.images.pids[place] == kept.queries.pids[query]
        assert kept.images.pids[other[0]] != kept.queries.pids[query]
        if near := _ranks(shown, "match"):
            assert f"{rank}." == near[0]
        else:
            assert shown.missed[0].lines[0] == f"rank {rank:,}"
            beyond += 1
    assert beyond
    assert first_of(kept, 0, 7) is None


def _ranks(shown: Shown, kind: str) -> list[str]:
    return [tile.lines[0].split()[0] for tile in shown.first if tile.kind == kind]


def test_a_list_shows_ranks_frames_and_what_was_missed() -> None:
    kept = _kept()
    query = chosen(kept, Choice(count=1))[0]
    shown = shown_list(kept, query, 0.1)
    assert len(shown.first) == 10
    counted = [tile for tile in shown.first if tile.kind != "ignored"]
    assert [tile.lines[0].split(".")[0] for tile in counted] == [
        str(rank) for rank in range(1, 1 + len(counted))
    ]
    part = kept.list_of(query)
    matches = int((kept.kinds[part] == 1).sum()) + len(kept.missed[kept.missed_of(query)])
    seen = sum(tile.kind == "match" for tile in (*shown.first, *shown.missed))
    assert seen + shown.further == matches


def test_frames_are_green_red_and_grey(tmp_path: Path) -> None:
    Image.new("RGB", (20, 40), "blue").save(tmp_path / "a.png")
    kinds = ("match", "other", "ignored")
    tiles = tuple(Tile(tmp_path / "a.png", "a", ("1.",), kind) for kind in kinds)
    gone = Tile(tmp_path / "gone.png", "gone.png", (), "other")
    image = draw(Shown("title", Tile(None, "q", (), "query"), (*tiles, gone), ()))
    step = 96 + 10 + 10
    frames = [image.getpixel((10 + 20 + column * step + 1, 32)) for column in (1, 2, 3)]
    assert frames == [(26, 150, 65), (215, 25, 28), (154, 154, 154)]
    middles = [image.getpixel((10 + 20 + column * step + 50, 100)) for column in (1, 2, 3)]
    assert middles[:2] == [(0, 0, 255)] * 2
    assert len(set(middles[2])) == 1  # grey


def test_a_run_keeps_its_ranks_with_a_checksum(
    walkers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one: Evaluated = read_record(walkers / "r/srdl").evaluations[0]
    kept = read_ranks(ranks_file(walkers / "r/srdl", one))
    assert kept is not None
    assert one.per_query is not None
    told = [value or 0.0 for value in one.per_query.single_query.ap]
    assert np.nan_to_num(average_precisions(kept)) == pytest.approx(told)
    assert reid_srdl_here("runs", "check", walkers / "r/srdl", streams=capsys).returncode == 0


def test_eval_draws_the_worst_or_named_ones(
    walkers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "vanilla"
    shutil.copytree(walkers / "r/vanilla", run)
    out = tmp_path / "pictures"
    done = reid_srdl_here("eval", run, "--pictures", out, "--worst", 3, streams=capsys)
    assert done.returncode == 0, done.stderr
    files = sorted(out.iterdir())
    assert [path.name[:4] for path in files] == ["001-", "002-", "003-"]
    with Image.open(files[0]) as image:
        seen = set(image.convert("RGB").get_flattened_data())
    assert {(26, 150, 65), (215, 25, 28), (32, 32, 32)} <= seen
    name = files[0].stem[4:] + ".jpg"
    again = reid_srdl_here(
        "eval", run, "--pictures", out / "one", "--queries", name, streams=capsys
    )
    assert again.returncode == 0, again.stderr
    assert (out / "one" / files[0].name).read_bytes() == files[0].read_bytes()
    wrong = reid_srdl_here("eval", run, "--pictures", out, "--queries", "x.jpg", streams=capsys)
    assert_told(wrong, "--queries x.jpg: no such query", status=2)


def test_an_image_that_is_gone_is_named_and_the_list_drawn_without_it(
    walkers: Path, tmp_path: Path
) -> None:
    run = walkers / "r/vanilla"
    one = read_record(run).evaluations[0]
    kept = read_ranks(ranks_file(run, one))
    assert kept is not None
    shutil.copytree(walkers / "d", tmp_path / "d")
    data = one.data.model_copy(update={"folder": str(tmp_path / "d")})
    (shown,), notes = shown_lists(kept, Choice(count=1), files_of(run, kept, data))
    assert notes == []
    assert all(tile.path is not None and tile.path.is_file() for tile in shown.tiles)
    lost = shown.first[0]
    assert lost.path is not None
    lost.path.unlink()
    (again,), notes = shown_lists(kept, Choice(count=1), files_of(run, kept, data))
    assert notes == [f"{lost.path}: the image is gone; its name stands in its place"]
    assert again == shown
    assert draw(again).size == draw(shown).size
    shutil.rmtree(tmp_path / "d")
    (bare,), notes = shown_lists(kept, Choice(count=1), files_of(run, kept, data))
    assert ": no images: " in notes[0]
    assert [tile.path for tile in bare.tiles] == [None] * len(bare.tiles)


def test_features_without_images_are_drawn_as_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from reid_srdl.feature_files.reading import to_arrays

    np.savez(tmp_path / "f.npz", **to_arrays(people(4)))
    assert len(load_features(tmp_path / "f.npz").query) == 25
    words = ("eval", "--features", tmp_path / "f.npz", "--pictures", tmp_path / "p", "--worst", 2)
    done = reid_srdl_here(*words, streams=capsys)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "p").iterdir())) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--worst", "3"), "--worst: of which pictures?"),
        (("--pictures", "{t}/p", "--worst", "3", "--best"), "two choices"),
        (("--pictures", "{t}/file"), "{t}/file"),
        (("--pictures", "{t}/p", "--gallery", "single-shot"), "no one ranking"),
    ],
)
def test_wrong_wishes_are_refused_before_any_work(
    words: tuple[str, ...],
    told: str,
    walkers: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    given = [word.format(t=tmp_path) for word in words]
    done = reid_srdl_here("eval", walkers / "r/vanilla", *given, streams=capsys)
    assert_told(done, told.format(t=tmp_path), status=done.returncode)
    assert not (tmp_path / "p").exists()


def test_a_search_is_drawn(
    walkers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = next((walkers / "d").rglob("query/*.jpg"))
    words = ("search", walkers / "r/vanilla", image, "--top-k", 4, "--picture")
    done = reid_srdl_here(*words, tmp_path / "found.png", streams=capsys)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "found.png") as found:
        assert (43, 108, 176) in set(found.convert("RGB").get_flattened_data())
    assert_told(
        reid_srdl_here(*words, tmp_path / "found.txt", streams=capsys), "not a picture", status=2
    )
