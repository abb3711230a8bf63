"""Robust z-scores: unusual values, limited memory, snapshots."""

from __future__ import annotations

import numpy as np
import pytest

from models.anomaly.robust_zscore import RobustZScore
from models.anomaly.slots import PATIENCE
from models.base import ModelError
from models.evaluation import answer_stream, one_result
from models.registry import make_model
from models.snapshots import pack
from schemas import AnomalyScore, SensorReading


def readings(count: int, seed: int = 0, source: str = "pump") -> list[SensorReading]:
    rng = np.random.default_rng(seed)
    rows = rng.normal([5.0, -200.0], [1.0, 30.0], size=(count, 2))
    return [
        SensorReading(source_id=source, values={"bar": float(a), "watt": float(b)}) for a, b in rows
    ]


def learned(count: int = 200, **options: int) -> RobustZScore:
    model = RobustZScore(**options)
    answer_stream(model, readings(count))
    return model


def score(model: RobustZScore, source: str = "pump", **values: float) -> AnomalyScore:
    return model.predict_batch([SensorReading(source_id=source, values=values)])[0]


def test_names_the_most_unusual_channel_and_its_median() -> None:
    actual = score(learned(), bar=5.0, watt=500.0)
    assert actual.is_anomaly
    assert actual.channel == "watt"
    assert actual.expected == pytest.approx(-200.0, abs=10.0)


def test_the_probability_of_a_normal_series_is_cautious() -> None:
    actual = score(learned(4000, window=4096), bar=5.0 + 3.0, watt=-200.0)
    assert actual.probability is not None
    assert 0.0027 <= actual.probability < 0.1  # the tail of log z is not quite normal
    assert actual.channel == "bar"
    surprise = -np.log10(actual.probability)
    assert actual.score == pytest.approx(surprise / (surprise + 4))


def test_one_threshold_serves_a_quiet_and_a_bursting_channel() -> None:
    """A raw z has no common scale: a tenth of the bursts of this channel are beyond z = 9."""
    rng = np.random.default_rng(3)
    calm, bursts = rng.normal(0, 1, 6000), rng.standard_t(1.2, 6000)
    model = RobustZScore()
    log = [
        SensorReading(source_id="s", values={"calm": float(a), "bursts": float(b)})
        for a, b in zip(calm, bursts, strict=True)
    ]
    scored = [one_result(answer) for answer in answer_stream(model, log)][2000:]
    assert sum(one.is_anomaly for one in scored) < 40
    assert score(model, source="s", calm=14.0).is_anomaly


def test_repeats_belong_to_one_incident_and_are_damped() -> None:
    model = learned()
    log = [SensorReading(source_id="pump", values={"bar": 60.0})] * 40
    first, *rest = [one_result(answer) for answer in answer_stream(model, log)]
    assert first.is_anomaly
    assert first.incident.startswith("pump/bar/")
    later = rest[model.learn_every :]  # the readings of a step are judged by the state before it
    assert {one.incident for one in later} == {first.incident}
    assert not any(one.is_anomaly for one in later)
    assert all(one.score < one.threshold for one in later)


def test_a_rare_contact_becomes_usual() -> None:
    values = [float(i % 100 == 99) for i in range(12_000)]
    model = RobustZScore()
    log = [SensorReading(source_id="door", values={"open": value}) for value in values]
    scored = [one_result(answer) for answer in answer_stream(model, log)]
    assert any(one.is_anomaly for one in scored[:3000])
    assert not any(one.is_anomaly for one in scored[-5000:])


def test_scores_rise_with_the_distance_and_stay_in_range() -> None:
    model = learned()
    scores = [score(model, bar=x).score for x in (5.0, 6.0, 9.0, 50.0, 1e6, 1e300)]
    assert scores == sorted(scores)
    assert len(set(scores)) == len(scores)
    assert 0 <= scores[0] < 0.1
    assert scores[-1] <= 1


def test_scores_zero_before_min_values() -> None:
    model = learned(32, min_values=40)
    assert score(model, bar=1e9).score == 0
    model.learn_batch(readings(8, seed=1))
    assert score(model, bar=1e9).is_anomaly


def test_an_unknown_source_or_channel_scores_zero_beside_known_ones() -> None:
    model = learned()
    assert score(model, source="other", bar=1e9).score == 0
    assert score(model, new=1e9) == AnomalyScore(
        score=0.0, is_anomaly=False, threshold=model.threshold, is_scored=False
    )
    assert not model.predict_batch([SensorReading(source_id="pump", values={})])[0].is_scored
    assert score(model, bar=10.0).is_scored
    assert score(model, new=1e9, bar=100.0).channel == "bar"


def test_a_reading_without_channels_does_not_disturb_other_readings() -> None:
    batch = [
        SensorReading(source_id="pump", values={}),
        SensorReading(source_id="pump", values={"bar": 100.0}),
        SensorReading(source_id="pump", values={}),
    ]
    first, middle, last = learned().predict_batch(batch)
    assert (first.score, last.score) == (0, 0)
    assert middle.channel == "bar"
    assert learned().predict_batch(batch[:1])[0].score == 0


def test_a_constant_series_tolerates_a_thousandth_and_flags_a_jump() -> None:
    model = RobustZScore()
    model.learn_batch([SensorReading(source_id="s", values={"v": 100.0})] * 64)
    assert score(model, source="s", v=100.1).score < 0.5
    assert score(model, source="s", v=110.0).is_anomaly


