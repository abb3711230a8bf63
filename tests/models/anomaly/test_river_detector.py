"""river's detectors: each finds a far reading, restores exactly, and is bounded and counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.anomaly.river_detector import RiverDetector
from models.anomaly.river_kinds import KINDS
from models.base import ModelError
from models.evaluation import answer_stream, one_result
from models.registry import make_model
from models.snapshots import encode, save_array, unpack
from schemas import AnomalyScore, SensorReading

#: Detectors whose scores rise with the distance without a limit.
_FAR_SIGHTED = sorted(set(KINDS) - {"half_space_trees"})


def make(detector: str = "loda", **options: Any) -> RiverDetector:
    small = {"window": 128, "min_values": 64, "detector": detector, **options}
    model = make_model(RiverDetector, small)
    assert isinstance(model, RiverDetector)
    model.load()
    return model


def normal(count: int, seed: int = 0, source: str = "s", shift: float = 0.0) -> list[SensorReading]:
    """Two channels that go together."""
    rng = np.random.default_rng(seed)
    common, own = rng.normal(0, 2, count), rng.normal(0, 0.2, (count, 2))
    return [
        SensorReading(source_id=source, values={"a": shift + x + n[0], "b": shift + x + n[1]})
        for x, n in zip(common.tolist(), own.tolist(), strict=True)
    ]


def answers(model: RiverDetector, log: list[SensorReading]) -> list[AnomalyScore]:
    return [one_result(answer) for answer in answer_stream(model, log)]


@pytest.mark.parametrize("detector", _FAR_SIGHTED)
def test_a_far_reading_is_an_anomaly_and_noise_has_few(detector: str) -> None:
    model = make(detector)
    scored = answers(model, normal(600))
    assert not any(one.is_scored for one in scored[:64])
    assert sum(one.is_anomaly for one in scored) <= 12
    usual, far = model.predict_batch(
        [
            SensorReading(source_id="s", values={"a": 0.1, "b": 0.0}),
            SensorReading(source_id="s", values={"a": 40.0, "b": -40.0}),
        ]
    )
    assert not usual.is_anomaly
    assert far.probability is not None
    assert far.probability <= 1e-3  # it may belong to an incident that is open
    assert far.incident.startswith("s/")


def test_half_space_trees_rank_a_far_reading_above_most() -> None:
    model = make("half_space_trees", window=512, min_values=256)
    probabilities = [one.probability for one in answers(model, normal(1500)) if one.is_scored]
    far = SensorReading(source_id="s", values={"a": 9.0, "b": -9.0})
    (answer,) = model.predict_batch([far])
    assert answer.probability is not None
    assert np.mean([p < answer.probability for p in probabilities if p is not None]) < 0.02


@pytest.mark.parametrize("detector", sorted(KINDS))
@pytest.mark.parametrize("cut", [48, 128, 136, 320])
def test_a_restored_model_continues_like_the_saved_one(detector: str, cut: int) -> None:
    """At 128 readings the second detector begins, at 256 the first one ends."""
    log = [
        reading for pair in zip(normal(400), normal(400, 1, "t"), strict=True) for reading in pair
    ]
    steady, stopped, resumed = make(detector), make(detector), make(detector)
    whole = answers(steady, log)
    answers(stopped, log[: 2 * cut])
    resumed.restore(stopped.snapshot())
    assert resumed.snapshot() == stopped.snapshot()
    assert answers(resumed, log[2 * cut :]) == whole[2 * cut :]
    assert resumed.snapshot() == steady.snapshot()


@pytest.mark.parametrize("detector", sorted(KINDS))
def test_learning_without_answering_first_gives_the_same_state(detector: str) -> None:
    """After a crash the engine only learns again what was answered before it."""
    answered, replayed, log = make(detector), make(detector), normal(300)
    answers(answered, log)
    for start in range(0, len(log), replayed.learn_every):
        replayed.learn_batch(log[start : start + replayed.learn_every])
    assert answered.snapshot() == replayed.snapshot()
    assert answered.predict_batch(log[:5]) == replayed.predict_batch(log[:5])


@pytest.mark.parametrize("detector", sorted(KINDS))
def test_asking_twice_gives_the_same_answer(detector: str) -> None:
    """river's predictive detector changes when it scores; the adapter undoes that."""
    model, log = make(detector), normal(200)
    answers(model, log)
    assert model.predict_batch(log) == model.predict_batch(log)


