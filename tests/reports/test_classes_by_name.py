"""Numbers 2 and 3: classes have names, kept with the weights, and are matched by them."""

from __future__ import annotations

from pathlib import Path

import pytest

from reid_srdl.errors import UserError
from reid_srdl.jobs.analyse.ensemble import judge_ensemble
from reid_srdl.jobs.analyse.entropy import training_entropies
from reid_srdl.jobs.analyse.place import Place
from reid_srdl.jobs.analyse.width import measure_width
from reid_srdl.jobs.evaluate import evaluate_classes
from reid_srdl.models.origin import Origin
from reid_srdl.models.spec_files import read_origin
from reid_srdl.models.weights import load_network, save_network
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.per_query import read_results
from reid_srdl.records.store import read_record
from reid_srdl.seals import sealed
from tests.data.conftest import write_image
from tests.reports.runs import classes, people, run, run_classes

ABC, BCD = ("ant", "bee", "cat"), ("bee", "cat", "dog")


@pytest.fixture
def abc(tmp_path: Path) -> Path:
    """The folder of a finished run on ants, bees and cats."""
    run_classes(classes(tmp_path / "abc", *ABC), tmp_path / "runs", "abc")
    return tmp_path / "runs/abc"


def test_02_weights_know_their_classes(abc: Path) -> None:
    origin = read_origin(RunFolder(abc).weights("vanilla"))
    record = read_record(abc)
    assert origin.classes == origin.among == ABC
    assert (origin.run, origin.network, origin.seed) == ("abc", "vanilla", 0)
    assert origin.experiment == record.experiment


@pytest.mark.parametrize("others", [BCD, (*ABC, "dog"), ABC[:2]])
def test_02_other_class_folders_are_refused(
    abc: Path, tmp_path: Path, others: tuple[str, ...]
) -> None:
    data = classes(tmp_path / "other", *others)
    with pytest.raises(UserError) as caught:
        evaluate_classes(abc, data_dir=data, device="cpu")
    for name in set(ABC) ^ set(others):
        assert f"'{name}'" in caught.value.what
    for name in set(ABC) & set(others):
        assert f"'{name}'" not in caught.value.what


def test_02_classes_in_another_order_are_judged_by_name(abc: Path) -> None:
    before, _ = evaluate_classes(abc, device="cpu")
    weights = RunFolder(abc).weights("vanilla")
    network, origin = load_network(weights), read_origin(weights)
    turned = (2, 0, 1)
    state = network.state_dict()
    for key in ("classifier.weight", "classifier.bias"):
        state[key] = state[key][list(turned)]
    network.load_state_dict(state)
    names = tuple(ABC[place] for place in turned)
    told = Origin(origin.run, origin.network, origin.experiment, origin.seed, names, names)
    with sealed(weights):
        save_network(weights, network, told)
    after, _ = evaluate_classes(abc, device="cpu")
    assert after["vanilla"].top1 == before["vanilla"].top1
    assert after["vanilla"].loss == pytest.approx(before["vanilla"].loss)


def test_02_a_part_of_the_classes_is_judged_on_them(abc: Path) -> None:
    weights = RunFolder(abc).weights("vanilla")
    network, origin = load_network(weights), read_origin(weights)
    kept = network.spec.part("trunk").__class__(network.spec.name, 2, network.spec.size)
    from reid_srdl.models.build import build

    part = build(kept, seed=0)
    told = Origin(origin.run, origin.network, origin.experiment, origin.seed, ("cat", "bee"), ABC)
    with sealed(weights):
        save_network(weights, part, told)
    scores, _ = evaluate_classes(abc, device="cpu")
    assert scores["vanilla"].images == 6  # 3 of each of two classes


def test_02_analyses_refuse_other_classes_and_other_images(abc: Path, tmp_path: Path) -> None:
    data = classes(tmp_path / "other", *BCD)
    run_classes(data, tmp_path / "runs", "bcd")
    bcd, there = tmp_path / "runs/bcd", Place(data_dir=data, device="cpu")
    asks = (
        lambda: judge_ensemble([str(abc), str(bcd)]),
        lambda: judge_ensemble([str(abc), str(abc)], place=there),
        lambda: training_entropies(abc, place=there),
        lambda: measure_width(str(abc), distances=[0.0, 0.5], directions=1, place=there),
    )
    for ask in asks:
        with pytest.raises(UserError, match=r"'dog'|other training images"):
            ask()
    write_image(next((tmp_path / "abc/val").rglob("*.png")), (20, 20), seed=4)
    with pytest.raises(UserError, match="other test images"):
        training_entropies(abc, place=Place(device="cpu"))


def test_03_a_teacher_of_other_classes_or_people_is_refused(abc: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    data = classes(tmp_path / "other", *BCD)
    with pytest.raises(UserError, match=r"it alone knows 'ant'.*'dog'"):
        run_classes(data, runs, "k", method={"name": "kd", "teacher": str(abc)})
    with pytest.raises(UserError, match=r"record\.json: a file, not the folder of a run"):
        run_classes(data, runs, "k", method={"name": "kd", "teacher": str(abc / "record.json")})
    with pytest.raises(UserError, match="judged on classes") as compared:
        read_results(abc)
    assert "leaderboard" in compared.value.hint
    w, w2 = people(tmp_path / "w"), people(tmp_path / "w2")
    for path in (w2 / "bounding_box_train").iterdir():
        write_image(path, (16, 32), seed=11)
    run(w, runs, "people", eval={"enabled": False})
    with pytest.raises(UserError, match="other images than the student's"):
        run(w2, runs, "k", method={"name": "kd", "teacher": str(runs / "people")})
    assert not (runs / "k").exists()