def test_huge_values_do_not_overflow() -> None:
    model = RobustZScore(window=8, min_values=3)
    values = [1e300, -1e300, 1.7e308, -1.7e308, 0.0, 1.7e308, 5e-324, -1.7e308]
    model.learn_batch([SensorReading(source_id="s", values={"v": v}) for v in values])
    results = [score(model, source="s", v=v) for v in values]
    assert all(0 <= r.score <= 1 and np.isfinite(r.expected or 0) for r in results)


def test_old_values_leave_the_window() -> None:
    model = learned(64, window=64, rest=0)
    shifted = [SensorReading(source_id="pump", values={"bar": 50.0 + i % 7}) for i in range(64)]
    assert score(model, bar=53.0).is_anomaly
    answer_stream(model, shifted)
    assert score(model, bar=53.0).score < 0.1
    assert score(model, bar=-40.0).is_anomaly


def test_one_step_longer_than_the_window_keeps_its_last_values() -> None:
    at_once, in_turn = RobustZScore(window=16, min_values=3), RobustZScore(window=16, min_values=3)
    series = readings(50)
    at_once.learn_batch(series)
    in_turn.learn_batch(series[:30])
    in_turn.learn_batch(series[30:])
    probe = SensorReading(source_id="pump", values={"bar": 7.0})
    actual, expected = at_once.predict_batch([probe])[0], in_turn.predict_batch([probe])[0]
    assert actual.expected == expected.expected


def test_answers_do_not_depend_on_the_micro_batches() -> None:
    series = readings(96) + readings(96, seed=1, source="valve")
    model, other = learned(), learned()
    together = model.predict_batch(series)
    apart = [other.predict_batch([reading])[0] for reading in series]
    assert together == apart


def test_memory_is_limited_and_a_source_that_stays_away_is_dropped() -> None:
    model = RobustZScore(window=8, min_values=3, max_keys=3)
    for source in ("a", "b", "c", *"ac" * PATIENCE * 2, "d"):
        model.learn_batch(
            [SensorReading(source_id=source, values={"v": float(i)}) for i in range(8)]
        )
    known = [s for s in "abcd" if score(model, source=s, v=1e6).score > 0]
    assert known == ["a", "c", "d"]
    assert model.take_incidents() == {"evicted_key": 1, "refused_key": 0}


def test_with_one_source_too_many_all_others_are_scored() -> None:
    model = RobustZScore(window=8, min_values=3, max_keys=8)
    for value in range(8):
        for source in range(9):
            model.learn_batch([SensorReading(source_id=str(source), values={"v": float(value)})])
    answers = [score(model, source=str(source), v=1e6) for source in range(9)]
    assert [answer.is_anomaly for answer in answers] == [True] * 8 + [False]
    assert [answer.is_scored for answer in answers] == [True] * 8 + [False]
    assert model.take_incidents() == {"evicted_key": 0, "refused_key": 8}


def test_a_step_with_more_keys_than_max_keys() -> None:
    model = RobustZScore(window=8, min_values=3, max_keys=2)
    step = [SensorReading(source_id=s, values={"v": float(i)}) for i in range(4) for s in "abcde"]
    model.learn_batch(step)
    assert sum(score(model, source=s, v=1e6).score > 0 for s in "abcde") == 2


def test_a_new_key_does_not_inherit_the_values_of_its_row() -> None:
    model = RobustZScore(window=8, min_values=3, max_keys=1)
    model.learn_batch([SensorReading(source_id="a", values={"v": 1.0})] * 8)
    for _ in range(PATIENCE + 3):
        model.learn_batch([SensorReading(source_id="b", values={"v": 9.0})])
    assert score(model, source="b", v=90.0).expected == 9.0
    assert score(model, source="a", v=90.0).score == 0


def test_a_restored_model_continues_like_the_saved_one() -> None:
    saved, restored = learned(100, max_keys=5), RobustZScore(max_keys=5)
    restored.restore(saved.snapshot())
    rest = readings(100, seed=2) + readings(50, seed=3, source="valve")
    assert answer_stream(saved, rest) == answer_stream(restored, rest)
    assert saved.snapshot() == restored.snapshot()


def test_an_empty_state_can_be_restored() -> None:
    restored = learned()
    restored.restore(RobustZScore().snapshot())
    assert restored.snapshot() == RobustZScore().snapshot()


@pytest.mark.parametrize("cut", [0, 3, 8, 100, -1])
def test_a_truncated_snapshot_is_refused_and_changes_nothing(cut: int) -> None:
    model = learned()
    state = model.snapshot()
    with pytest.raises(ModelError, match="robust_zscore"):
        model.restore(state[:cut])
    assert model.snapshot() == state


def test_a_snapshot_with_other_options_is_refused() -> None:
    with pytest.raises(ModelError, match="same options"):
        RobustZScore(window=64).restore(learned().snapshot())


def test_a_snapshot_of_an_earlier_layout_is_refused() -> None:
    old = pack("robust_zscore", 1, {"window": 1024, "max_keys": 4096}, {}, {})
    with pytest.raises(ModelError, match="version 1, expected robust_zscore version 3"):
        RobustZScore().restore(old)


def test_a_snapshot_is_as_large_as_the_values_that_it_contains() -> None:
    assert len(learned(100, window=65_536).snapshot()) < 2 * 100 * 8 + 1000


@pytest.mark.parametrize(
    "options", [{"window": 2}, {"min_values": 2000}, {"threshold": 0}, {"max_keys": 0}, {"w": 1}]
)
def test_the_error_names_the_wrong_option(options: dict[str, int]) -> None:
    with pytest.raises(ModelError, match=next(iter(options))):
        make_model(RobustZScore, dict(options))
