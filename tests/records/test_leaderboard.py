"""The leaderboard: hand-computed numbers, and never a mean over unlike runs."""

from __future__ import annotations

import statistics
from typing import Any

import pytest

from reid_srdl.records.leaderboard import leaderboard
from reid_srdl.records.naming import differing_keys, flatten, method_label, show, title
from reid_srdl.records.run import RunRecord, Timing, Work
from reid_srdl.records.statistics import Measure, measure, paired_gain, unpaired_gain
from tests.records.factory import DATASET, evaluation, features_record, record

VANILLA = {0: (0.870, 0.690), 1: (0.880, 0.700), 2: (0.875, 0.710)}
SRDL = {0: (0.890, 0.730), 1: (0.896, 0.734), 2: (0.894, 0.741)}


def runs(method: str, values: dict[int, tuple[float, float]], **more: object) -> list[RunRecord]:
    return [record(method, seed, *both, **more) for seed, both in values.items()]  # type: ignore[arg-type]


def test_means_and_deviations_are_those_of_the_statistics_module() -> None:
    board = leaderboard(runs("srdl", SRDL) + runs("vanilla", VANILLA))
    assert [row.label for row in board.rows] == ["vanilla", "srdl"]
    for row, values in zip(board.rows, (VANILLA, SRDL), strict=True):
        rank1 = [both[0] for both in values.values()]
        mean_ap = [both[1] for both in values.values()]
        for metric, expected in {
            "single_rank1": rank1,
            "single_mAP": mean_ap,
            "multi_rank1": [value + 0.04 for value in rank1],
            "multi_mAP": [value + 0.08 for value in mean_ap],
        }.items():
            found = row.scores[metric]
            assert found is not None
            assert found.mean == pytest.approx(statistics.mean(expected), abs=1e-12)
            assert found.sd == pytest.approx(statistics.stdev(expected), abs=1e-12)
            assert found.n == 3
        assert row.seeds == (0, 1, 2)
        assert row.parameters == 25_046_831
        assert row.trcost == pytest.approx(0.4146)
        assert row.epochs == 120
    assert board.notes == ()


def test_hand_computed_mean_and_deviation() -> None:
    assert measure([0.5, 0.7, 0.6, 0.6]).mean == pytest.approx(0.6)
    assert measure([0.5, 0.7, 0.6, 0.6]).sd == pytest.approx((0.02 / 3) ** 0.5)
    assert measure([0.5]) == Measure(0.5, None, 1)
    with pytest.raises(ValueError, match="no values"):
        measure([])


def test_gain_is_paired_where_both_have_the_same_seeds() -> None:
    (gain,) = leaderboard(runs("vanilla", VANILLA) + runs("srdl", SRDL)).gains
    assert gain.label == "gain (SRDL - vanilla)"
    assert gain.paired
    differences = [SRDL[seed][1] - VANILLA[seed][1] for seed in VANILLA]  # .040 .034 .031
    found = gain.scores["single_mAP"]
    assert found is not None
    assert found.mean == pytest.approx(0.035)
    assert found.sd == pytest.approx(statistics.stdev(differences))
    assert found.sd == pytest.approx((0.000042 / 2) ** 0.5)
    assert found.n == 3


def test_gain_of_unlike_seeds_is_a_difference_of_means_and_says_so() -> None:
    board = leaderboard(runs("vanilla", {0: (0.5, 0.3), 1: (0.6, 0.4)}) + runs("srdl", SRDL))
    (gain,) = board.gains
    assert not gain.paired
    found = gain.scores["single_rank1"]
    assert found is not None
    assert found.mean == pytest.approx((0.890 + 0.896 + 0.894) / 3 - 0.55)
    assert (found.sd, found.n) == (None, 2)
    assert "unpaired: seeds 0, 1, 2 and 0, 1" in board.notes[0]


def kept_runs(method: str, config: dict[str, Any]) -> list[RunRecord]:
    """Two seeds of a method whose average and best epoch were judged, too."""
    made = []
    for seed in (0, 1):
        above = 0.1 * (method == "srdl") + 0.01 * seed
        scores = {method: 0.5, f"{method}.ema": 0.6, f"{method}.best": 0.4, "first.ema": 0.9}
        results = {name: evaluation(at + above, at / 2) for name, at in scores.items()}
        made.append(record(method, seed, results=results, config=config))
    return made


