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
