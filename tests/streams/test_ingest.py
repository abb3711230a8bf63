"""Which events expire; the clock is an argument."""

from __future__ import annotations

from streams.batching import Chunk
from streams.ingest import Deadline
from streams.offsets import OffsetTracker
from tests.fakes import Number, record_batch

NOW = 1_700_000_000.0


def chunk(*events: Number) -> Chunk[Number]:
    """Events of records that Kafka stamped with the present."""
    batch = record_batch([b"{}"] * len(events), tracker=OffsetTracker())
    return Chunk(batch, range(len(events)), events)


def events(*ages: float) -> Chunk[Number]:
    return chunk(*(Number(x=age, event_time_ms=round((NOW - age) * 1000)) for age in ages))


def test_only_events_older_than_the_deadline_expire() -> None:
    deadline = Deadline(2.0, lambda: NOW)
    assert deadline.expired(events(0.0, 1.999, 2.0, 2.001, 3600.0)) == [3, 4]


def test_an_event_from_the_future_or_without_a_time_never_expires() -> None:
    deadline = Deadline(2.0, lambda: NOW)
    assert deadline.expired(chunk(*events(-3600.0).events, Number(x=1))) == []


def test_an_event_with_an_implausible_time_is_as_old_as_its_record() -> None:
    in_seconds = chunk(Number(x=1, event_time_ms=1_700_000_000), Number(x=2, event_time_ms=5))
    assert Deadline(2.0, lambda: NOW).expired(in_seconds) == []
    assert Deadline(2.0, lambda: NOW + 3).expired(in_seconds) == [0, 1]
    in_microseconds = chunk(Number(x=1, event_time_ms=1_700_000_000_000_000))
    assert Deadline(2.0, lambda: NOW + 3).expired(in_microseconds) == [0]
    in_microseconds.batch.timestamps_ms = [-1]
    assert Deadline(2.0, lambda: NOW + 3).expired(in_microseconds) == []


def test_the_clock_may_be_set_back() -> None:
    clock = [NOW]
    deadline = Deadline(2.0, lambda: clock[0])
    event = events(1.0)
    clock[0] = NOW + 1.5
    assert deadline.expired(event) == [0]
    clock[0] = NOW - 3600
    assert deadline.expired(event) == []


def test_the_error_states_the_age_and_the_limit() -> None:
    ((row, error),) = Deadline(2.0, lambda: NOW).errors(events(7.25))
    assert row == 0
    assert error.reason == "expired"
    assert str(error) == (
        "the event was 7.250 s old before it reached the model; this agent's deadline_seconds is 2"
    )