def test_averages_and_best_epochs_have_rows_and_gains_of_their_own() -> None:
    config = {"optim": {"ema": 0.999}}
    board = leaderboard(kept_runs("vanilla", config) + kept_runs("srdl", config))
    shown = {row.label: row.scores["single_rank1"] for row in board.rows}
    own = ["vanilla", "vanilla.best", "vanilla.ema", "srdl", "srdl.best", "srdl.ema"]
    assert list(shown) == own
    means = {label: measured.mean for label, measured in shown.items() if measured is not None}
    expected = {"vanilla": 0.505, "vanilla.ema": 0.605, "vanilla.best": 0.405}
    expected |= {f"srdl{name[7:]}": mean + 0.1 for name, mean in list(expected.items())}
    assert means == pytest.approx(expected)
    assert all(row.runs == (f"{row.method}-0-0", f"{row.method}-1-0") for row in board.rows)
    gains = {gain.label: gain.scores["single_rank1"] for gain in board.gains}
    assert list(gains) == [
        "gain (SRDL - vanilla)",
        "gain (SRDL.best - vanilla.best)",
        "gain (SRDL.ema - vanilla.ema)",
    ]
    assert all(gain is not None and gain.mean == pytest.approx(0.1) for gain in gains.values())
    assert board.notes == ()


def test_gain_functions() -> None:
    assert paired_gain([3.0, 5.0], [1.0, 2.0]) == Measure(2.5, pytest.approx(0.5**0.5), 2)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="longer"):
        paired_gain([1.0], [1.0, 2.0])
    assert unpaired_gain(Measure(3, 1, 5), Measure(1, 1, 3)) == Measure(2, None, 3)


def test_other_configurations_stand_apart_and_gain_over_their_own_vanilla() -> None:
    slow = {"optim": {"lr": 0.05}}
    board = leaderboard(
        [
            record("vanilla", 0, 0.5),
            record("vanilla", 0, 0.6, config=slow),
            record("srdl", 0, 0.7),
            record("srdl", 0, 0.9, config=slow),
        ]
    )
    labels = ["vanilla [optim.lr=0.05]", "srdl [optim.lr=0.05]"]
    assert [row.label for row in board.rows] == [
        *labels,
        *(label.replace("0.05", "0.1") for label in labels),
    ]
    assert all(row.seeds == (0,) for row in board.rows)
    gains = {gain.label: gain.scores["single_rank1"] for gain in board.gains}
    assert {label: found.mean for label, found in gains.items() if found} == {
        "gain (SRDL - vanilla) [optim.lr=0.05]": pytest.approx(0.3),
        "gain (SRDL - vanilla) [optim.lr=0.1]": pytest.approx(0.2),
    }


def test_method_options_stand_in_the_label_and_compare_with_vanilla() -> None:
    board = leaderboard(
        [record("vanilla"), record("srdl"), record("srdl", 0, 0.4, options={"restart": False})]
    )
    assert [row.label for row in board.rows] == ["vanilla", "srdl", "srdl (restart=off)"]
    assert [gain.label for gain in board.gains] == [
        "gain (SRDL - vanilla)",
        "gain (SRDL (restart=off) - vanilla)",
    ]


def test_other_epochs_have_no_gain_and_a_note() -> None:
    board = leaderboard([record("vanilla"), record("srdl", config={"train": {"epochs": 60}})])
    assert {row.label: row.epochs for row in board.rows} == {
        "vanilla [train.epochs=120]": 120,
        "srdl [train.epochs=60]": 60,
    }
    assert board.gains == ()
    assert "srdl [train.epochs=60]: no gain" in board.notes[0]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"precision": "bf16"}, "train.precision=bf16"),
        (
            {"dataset": DATASET.model_copy(update={"query": 10})},
            "dataset.query=10",
        ),
        ({"config": {"model": {"init": "imagenet"}}}, "model.init=imagenet"),
        ({"config": {"eval": {"normalize": True}}}, "eval.normalize=on"),
    ],
)
def test_what_else_sets_runs_apart_is_told(change: dict[str, object], told: str) -> None:
    board = leaderboard([record(), record(seed=1, **change)])  # type: ignore[arg-type]
    assert len(board.rows) == 2
    assert f"vanilla [{told}]" in [row.label for row in board.rows]


def test_a_smaller_training_set_is_told_once_by_its_key() -> None:
    small = DATASET.model_copy(update={"images": 1_600, "identities": 100})
    board = leaderboard([record(), record(dataset=small, config={"data": {"identities": 100}})])
    labels = [row.label for row in board.rows]
    assert labels == ["vanilla [data.identities=100]", "vanilla [data.identities=null]"]


def test_places_and_seeds_do_not_set_runs_apart() -> None:
    elsewhere = {"train": {"device": "cpu", "threads": 1}, "data": {"dir": "/mnt"}}
    board = leaderboard([record(), record(seed=1, config=elsewhere)])
    (row,) = board.rows
    assert row.label == "vanilla"
    assert row.seeds == (0, 1)


