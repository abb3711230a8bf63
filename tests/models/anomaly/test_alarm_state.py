"""Incidents: repeats are damped, clearly worse readings reported, habits forgotten."""

from __future__ import annotations

import numpy as np

from models.anomaly.alarm_state import HABIT, Alarms

NEW = Alarms(*(np.zeros(1) for _ in Alarms._fields))


def reports(surprises: list[float], rest: int = 10) -> list[bool]:
    alarms, found = NEW, []
    for surprise in surprises:
        one = np.array([surprise])
        found.append(bool(alarms.is_reported(one, 4.0, rest)[0]))
        alarms = alarms.learned(one, 4.0, rest)
    return found


def test_only_the_first_and_a_clearly_larger_one_are_reported() -> None:
    assert reports([5.0, 5.0, 5.5, 8.0, 8.0]) == [True, False, False, True, False]


def test_after_the_rest_a_new_incident_begins() -> None:
    assert reports([5.0, *[0.0] * 11, 5.0])[-1]
    assert not reports([5.0, *[0.0] * 5, 5.0])[-1]


def test_what_happened_often_is_usual_and_more_is_not() -> None:
    often = [5.0, *[0.0] * 20] * (HABIT + 4)
    assert not reports([*often, 5.0])[-1]
    assert reports([*often, 9.0])[-1]


def test_a_habit_is_forgotten() -> None:
    often = [5.0, *[0.0] * 20] * (HABIT + 4)
    assert reports([*often, *[0.0] * 20_000, 5.0])[-1]


def test_what_can_not_change_is_passed_over_without_a_difference() -> None:
    """Many keys, of which few are unusual, learn what each of them would learn alone."""
    rng = np.random.default_rng(1)
    many = Alarms(*(np.zeros(50) for _ in Alarms._fields))
    alone = [NEW] * 50
    num_reported = 0
    for _ in range(120):
        surprises = np.where(rng.random(50) < 0.04, rng.uniform(4, 9, 50), rng.uniform(0, 3, 50))
        reported, numbers = many.judged(surprises, 4.0, 10)
        after = many._learned(surprises, 4.0, 10)
        expected = np.where(reported, after.number, after.open_number(10))
        assert np.array_equal(reported, many.is_reported(surprises, 4.0, 10))
        assert np.array_equal(numbers, expected)
        many = many.learned(surprises, 4.0, 10)
        alone = [one.learned(surprises[i : i + 1], 4.0, 10) for i, one in enumerate(alone)]
        for field, each in zip(many, zip(*alone, strict=True), strict=True):
            assert np.array_equal(field, np.concatenate(each))
        num_reported += int(reported.sum())
    assert num_reported > 20
