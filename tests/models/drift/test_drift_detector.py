from __future__ import annotations

import random
from typing import Any

import pytest

from models.drift.drift_detector import DriftDetector
from schemas import DriftEvent, SensorReading

METHODS = ["adwin", "page_hinkley", "kswin"]


def play(model: DriftDetector, values: list[float]) -> list[tuple[int, DriftEvent]]:
    """Send one channel's values; return each report with the index of its reading."""
    found = []
    for index, value in enumerate(values):
        reading = SensorReading(source_id="p", event_time_ms=index + 1, values={"flow": value})
        found += [(index, event) for event in model.predict_batch([reading])[0]]
        model.learn_batch([reading])
    return found


def noise(seed: int, mean: float, spread: float, count: int) -> list[float]:
    dice = random.Random(seed)
    return [dice.gauss(mean, spread) for _ in range(count)]


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("method", METHODS)
def test_a_lasting_change_is_reported_once_in_any_unit(method: str, unit: float) -> None:
    values = [*noise(1, 50 * unit, unit, 1000), *noise(2, 53 * unit, unit, 1000)]
    ((index, event),) = play(DriftDetector(method=method), values)
    assert 1000 < index < 1130
    assert event.noticed_ms == index
    assert event.method == method
    assert event.before == pytest.approx(50 * unit, abs=0.5 * unit)
    assert event.after == pytest.approx(53 * unit, abs=2 * unit)
    assert event.spread == pytest.approx(unit, rel=0.3)


@pytest.mark.parametrize("method", METHODS)
def test_a_steady_channel_is_not_reported(method: str) -> None:
    for seed in range(5):
        assert play(DriftDetector(method=method), noise(seed, 10, 2, 3000)) == []


@pytest.mark.parametrize("method", METHODS)
def test_absurd_single_values_are_no_change(method: str) -> None:
    values = noise(3, 10, 2, 2000)
    values[200::97] = [1e300] * len(values[200::97])
    assert play(DriftDetector(method=method), values) == []


@pytest.mark.parametrize("method", METHODS)
def test_constants_and_their_changes(method: str) -> None:
    assert play(DriftDetector(method=method), [7.0] * 1000) == []
    assert len(play(DriftDetector(method=method), [7.0] * 500 + [8.0] * 500)) == 1
    # Less than 0.05 % of a constant is rounding.
    assert play(DriftDetector(method=method), [7.0] * 500 + [7.0 + 1e-6] * 500) == []
    assert len(play(DriftDetector(method=method), [0.0] * 500 + [1e-3] * 500)) == 1


def test_a_change_too_small_to_matter_is_not_reported() -> None:
    values = [*noise(1, 0, 1, 3000), *noise(2, 0.3, 1, 3000)]
    assert play(DriftDetector(), values) == []
    assert play(DriftDetector(min_change=0.0), values) != []


def test_channels_are_separate_and_counted() -> None:
    model = DriftDetector()
    dice = random.Random(1)
    found = []
    for index in range(1500):
        shift = 5.0 if index > 700 else 0.0
        values = {"a": dice.gauss(0, 1), "b": dice.gauss(shift, 1)}
        for source in ("x", "y"):
            reading = SensorReading(source_id=source, event_time_ms=1 + index, values=values)
            found += [(source, event.channel) for event in model.predict_batch([reading])[0]]
            model.learn_batch([reading])
    assert found == [("x", "b"), ("y", "b")]
    assert model.take_incidents()["drift"] == 2


def test_memory_is_bounded_and_channels_without_room_are_counted() -> None:
    model = DriftDetector(max_channels=3)
    for index in range(300):
        model.learn_batch([SensorReading(source_id=f"s{index % 9}", values={"x": 1.0})])
    assert model.take_incidents()["refused_key"] > 0


@pytest.mark.parametrize(
    "options",
    [{"method": "guess"}, {"warm_up": 29}, {"min_change": -1.0}, {"max_channels": 0}],
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        DriftDetector(**options)
