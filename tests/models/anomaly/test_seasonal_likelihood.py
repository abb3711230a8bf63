"""Seasonal likelihood: calibrated surprises, incidents, hard cases, many keys."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.anomaly.level_state import LASTING_CHANGE
from models.anomaly.seasonal_likelihood import SeasonalLikelihood
from models.base import ModelError
from models.evaluation import answer_stream, one_result
from schemas import AnomalyScore, SensorReading

DAY_MS = 86_400_000
START_MS = 20_000 * DAY_MS


def readings(values: list[float], source: str = "pump", step_ms: int = 0) -> list[SensorReading]:
    """Return one reading for each value; with `step_ms`, at that distance in event time."""
    return [
        SensorReading(
            source_id=source,
            event_time_ms=START_MS + i * step_ms if step_ms else 0,
            values={"bar": value},
        )
        for i, value in enumerate(values)
    ]


def noise(count: int, seed: int = 0) -> list[float]:
    rng = np.random.default_rng(seed)
    return [float(x) for x in rng.normal(50.0, 2.0, count)]


def answers(model: SeasonalLikelihood, log: list[SensorReading]) -> list[AnomalyScore]:
    return [one_result(answer) for answer in answer_stream(model, log)]


def after_noise(values: list[float], **options: int) -> list[AnomalyScore]:
    return answers(SeasonalLikelihood(**options), readings(noise(1000) + values))[1000:]


def test_a_value_far_out_of_the_range_is_an_anomaly_with_a_small_probability() -> None:
    (actual,) = after_noise([90.0])
    assert actual.is_anomaly
    assert actual.channel == "bar"
    assert actual.probability is not None
    assert actual.probability < 1e-4
    assert actual.expected == pytest.approx(50.0, abs=0.5)
    surprise = -np.log10(actual.probability)
    assert actual.score == pytest.approx(surprise / (surprise + 4))


def test_noise_alone_has_few_anomalies() -> None:
    scored = answers(SeasonalLikelihood(), readings(noise(4000)))
    assert sum(one.is_anomaly for one in scored) <= 8  # 2 of 1,000


def test_a_shift_of_the_level_within_the_range_is_an_anomaly() -> None:
    log = readings(noise(1000) + [56.0] * 60, step_ms=300_000)
    scored = answers(SeasonalLikelihood(), log)
    assert max(noise(1000)) > 56.0
    assert any(one.is_anomaly for one in scored[1000:])


def test_repeats_belong_to_one_incident_and_are_damped() -> None:
    first, *rest = after_noise([90.0] * 50)
    assert first.is_anomaly
    assert first.incident == "pump/bar/" + first.incident.rsplit("/", 1)[1]
    assert {one.incident for one in rest} == {first.incident}
    assert sum(one.is_anomaly for one in rest) < 10
    assert all(one.score < one.threshold for one in rest if not one.is_anomaly)


def test_without_rest_every_repeat_is_reported() -> None:
    scored = after_noise([90.0, 130.0, 170.0], rest=0)
    assert [one.is_anomaly for one in scored] == [True] * 3


def test_a_later_incident_has_another_id() -> None:
    scored = after_noise([90.0, *noise(400, seed=1), 150.0])
    assert scored[0].is_anomaly
    assert scored[-1].is_anomaly
    assert scored[0].incident != scored[-1].incident
    assert "" in {one.incident for one in scored[1:-1]}


@pytest.mark.slow
@pytest.mark.parametrize("every", [30, 100, 200, 500])
def test_a_contact_that_closed_dozens_of_times_is_no_anomaly(every: int) -> None:
    chance = random.Random(0)
    values = [float(chance.random() < 1 / every) for _ in range(20_000)]
    scored = answers(SeasonalLikelihood(), readings(values))
    closed = [one for one, value in zip(scored, values, strict=True) if value]
    assert not any(one.is_anomaly for one in closed[30:])


def test_a_new_value_of_a_contact_that_closed_often_is_an_anomaly() -> None:
    values = [float(i % 100 == 99) for i in range(5000)]
    assert answers(SeasonalLikelihood(), readings([*values, 7.0]))[-1].is_anomaly


def test_a_constant_channel_is_normal_until_it_changes() -> None:
    scored = answers(SeasonalLikelihood(), readings([3.0] * 500 + [3.5]))
    assert not any(one.is_anomaly for one in scored[:500])
    assert scored[-1].is_anomaly


def test_nothing_is_scored_before_min_values() -> None:
    scored = answers(SeasonalLikelihood(min_values=64), readings([*noise(63), 1000000000.0]))
    assert {(one.is_scored, one.score, one.probability) for one in scored[:64]} == {
        (False, 0.0, None)
    }


def test_the_time_of_day_makes_a_usual_value_unusual() -> None:
    day = [10.0 * np.sin(2 * np.pi * i / 288) for i in range(288)]
    rng = np.random.default_rng(1)
    values = [float(x + rng.normal(0, 0.2)) for x in day * 12]
    upside_down = [float(-x) for x in day[40:90]]
    log = readings(values[: 288 * 11 + 40] + upside_down, step_ms=300_000)
    scored = answers(SeasonalLikelihood(), log)
    assert any(one.is_anomaly for one in scored[-50:])
    untimed = answers(SeasonalLikelihood(), readings([one.values["bar"] for one in log]))
    best = max(one.score for one in scored[-50:])
    assert best > max(one.score for one in untimed[-50:])


def test_a_lasting_change_becomes_normal() -> None:
    model = SeasonalLikelihood()
    changed = [x + 500.0 for x in noise(2 * LASTING_CHANGE, seed=3)]
    scored = answers(model, readings(noise(1000) + changed))[1000:]
    assert scored[0].is_anomaly
    assert scored[-1].expected == pytest.approx(550.0, abs=2.0)
    assert not any(one.is_anomaly for one in scored[-400:])


def test_one_absurd_value_does_not_hide_later_anomalies() -> None:
    scored = after_noise([1e300, *noise(500, seed=2), 120.0])
    assert scored[0].is_anomaly
    assert scored[-1].is_anomaly


def test_many_keys_in_one_step_answer_as_each_alone() -> None:
    logs = [readings(noise(300, seed=i), source=f"s-{i}", step_ms=60_000) for i in range(20)]
    one = SeasonalLikelihood(learn_every=20)
    mixed = answers(one, [log[i] for i in range(300) for log in logs])
    for number, log in enumerate(logs):
        assert mixed[number::20] == answers(SeasonalLikelihood(), log)


@settings(max_examples=25)
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=60),
    st.integers(0, 59),
)
def test_any_values_give_finite_scores_and_an_exact_replay(values: list[float], cut: int) -> None:
    log = readings(noise(40) + values, step_ms=7_000_000)
    model = SeasonalLikelihood(min_values=32)
    whole = answers(model, log)
    assert all(0 <= one.score <= 1 for one in whole)
    assert all(one.probability is None or 0 <= one.probability <= 1 for one in whole)
    first = SeasonalLikelihood(min_values=32)
    at = min(cut, len(log))
    answers(first, log[:at])
    resumed = SeasonalLikelihood(min_values=32)
    resumed.restore(first.snapshot())
    assert answers(resumed, log[at:]) == whole[at:]
    assert resumed.snapshot() == model.snapshot()


def test_further_channels_are_counted_and_not_scored() -> None:
    model = SeasonalLikelihood(max_keys=2, min_values=32)
    for source in ("a", "b", "c"):
        model.learn_batch(readings(noise(40), source=source))
    known, unknown = model.predict_batch(
        [readings([50.0], source="a")[0], readings([50.0], source="c")[0]]
    )
    assert (known.is_scored, unknown.is_scored) == (True, False)
    assert model.take_incidents()["refused_key"] > 0


def test_a_snapshot_of_other_options_is_refused() -> None:
    with pytest.raises(ModelError, match="options"):
        SeasonalLikelihood(rest=10).restore(SeasonalLikelihood(rest=20).snapshot())
