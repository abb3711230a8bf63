"""Chunks of decoded events that wait for a model, and the micro-batches formed from them.

`streams/micro_batcher.py` decides when a micro-batch leaves and which chunks it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from streams.records import RecordBatch

E = TypeVar("E")


@dataclass(slots=True)
class Chunk(Generic[E]):
    """Events of one `RecordBatch`, in its order: `events[i]` was decoded from row `rows[i]`.

    A record with several events has several entries in a row, which always stay in one chunk: its
    outcome is known once all of them are answered.
    """

    batch: RecordBatch
    rows: Sequence[int]
    events: Sequence[E]

    def split(self, size: int) -> tuple[Chunk[E], Chunk[E]]:
        """Return the first `size` events and the rest; more where a record would be cut."""
        rows = self.rows
        while size < len(rows) and rows[size] == rows[size - 1]:
            size += 1
        return self._slice(slice(size)), self._slice(slice(size, None))

    @property
    def num_records(self) -> int:
        """How many records the events are of."""
        return len(self.rows) if isinstance(self.rows, range) else len(set(self.rows))

    def _slice(self, part: slice) -> Chunk[E]:
        return Chunk(self.batch, self.rows[part], self.events[part])

    def pick(self, positions: Sequence[int]) -> Chunk[E]:
        """Return the events at the given positions, which must ascend."""
        rows, events = self.rows, self.events
        return Chunk(self.batch, [rows[i] for i in positions], [events[i] for i in positions])


@dataclass(slots=True)
class MicroBatch(Generic[E]):
    """Events for one model call, from any number of partitions, in order for each partition."""

    chunks: list[Chunk[E]]
    formed: float
    """When it was formed, in monotonic seconds."""
    trace: Any = None
    """Its `BatchSpan` while it is answered, if any of its records is sampled for tracing."""

    @property
    def events(self) -> list[E]:
        """All events, in the order of the chunks."""
        return [event for chunk in self.chunks for event in chunk.events]

    @property
    def oldest_arrival(self) -> float:
        """When its oldest event arrived, in monotonic seconds."""
        return min(chunk.batch.arrived for chunk in self.chunks)

    def __len__(self) -> int:
        return sum(len(chunk.events) for chunk in self.chunks)
