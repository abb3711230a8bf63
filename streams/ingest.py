"""Decodes record batches and removes events that are older than the agent's deadline.

An agent on a live stream, where only the newest events matter, has a deadline. The age of an event
is the wall clock's time minus its `event_time_ms`. If the value has no event time, the decoder has
taken it from the record's headers or from Kafka's timestamp. So the age is known only after
decoding: a Kafka timestamp may be before or after the event time in the value. An event whose time
is implausible (`streams/event_times.py`) is as old as its record. An event without any time never
expires, nor does one whose time lies in the future.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from schemas import InputError
from schemas.errors import ExpiredError
from streams.batching import Chunk
from streams.decoding import Decoded
from streams.event_times import EventTimes, Implausible, times_for_age
from streams.records import RecordBatch


class Deadline:
    """The age above which events expire."""

    def __init__(self, seconds: float, wall_clock: Callable[[], float]) -> None:
        """Set the age in seconds, and a clock that returns Unix time in seconds."""
        self._seconds = seconds
        self._wall_clock = wall_clock

    def expired(self, chunk: Chunk[Any]) -> list[int]:
        """Return the positions of the events older than the deadline, ascending."""
        now = self._wall_clock()
        oldest_ms = (now - self._seconds) * 1000.0
        times_ms = times_for_age(chunk, int(now * 1000))
        return [i for i, time_ms in enumerate(times_ms) if 0 < time_ms < oldest_ms]

    def errors(self, chunk: Chunk[Any]) -> list[tuple[int, InputError]]:
        """Return a row and the error for its dead letter for each event; all have expired."""
        now = self._wall_clock()
        times_ms = times_for_age(chunk, int(now * 1000))
        return [
            (row, self._error(now - time_ms / 1000.0))
            for row, time_ms in zip(chunk.rows, times_ms, strict=True)
        ]

    def _error(self, age: float) -> ExpiredError:
        return ExpiredError(
            f"the event was {age:.3f} s old before it reached the model; this agent's "
            f"deadline_seconds is {self._seconds:g}"
        )


class BatchDecoder(Protocol):
    """Turns a record batch into events; `Decoder` or `MappedDecoder`."""

    reads_files: bool
    """Whether it may wait for a disk or a network."""

    def decode(self, batch: RecordBatch) -> Decoded[Any]:
        """Return what became of each row.

        Raises:
            SourceAwayError: something that a record refers to can't be reached now. Only if
                `reads_files`.
        """
        ...


@dataclass(slots=True)
class Ingested:
    """The rows of a record batch by outcome: each row is in exactly one of the five."""

    chunk: Chunk[Any]
    failed: Sequence[tuple[int, InputError]]
    tombstones: Sequence[int]
    filtered: Mapping[str, Sequence[int]]
    """Rows that need no answer, by reason."""
    expired: Chunk[Any] | None = None
    implausible: Implausible | None = None
    """Event times that can't be right, handled by the agent's rule."""


class Ingest:
    """Decodes one agent's record batches and separates expired events; thread-safe."""

    def __init__(
        self,
        decoder: BatchDecoder,
        deadline: Deadline | None = None,
        event_times: EventTimes | None = None,
    ) -> None:
        self._decoder = decoder
        self._deadline = deadline
        self._event_times = event_times or EventTimes()

    def read(self, batches: Sequence[RecordBatch]) -> list[Ingested]:
        """Decode record batches of any partitions, in order.

        Raises:
            SourceAwayError: as the decoder does.
        """
        return [self._read(batch, self._decoder.decode(batch)) for batch in batches]

    def read_row(self, batch: RecordBatch, row: int) -> Ingested:
        """Decode one row of a record batch alone.

        Raises:
            SourceAwayError: as the decoder does.
        """
        part = slice(row, row + 1)
        alone = replace(
            batch,
            timestamps_ms=batch.timestamps_ms[part],
            keys=batch.keys[part],
            values=batch.values[part],
            headers=batch.headers[part],
        )
        found = self._decoder.decode(alone)
        moved: Decoded[Any] = Decoded(
            [row] * len(found.rows),
            found.events,
            [(row, error) for _, error in found.failed],
            [row] * len(found.tombstones),
            {reason: [row] * len(rows) for reason, rows in found.filtered.items()},
        )
        return self._read(batch, moved)

    def _read(self, batch: RecordBatch, decoded: Decoded[Any]) -> Ingested:
        chunk: Chunk[Any] = Chunk(batch, decoded.rows, decoded.events)
        chunk, refused, implausible = self._event_times.apply(chunk)
        expired = None
        if self._deadline and (late := self._deadline.expired(chunk)):
            expired = chunk.pick(late)
            dropped = set(late)
            chunk = chunk.pick([i for i in range(len(chunk.events)) if i not in dropped])
        failed = [*decoded.failed, *refused]
        return Ingested(chunk, failed, decoded.tombstones, decoded.filtered, expired, implausible)
