"""Which events expire; the clock is an argument."""

from __future__ import annotations

from streams.ingest import Deadline
from tests.fakes import Number

NOW = 1_700_000_000.0


def events(*ages: float) -> list[Number]:
    return [Number(x=age, event_time_ms=round((NOW - age) * 1000)) for age in ages]


def test_only_events_older_than_the_deadline_expire() -> None:
    deadline = Deadline(2.0, lambda: NOW)
    assert deadline.expired(events(0.0, 1.999, 2.0, 2.001, 3600.0)) == [3, 4]


def test_an_event_from_the_future_or_without_a_time_never_expires() -> None:
    deadline = Deadline(2.0, lambda: NOW)
    assert deadline.expired([*events(-3600.0), Number(x=1)]) == []


def test_the_clock_may_be_set_back() -> None:
    clock = [NOW]
    deadline = Deadline(2.0, lambda: clock[0])
    (event,) = events(1.0)
    clock[0] = NOW + 1.5
    assert deadline.expired([event]) == [0]
    clock[0] = NOW - 3600
    assert deadline.expired([event]) == []


def test_the_error_states_the_age_and_the_limit() -> None:
    error = Deadline(2.0, lambda: NOW).error(events(7.25)[0])
    assert error.reason == "expired"
    assert str(error) == (
        "the event was 7.250 s old before it reached the model; this agent's deadline_seconds is 2"
    )
