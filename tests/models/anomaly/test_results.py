"""Results of calibrated detectors: thresholds, damping, channels."""

from __future__ import annotations

import numpy as np

from models.anomaly.calibration import Judged
from models.anomaly.results import (
    argmax_of_each,
    channel_results,
    damped_scores,
    score_of_surprise,
    source_results,
)
from schemas import SensorReading

THRESHOLD = float(score_of_surprise(np.array(3.0)))


def judged(surprise: list[float], reported: list[bool], incident: list[int]) -> Judged:
    return Judged(np.array(surprise), np.array(reported, bool), np.array(incident, int))


def test_repeats_are_below_the_threshold_above_the_normal_and_in_order() -> None:
    scores = damped_scores(judged([2.5, 4.0, 9.0, 3.5], [False] * 3 + [True], [0, 1, 1, 1]), 3 / 7)
    normal, repeat, larger_repeat, report = scores.tolist()
    assert normal < repeat < larger_repeat < THRESHOLD < report


def test_a_report_of_one_channel_comes_before_a_larger_repeat_of_another() -> None:
    readings = [SensorReading(source_id="s", values={"a": 1.0, "b": 2.0})]
    (actual,) = channel_results(
        readings, judged([9.0, 3.5], [False, True], [1, 4]), np.array([7.0, 8.0]), THRESHOLD
    )
    assert (actual.channel, actual.expected, actual.incident) == ("b", 8.0, "s/b/4")
    assert actual.is_anomaly


def test_a_reading_without_channels_is_not_scored() -> None:
    readings = [SensorReading(source_id="s", values={})]
    (actual,) = channel_results(readings, judged([], [], []), np.zeros(0), THRESHOLD)
    assert (actual.is_scored, actual.score, actual.probability) == (False, 0.0, None)


def test_source_results_name_the_incident_of_the_source() -> None:
    readings = [SensorReading(source_id="s", values={"a": 1.0})] * 2
    first, second = source_results(readings, judged([3.5, -1.0], [True, False], [2, 0]), THRESHOLD)
    assert (first.is_anomaly, first.incident, first.probability) == (True, "s/2", 10**-3.5)
    assert (second.is_scored, second.probability, second.incident) == (False, None, "")


def test_the_largest_value_of_each_reading() -> None:
    values = np.array([1.0, 5.0, 5.0, -1.0, 0.0])
    assert argmax_of_each(values, [2, 0, 2]).tolist() == [1, -1, 2]


def test_channels_contribute_by_their_squared_surprises_if_the_reading_is_unusual() -> None:
    readings = [SensorReading(values={"a": 1.0, "b": 2.0}), SensorReading(values={"a": 1.0})]
    surprises = judged([1.0, 3.0, 0.5], [False] * 3, [0] * 3)
    unusual, usual = channel_results(readings, surprises, np.zeros(3), THRESHOLD)
    assert unusual.contributions == {"b": 0.9, "a": 0.1}
    assert usual.contributions == {}
