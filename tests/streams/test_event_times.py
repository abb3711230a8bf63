"""Which event times are implausible, and what each rule does with them, at a given time."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import make_codec
from streams.batching import Chunk
from streams.decoding import Decoder
from streams.event_times import (
    EARLIEST_MS,
    MAX_AHEAD_MS,
    MAX_EVENT_TIME_MS,
    EventTimes,
    ImplausibleRule,
    describe_time,
    implausible,
    times_for_age,
)
from streams.ingest import Ingest
from streams.offsets import OffsetTracker
from tests.fakes import Number, record_batch
from tests.streams.engines import SETTINGS
from tests.streams.engines import engine as running

NOW_MS = 1_700_000_000_000


def chunk(*times_ms: int, stamps_ms: list[int] | None = None) -> Chunk[Number]:
    """Events of records that Kafka stamped with the present, or with `stamps_ms`."""
    batch = record_batch([b"{}"] * len(times_ms), tracker=OffsetTracker(), topic="t")
    batch.timestamps_ms = stamps_ms or [NOW_MS] * len(times_ms)
    events = [Number(x=i, event_time_ms=t) for i, t in enumerate(times_ms)]
    return Chunk(batch, range(len(events)), events)


def apply(rule: ImplausibleRule, events: Chunk[Number]) -> Any:
    return EventTimes(rule, lambda: NOW_MS / 1000).apply(events)


def test_the_bounds() -> None:
    latest = NOW_MS + MAX_AHEAD_MS
    times = (0, 1, EARLIEST_MS - 1, EARLIEST_MS, NOW_MS, latest, latest + 1, MAX_EVENT_TIME_MS)
    assert implausible(chunk(*times), NOW_MS) == [1, 2, 6, 7]


def test_the_record_is_the_measure_and_not_the_clock() -> None:
    old = NOW_MS - 10 * MAX_AHEAD_MS
    event = chunk(old + 2 * MAX_AHEAD_MS, stamps_ms=[old])
    assert implausible(event, NOW_MS) == [0]
    assert implausible(event, NOW_MS + 100 * MAX_AHEAD_MS) == [0]


@pytest.mark.parametrize("stamp_ms", [-1, 0, NOW_MS // 1000, NOW_MS * 1_000_000])
def test_a_record_without_a_plausible_timestamp_is_measured_by_the_clock(stamp_ms: int) -> None:
    times = (NOW_MS + MAX_AHEAD_MS, NOW_MS + MAX_AHEAD_MS + 1)
    assert implausible(chunk(*times, stamps_ms=[stamp_ms] * 2), NOW_MS) == [1]


@given(st.lists(st.tuples(st.integers(0, 2**63 - 1), st.integers(-1, 2**63 - 1)), min_size=1))
def test_a_batch_is_judged_as_its_records_are(rows: list[tuple[int, int]]) -> None:
    whole = chunk(*(time for time, _ in rows), stamps_ms=[stamp for _, stamp in rows])
    alone = [
        i for i, (time, stamp) in enumerate(rows)
        if implausible(chunk(time, stamps_ms=[stamp]), NOW_MS)
    ]  # fmt: skip
    assert implausible(whole, NOW_MS) == alone


@given(
    st.sampled_from(["accept", "use_record_time", "dead_letter"]),
    st.lists(st.tuples(st.integers(0, 2**63 - 1), st.integers(-1, 2**63 - 1)), min_size=1),
)
def test_no_rule_lets_a_time_out_of_the_schemas_range(
    rule: ImplausibleRule, rows: list[tuple[int, int]]
) -> None:
    events = chunk(*(time for time, _ in rows), stamps_ms=[stamp for _, stamp in rows])
    kept, refused, _ = apply(rule, events)
    assert len(kept.events) + len(refused) == len(rows)
    assert all(0 <= event.event_time_ms <= MAX_EVENT_TIME_MS for event in kept.events)


def test_accept_keeps_the_time_and_says_so() -> None:
    kept, refused, found = apply("accept", chunk(NOW_MS, NOW_MS // 1000, NOW_MS * 1000))
    assert [e.event_time_ms for e in kept.events] == [NOW_MS, NOW_MS // 1000, NOW_MS * 1000]
    assert not refused
    assert found.num_events == 2
    assert found.example == (
        "t[0]@1: the event time 1700000000 (1970-01-20T16:13:20Z) is before 2000: it looks like "
        "seconds, expected milliseconds (with `fields`: check the time's `format`)"
    )


def test_use_record_time() -> None:
    events = chunk(NOW_MS // 1000, 5, NOW_MS - 7, stamps_ms=[NOW_MS, -1, NOW_MS])
    kept, refused, found = apply("use_record_time", events)
    assert [e.event_time_ms for e in kept.events] == [NOW_MS, 0, NOW_MS - 7]
    assert not refused
    assert found.num_events == 2


def test_dead_letter_refuses_the_whole_record() -> None:
    events = chunk(NOW_MS, NOW_MS // 1000, NOW_MS, NOW_MS)
    events.rows = [0, 1, 1, 2]  # the second record holds two events, one with a good time
    kept, refused, _ = apply("dead_letter", events)
    assert list(kept.rows) == [0, 2]
    ((row, error),) = refused
    assert row == 1
    assert error.reason == "implausible_time"
    assert "looks like seconds" in str(error)


@pytest.mark.parametrize(
    ("time_ms", "words"),
    [
        (NOW_MS // 1000, "looks like seconds"),
        (NOW_MS * 1000, "looks like microseconds"),
        (NOW_MS * 1_000_000, "looks like nanoseconds"),
        (5, "5 (1970-01-01T00:00:00Z) is before 2000"),
        (2**62, "after the year 9999"),
        (4_000_000_000_000, "more than a day after the record's timestamp"),
    ],
)
def test_a_time_is_described_with_the_unit_it_was_meant_in(time_ms: int, words: str) -> None:
    assert words in describe_time(time_ms, NOW_MS)


def test_ages_count_from_the_record_where_the_events_time_is_implausible() -> None:
    events = chunk(NOW_MS - 9, 5, 0, NOW_MS * 1000, stamps_ms=[NOW_MS, NOW_MS - 1, NOW_MS, -1])
    assert times_for_age(events, NOW_MS) == [NOW_MS - 9, NOW_MS - 1, 0, 0]


def read(value: bytes, stamp_ms: int = NOW_MS, headers: Any = ()) -> Any:
    decoder: Decoder[Number] = Decoder(make_codec("json", Number), 1000)
    batch = record_batch([value], tracker=OffsetTracker(), headers=[headers], topic="t")
    batch.timestamps_ms = [stamp_ms]
    (ingested,) = Ingest(decoder, None, EventTimes("accept", lambda: NOW_MS / 1000)).read([batch])
    return ingested


@pytest.mark.parametrize("stamp_ms", [NOW_MS * 1_000_000, 2**63 - 1])
def test_kafkas_timestamp_in_nanoseconds_never_leaves_the_schemas_range(stamp_ms: int) -> None:
    ingested = read(b'{"x": 1}', stamp_ms)
    assert [event.event_time_ms for event in ingested.chunk.events] == [0]
    assert ingested.implausible.num_events == 1
    assert "Kafka's timestamp" in ingested.implausible.example


def test_kafkas_timestamp_in_seconds_is_found() -> None:
    assert read(b'{"x": 1}', NOW_MS // 1000).implausible.num_events == 1


def test_the_time_in_a_header_is_judged_too() -> None:
    ingested = read(b'{"x": 1}', headers=[("ce_time", b"1970-01-20T16:13:20Z")])
    assert ingested.implausible.num_events == 1
    assert "the event time" in ingested.implausible.example


@pytest.mark.parametrize("stamp_ms", [-1, 0, -5])
def test_no_time_at_all_is_not_implausible(stamp_ms: int) -> None:
    ingested = read(b'{"x": 1}', stamp_ms)
    assert ingested.implausible is None
    assert [event.event_time_ms for event in ingested.chunk.events] == [0]


def test_a_negative_time_in_the_value_is_a_schema_error() -> None:
    ((_, error),) = read(b'{"x": 1, "event_time_ms": -5}').failed
    assert error.reason == "schema_error"


async def test_the_engine_counts_each_and_logs_the_first_of_a_topic(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "streams.inference")
    async with running() as engine:
        for first in (0, 2):
            late = b'{"x": 1, "event_time_ms": 1700000000}'
            await engine.inference.submit([engine.batch([late, 2], first_offset=first)])
        await engine.drained()
        counted = engine.count("penstock_implausible_event_times_total", topic="numbers")
    assert counted == 2
    (line,) = [record.message for record in caplog.records]
    assert line.startswith("double: implausible event time: numbers[0]@0: the event time 17")
    assert "the event keeps it (event_time.implausible)" in line


async def test_latest_gives_no_event_up_for_an_implausible_time() -> None:
    settings = replace(SETTINGS, overload="latest", deadline_seconds=2.0)
    now = 1_700_000_000.0  # as the records' timestamps
    async with running(settings=settings, wall_clock=lambda: now) as engine:
        seconds = [b'{"x": %d, "event_time_ms": 1700000000}' % x for x in range(5)]
        await engine.inference.submit([engine.batch(seconds)])
        await engine.drained()
        assert engine.accounts()["answered"] == 5
