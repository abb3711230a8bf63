"""Finds event times that can't be right, and handles them as the agent's rule says.

A time is implausible if it is before the year 2000, or more than a day after the record's own
timestamp (after the worker's clock, where the record's timestamp is not plausible either). That is
what seconds, microseconds or nanoseconds look like where milliseconds are expected. The record's
timestamp is the measure, not the clock, so that a record read twice is judged alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, TypeAlias

from msgspec.structs import force_setattr

from schemas.cloudevents import MAX_RFC3339_MS
from schemas.errors import ImplausibleTimeError
from streams.batching import Chunk

#: 2000-01-01T00:00:00Z, milliseconds since 1970.
EARLIEST_MS = 946_684_800_000
#: How far an event may be ahead of its record: time zones are mistaken by less than a day.
MAX_AHEAD_MS = 86_400_000
#: The largest `event_time_ms` that the published schemas allow.
MAX_EVENT_TIME_MS = 2**53 - 1

ImplausibleRule: TypeAlias = Literal["accept", "use_record_time", "dead_letter"]

#: Unit -> its milliseconds, as a fraction: what a wrong time may have been meant as.
_UNITS = {"seconds": (1000, 1), "microseconds": (1, 1000), "nanoseconds": (1, 1_000_000)}


class Implausible(NamedTuple):
    """The implausible times of one record batch."""

    num_events: int
    example: str
    """The first of them, in words."""


class EventTimes:
    """Applies one agent's rule to implausible event times; thread-safe."""

    def __init__(
        self, rule: ImplausibleRule = "accept", wall_clock: Callable[[], float] = time.time
    ) -> None:
        """Set the rule, and a clock that returns Unix time in seconds."""
        self._rule = rule
        self._wall_clock = wall_clock

    def apply(
        self, chunk: Chunk[Any]
    ) -> tuple[Chunk[Any], list[tuple[int, ImplausibleTimeError]], Implausible | None]:
        """Apply the rule to a chunk's events.

        Returns:
            The events to answer, the rows to dead-letter, and what was found, if anything.
        """
        now_ms = int(self._wall_clock() * 1000)
        positions = implausible(chunk, now_ms)
        if not positions:
            return chunk, [], None
        found = Implausible(len(positions), _describe(chunk, positions[0], now_ms))
        if self._rule == "dead_letter":
            failed = [
                (chunk.rows[i], ImplausibleTimeError(_describe(chunk, i, now_ms)))
                for i in positions
            ]
            refused = {row for row, _ in failed}
            kept = [i for i, row in enumerate(chunk.rows) if row not in refused]
            return chunk.pick(kept), list(dict(failed).items()), found
        for i in positions:
            event = chunk.events[i]
            if self._rule == "use_record_time" or event.event_time_ms > MAX_EVENT_TIME_MS:
                # Safe although events are frozen: no model has seen the event yet.
                force_setattr(event, "event_time_ms", _record_time(chunk, i, now_ms))
        return chunk, [], found

    @property
    def consequence(self) -> str:
        """What the rule does with an implausible event, for a message."""
        return {
            "accept": "the event keeps it",
            "use_record_time": "the record's timestamp is used instead",
            "dead_letter": "the record becomes a dead letter",
        }[self._rule]


def implausible(chunk: Chunk[Any], now_ms: int) -> list[int]:
    """Return the positions of the events whose time is implausible, ascending; 0 is no time."""
    if not chunk.events:
        return []
    times = [event.event_time_ms for event in chunk.events]
    stamps = chunk.batch.timestamps_ms
    # The whole batch at once: hardly any batch has an implausible time.
    if min(times) >= EARLIEST_MS and max(times) <= min(min(stamps), now_ms) + MAX_AHEAD_MS:
        return []
    return [
        i
        for i, (row, time_ms) in enumerate(zip(chunk.rows, times, strict=True))
        if time_ms and not EARLIEST_MS <= time_ms <= _latest(stamps[row], now_ms)
    ]


def times_for_age(chunk: Chunk[Any], now_ms: int) -> list[int]:
    """Return the time that each event's age counts from: its own, or its record's; 0: none."""
    times = [event.event_time_ms for event in chunk.events]
    for i in implausible(chunk, now_ms):
        times[i] = _record_time(chunk, i, now_ms)
    return times


def _latest(stamp_ms: int, now_ms: int) -> int:
    return (stamp_ms if _is_plausible(stamp_ms, now_ms) else now_ms) + MAX_AHEAD_MS


def _is_plausible(stamp_ms: int, now_ms: int) -> bool:
    return EARLIEST_MS <= stamp_ms <= now_ms + MAX_AHEAD_MS


def _record_time(chunk: Chunk[Any], position: int, now_ms: int) -> int:
    """Return the record's timestamp, or 0 (not given) where that is implausible too."""
    stamp_ms = chunk.batch.timestamps_ms[chunk.rows[position]]
    return stamp_ms if _is_plausible(stamp_ms, now_ms) else 0


def _describe(chunk: Chunk[Any], position: int, now_ms: int) -> str:
    batch, row = chunk.batch, chunk.rows[position]
    time_ms = chunk.events[position].event_time_ms
    source = "Kafka's timestamp" if time_ms == batch.timestamps_ms[row] else "the event time"
    return (
        f"{batch.tp.topic}[{batch.tp.partition}]@{batch.offsets[row]}: {source} "
        f"{describe_time(time_ms, now_ms)}"
    )


def describe_time(time_ms: int, now_ms: int) -> str:
    """Return an implausible time in words, with the unit that it was probably meant in."""
    at = "after the year 9999"
    if time_ms <= MAX_RFC3339_MS:
        at = datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    why = "before 2000" if time_ms < EARLIEST_MS else "more than a day after the record's timestamp"
    for unit, (times, over) in _UNITS.items():
        if _is_plausible(time_ms * times // over, now_ms):
            looks = f"it looks like {unit}, expected milliseconds"
            return f"{time_ms} ({at}) is {why}: {looks} (with `fields`: check the time's `format`)"
    return f"{time_ms} ({at}) is {why}"
