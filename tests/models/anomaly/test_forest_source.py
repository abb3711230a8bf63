"""One source of the isolation forest: windows, and fits that are used at a declared reading."""

from __future__ import annotations

import numpy as np

from models.anomaly.forest_source import ForestSource, Plan
from schemas import SensorReading

PLAN = Plan(
    trees=5, max_samples=16, window=64, min_values=32, refit_every=32, delay=8, max_channels=3,
    seed=1,
)  # fmt: skip


def readings(count: int, seed: int = 0, **more: float) -> list[SensorReading]:
    rows = np.random.default_rng(seed).normal(size=(count, 2))
    return [
        SensorReading(source_id="s", values={"a": float(x), "b": float(y)} | more) for x, y in rows
    ]


def test_a_fit_is_used_from_the_declared_reading_on_and_not_earlier() -> None:
    source = ForestSource(PLAN)
    for reading in readings(39):
        source.learn([reading])
    assert source.pending is not None
    source.pending.future.result()  # ready, but not used yet
    assert source.forest is None
    source.learn(readings(1, seed=1))
    assert source.forest is not None
    assert source.pending is None


def test_the_window_keeps_the_last_readings() -> None:
    source, log = ForestSource(PLAN), readings(200)
    for start in range(0, 200, 10):
        source.learn(log[start : start + 10])
    assert source.rows[:, 0].tolist() == [reading.values["a"] for reading in log[-64:]]


def test_a_new_channel_counts_from_the_next_fit_on_and_further_ones_are_ignored() -> None:
    source = ForestSource(PLAN)
    source.learn(readings(32))
    source.learn(readings(8, c=1.0, d=2.0))
    assert source.channels == ["a", "b", "c"]
    assert source.forest is not None
    assert source.forest.channels == ["a", "b"]
    source.learn(readings(24, c=1.0))
    source.learn(readings(8, c=1.0))
    assert source.forest.channels == ["a", "b", "c"]


def test_a_missing_channel_counts_as_its_median() -> None:
    source = ForestSource(PLAN)
    source.learn(readings(32))
    source.learn(readings(8))
    assert source.forest is not None
    median = float(source.forest.medians[1])
    lacking = SensorReading(source_id="s", values={"a": 0.5})
    whole = SensorReading(source_id="s", values={"a": 0.5, "b": median})
    assert source.forest.scores([lacking]) == source.forest.scores([whole])


def test_scores_rise_with_the_distance_out_of_the_range() -> None:
    source = ForestSource(PLAN)
    source.learn(readings(32))
    source.learn(readings(8))
    assert source.forest is not None
    log = [SensorReading(source_id="s", values={"a": x, "b": 0.0}) for x in (0.0, 5.0, 50.0, 1e300)]
    scores = source.forest.scores(log).tolist()
    assert scores == sorted(set(scores))
    assert scores[-1] <= 1