def test_batch_norm_of_parts_of_a_batch_sets_runs_apart_and_other_norms_do_not() -> None:
    alone, alike = record(seed=0), record(seed=1, timing=Timing(processes=(2,)))
    parts = [record(seed=seed, norm_parts=(2,)) for seed in (2, 3)]
    mixed = record(seed=4, norm_parts=(1, 2))
    rows = leaderboard([alone, alike, *parts, mixed]).rows
    seeds = {row.label: row.seeds for row in rows}
    assert seeds == {
        "vanilla [processes=1]": (0, 1),
        "vanilla [processes=2]": (2, 3),
        "vanilla [processes=1 and 2]": (4,),
    }


def test_unlike_programs_with_like_keys_are_told_by_their_fingerprint() -> None:
    board = leaderboard([record(experiment="a" * 32), record(experiment="b" * 32)])
    assert [row.label for row in board.rows] == ["vanilla [aaaaaaaa]", "vanilla [bbbbbbbb]"]


def test_of_a_seed_that_stands_twice_the_newest_counts() -> None:
    newer, older = record(rank1=0.9, days=2), record(rank1=0.1, days=1)
    for order in ([newer, older], [older, newer]):
        board = leaderboard(order)
        (row,) = board.rows
        assert row.scores["single_rank1"] == Measure(0.9, None, 1)
        assert row.runs == ("vanilla-0-2",)
        assert "vanilla-0-2 counts, the older vanilla-0-1 does not" in board.notes[0]


def test_runs_without_evaluation_or_boxes_have_no_scores() -> None:
    board = leaderboard([record(rank1=None), record("srdl", multi=False)])
    vanilla, srdl = board.rows
    assert set(vanilla.scores.values()) == {None}
    assert srdl.scores["single_rank1"] == Measure(0.5, None, 1)
    assert srdl.scores["multi_rank1"] is None
    (gain,) = board.gains
    assert set(gain.scores.values()) == {None}
    assert board.notes == ()


def test_data_sets_and_networks_are_never_compared() -> None:
    other = DATASET.model_copy(update={"name": "walkers"})
    board = leaderboard(
        [record("vanilla"), record("srdl", dataset=other), record("srdl", model="densenet121")]
    )
    assert [(row.dataset.name, row.network) for row in board.rows] == [
        ("market1501", "densenet121"),
        ("market1501", "resnet50"),
        ("walkers", "resnet50"),
    ]
    assert board.gains == ()
    assert len(board.notes) == 2


def test_an_empty_leaderboard_is_empty() -> None:
    assert leaderboard([]).rows == ()


def test_labels() -> None:
    defaults = {"restart": True, "temperature": 3.0, "schedule": "complete"}
    assert method_label("srdl", defaults | {"name": "srdl"}, defaults) == "srdl"
    changed = {"restart": False, "temperature": 4.0, "schedule": "incomplete"}
    expected = "srdl (restart=off, temperature=4.0, schedule=incomplete)"
    assert method_label("srdl", changed, defaults) == expected
    assert title("vanilla") == "vanilla"
    assert show([0.5, "x"]) == '[0.5, "x"]'
    assert flatten({"a": {"b": {"c": 1}}, "d": 2}) == {"a.b.c": 1, "d": 2}
    assert differing_keys([{"a": 1, "b": 2}, {"a": 1, "b": 3}, {"a": 1}]) == ["b"]


def test_features_from_elsewhere_stand_below_runs_on_the_same_test_images() -> None:
    known = DATASET.model_copy(update={"labels": "f" * 32})
    official = features_record("official", settings={"rules": "official"})
    strangers = features_record("strangers", labels="0" * 32)
    board = leaderboard(
        [
            strangers,
            official,
            features_record(),
            record(dataset=known),
            record("srdl", dataset=known),
        ]
    )
    assert [(row.dataset.name, row.network, row.method) for row in board.rows] == [
        ("features-00000000", "strangers", None),
        ("market1501", "resnet50", "vanilla"),
        ("market1501", "resnet50", "srdl"),
        ("market1501", "official", None),
        ("market1501", "theirs", None),
    ]
    theirs = board.rows[-1]
    assert theirs.scores["single_rank1"] == Measure(0.6, None, 1)
    assert (theirs.epochs, theirs.parameters, theirs.trcost, theirs.work) == (None,) * 4
    assert theirs.label == "[eval.rules=ours, eval.normalize=off]"
    assert board.rows[3].label == "[eval.rules=official, eval.normalize=on]"
    assert len(board.gains) == 1
    assert "market1501, theirs: not trained here" in board.notes


def test_work_is_the_true_total_beside_the_papers_cost() -> None:
    taught = record().cost.model_copy(update={"teachers_work": Work.of(10**16, 0)})
    (row,) = leaderboard([record(cost=taught, work=Work.of(10**16, 10**16))]).rows
    assert (row.trcost, row.work) == (0.4146, 3.0)
