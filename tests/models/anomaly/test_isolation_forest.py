"""Isolation forest: unusual vectors, faults that are not learned, snapshots."""

from __future__ import annotations

import numpy as np
import pytest

from models.anomaly.isolation_forest import IsolationForest
from models.base import ModelError
from models.evaluation import answer_stream, one_result
from models.registry import make_model
from models.snapshots import encode, unpack
from schemas import AnomalyScore, SensorReading

SMALL = {"trees": 25, "max_samples": 64, "window": 256, "min_values": 64, "refit_every": 128}


def make(**options: int) -> IsolationForest:
    return IsolationForest(**{**SMALL, "delay": 16, **options})


def normal(count: int, seed: int = 0, source: str = "s", shift: float = 0.0) -> list[SensorReading]:
    """Two channels that go together."""
    rng = np.random.default_rng(seed)
    common, own = rng.normal(0, 2, count), rng.normal(0, 0.2, (count, 2))
    return [
        SensorReading(source_id=source, values={"a": shift + x + n[0], "b": shift + x + n[1]})
        for x, n in zip(common.tolist(), own.tolist(), strict=True)
    ]


def answers(model: IsolationForest, log: list[SensorReading]) -> list[AnomalyScore]:
    return [one_result(answer) for answer in answer_stream(model, log)]


def test_nothing_is_scored_before_the_first_forest() -> None:
    scored = answers(make(), normal(160))
    assert [one.is_scored for one in scored] == [False] * 80 + [True] * 80
    assert sum(one.is_anomaly for one in scored) <= 2


def test_a_far_reading_is_an_anomaly_with_a_small_probability() -> None:
    model = make()
    answers(model, normal(600))
    usual, far = model.predict_batch(
        [
            SensorReading(source_id="s", values={"a": 0.1, "b": 0.0}),
            SensorReading(source_id="s", values={"a": 40.0, "b": -40.0}),
        ]
    )
    assert not usual.is_anomaly
    assert far.is_anomaly
    assert far.probability is not None
    assert far.probability <= 1e-3
    assert far.incident.startswith("s/")


def test_a_fault_is_not_learned_and_a_lasting_change_is() -> None:
    model = make()
    answers(model, normal(600))
    fault = answers(model, normal(400, seed=1, shift=40.0))
    assert fault[0].is_anomaly
    assert all((one.probability or 0) < 0.01 for one in fault[-100:])
    change = answers(model, normal(1200, seed=2, shift=40.0))
    assert all((one.probability or 0) > 1e-3 for one in change[-50:])
    assert not any(one.is_anomaly for one in change[-50:])


def test_noise_alone_has_few_anomalies() -> None:
    assert sum(one.is_anomaly for one in answers(make(), normal(4000))) <= 8


@pytest.mark.parametrize("cut", [24, 64, 72, 80, 200])
def test_a_restored_model_continues_like_the_saved_one(cut: int) -> None:
    """At 64 to 80 readings a fit is waiting to be used."""
    log = [
        reading for pair in zip(normal(300), normal(300, 1, "t"), strict=True) for reading in pair
    ]
    steady, stopped, resumed = make(), make(), make()
    whole = answers(steady, log)
    answers(stopped, log[: 2 * cut])
    resumed.restore(stopped.snapshot())
    assert resumed.snapshot() == stopped.snapshot()
    assert answers(resumed, log[2 * cut :]) == whole[2 * cut :]
    assert resumed.snapshot() == steady.snapshot()


def test_learning_without_answering_first_gives_the_same_state() -> None:
    """After a crash the engine only learns again what was answered before it."""
    answered, replayed, log = make(), make(), normal(400)
    answers(answered, log)
    for start in range(0, len(log), replayed.learn_every):
        replayed.learn_batch(log[start : start + replayed.learn_every])
    assert answered.snapshot() == replayed.snapshot()


def test_huge_constant_and_missing_values_give_scores_in_range() -> None:
    model = make()
    values = [{"v": 3.0}] * 90 + [{"v": v} for v in (1e300, -1e300, 1.7e308, 5e-324)] * 10
    log = [SensorReading(source_id="s", values=v) for v in [*values, {}, {"other": 1.0}]]
    assert all(0 <= one.score < 1 for one in answers(model, log))


def test_trees_that_point_outside_are_refused() -> None:
    model = make()
    answers(model, normal(200))
    saved = unpack(model.snapshot(), model.name, 1, model._options())
    left = saved.arrays["left"]
    saved.arrays["left"] = type(left)(left.dtype, left.shape, b"\xff" * len(left.data))
    with pytest.raises(ModelError, match="out of range"):
        make().restore(encode(saved))


def test_further_sources_are_counted_and_not_scored() -> None:
    model = make(max_keys=1)
    answers(model, normal(200))
    (unknown,) = model.predict_batch(normal(1, source="other"))
    model.learn_batch(normal(1, source="other"))
    assert not unknown.is_scored
    assert model.take_incidents()["refused_key"] == 1


@pytest.mark.parametrize(
    "options", [{"trees": 0}, {"max_samples": 1}, {"refit_every": 10}, {"threshold": 0}, {"w": 1}]
)
def test_the_error_names_the_wrong_option(options: dict[str, int]) -> None:
    with pytest.raises(ModelError, match=next(iter(options))):
        make_model(IsolationForest, dict(options))
