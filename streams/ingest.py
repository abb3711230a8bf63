"""From record batches to events that may wait for the model: decoded, and young enough.

For live streams whose newest state counts, an agent has a deadline. The age of an event is the wall
clock's time minus its `event_time_ms`; the decoder has filled that in from the record's headers or
from Kafka's timestamp where the value leaves it out. So an age is known once a record is decoded,
and not before: a Kafka timestamp may lie on either side of the event time in the value. An event
without any time has no age and never expires; nor does one whose clock runs ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from schemas import Event, InputError
from schemas.errors import ExpiredError
from streams.batching import Chunk
from streams.decoding import Decoder
from streams.records import RecordBatch


class Deadline:
    """An age from which events are given up."""

    def __init__(self, seconds: float, wall_clock: Callable[[], float]) -> None:
        """Take the age in seconds, and a clock of Unix time in seconds."""
        self._seconds = seconds
        self._wall_clock = wall_clock

    def expired(self, events: Sequence[Event]) -> list[int]:
        """Return the positions of the events that are older than the deadline, ascending."""
        oldest_ms = (self._wall_clock() - self._seconds) * 1000.0
        return [i for i, event in enumerate(events) if 0 < event.event_time_ms < oldest_ms]

    def error(self, event: Event) -> ExpiredError:
        """Return the reason in the dead letter of an event that was given up."""
        age = self._wall_clock() - event.event_time_ms / 1000.0
        return ExpiredError(
            f"the event was {age:.3f} s old when it could have gone to the model: this agent's "
            f"deadline_seconds is {self._seconds:g}"
        )


@dataclass(slots=True)
class Ingested:
    """What became of a record batch's rows: each is in exactly one of the four."""

    chunk: Chunk[Any]
    failed: Sequence[tuple[int, InputError]]
    tombstones: Sequence[int]
    expired: Chunk[Any] | None = None


class Ingest:
    """Decodes one agent's record batches and sets expired events apart; thread-safe."""

    def __init__(self, decoder: Decoder[Any], deadline: Deadline | None = None) -> None:
        self._decoder = decoder
        self._deadline = deadline

    def read(self, batches: Sequence[RecordBatch]) -> list[Ingested]:
        """Decode record batches of any partitions; one answer for each, in order; never raises."""
        return [self._read(batch) for batch in batches]

    def _read(self, batch: RecordBatch) -> Ingested:
        decoded = self._decoder.decode(batch)
        chunk: Chunk[Any] = Chunk(batch, decoded.rows, decoded.events)
        expired = None
        if self._deadline and (late := self._deadline.expired(chunk.events)):
            expired = chunk.pick(late)
            gone = set(late)
            chunk = chunk.pick([i for i in range(len(chunk.events)) if i not in gone])
        return Ingested(chunk, decoded.failed, decoded.tombstones, expired)