@pytest.mark.parametrize("detector", sorted(KINDS))
def test_huge_constant_and_missing_values_give_scores_in_range(detector: str) -> None:
    model = make(detector)
    values = [{"v": 3.0}] * 90 + [{"v": v} for v in (1e300, -1e300, 1.7e308, 5e-324)] * 10
    log = [SensorReading(source_id="s", values=v) for v in [*values, {}, {"other": 1.0}, *values]]
    scored = answers(model, log)
    assert len(scored) == len(log)
    assert all(0 <= one.score < 1 for one in scored)


def test_a_channel_that_comes_later_takes_part_after_a_window() -> None:
    model = make("loda")
    answers(model, normal(200))
    rng = np.random.default_rng(5)
    late = [
        SensorReading(source_id="s", values={**one.values, "late": float(rng.normal())})
        for one in normal(400, seed=3)
    ]
    answers(model, late)
    usual, odd = model.predict_batch(
        [
            SensorReading(source_id="s", values={"a": 0.0, "b": 0.0, "late": 0.0}),
            SensorReading(source_id="s", values={"a": 0.0, "b": 0.0, "late": 90.0}),
        ]
    )
    assert odd.score > usual.score + 0.2


def test_channels_that_change_all_the_time_take_bounded_memory() -> None:
    model = make("standard_absolute_deviation", max_channels=8)
    log = [SensorReading(source_id="s", values={f"c{i}": float(i)}) for i in range(1000)]
    answers(model, log)
    source = model._sources[0]
    assert len(source.channels) <= 8
    assert len(source.readings) <= 256


def test_further_sources_are_counted_and_not_scored() -> None:
    model = make(max_keys=1)
    answers(model, normal(200))
    (unknown,) = model.predict_batch(normal(1, source="other"))
    model.learn_batch(normal(1, source="other"))
    assert not unknown.is_scored
    assert model.take_incidents()["refused_key"] == 1


def test_a_fault_is_not_learned_and_a_lasting_change_is() -> None:
    model = make("gaussian_scorer")
    answers(model, normal(600))
    kept = model._sources[0].total
    fault = answers(model, normal(400, seed=1, shift=40.0))
    assert fault[0].is_anomaly
    assert model._sources[0].total < kept + 100
    # 1,024 readings until the change is lasting, and as many until it is no fault any more.
    answers(model, normal(2600, seed=2, shift=40.0))
    assert model._sources[0].total > kept + 200


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"detector": "os.system"}, "expected one of half_space_trees"),
        ({"detector_options": {"seed": 3}}, "unknown seed"),
        ({"detector_options": {"n_bins": 10.5}}, "a whole number"),
        ({"detector_options": {"n_bins": 10**9}}, "from 4 to 256"),
        ({"detector_options": {"n_bins": "__import__"}}, "a whole number"),
    ],
)
def test_only_listed_detectors_and_options_are_taken(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make(**{"detector": "loda", **options})


def test_a_snapshot_of_other_detector_options_is_refused() -> None:
    state = make(detector_options={"n_bins": 10}).snapshot()
    with pytest.raises(ModelError, match="use the same options"):
        make(detector_options={"n_bins": 12}).restore(state)


def test_counts_that_do_not_fit_the_readings_are_refused() -> None:
    model = make()
    answers(model, normal(200))
    saved = unpack(model.snapshot(), model.name, 1, model._options())
    saved.arrays["counts"] = save_array(np.array([[10**6, 2]], np.int64))
    with pytest.raises(ModelError, match="damaged"):
        make().restore(encode(saved))
