"""What waits for a model and what goes to it: chunks of record batches, and micro-batches of them.

`streams/micro_batcher.py` decides when a micro-batch leaves and what is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from streams.records import RecordBatch

E = TypeVar("E")


@dataclass(slots=True)
class Chunk(Generic[E]):
    """Events of one `RecordBatch`, in its order: row `rows[i]` became `events[i]`."""

    batch: RecordBatch
    rows: Sequence[int]
    events: Sequence[E]

    def split(self, size: int) -> tuple[Chunk[E], Chunk[E]]:
        """Return the first `size` events and the rest."""
        return self._slice(slice(size)), self._slice(slice(size, None))

    def _slice(self, part: slice) -> Chunk[E]:
        return Chunk(self.batch, self.rows[part], self.events[part])

    def pick(self, positions: Sequence[int]) -> Chunk[E]:
        """Return the events at some positions, ascending."""
        rows, events = self.rows, self.events
        return Chunk(self.batch, [rows[i] for i in positions], [events[i] for i in positions])


@dataclass(slots=True)
class MicroBatch(Generic[E]):
    """Events from many partitions, formed for one model call; of each partition in order."""

    chunks: list[Chunk[E]]
    formed: float
    """When it was formed, monotonic seconds."""

    @property
    def events(self) -> list[E]:
        """Every event, in the order of the chunks."""
        return [event for chunk in self.chunks for event in chunk.events]

    @property
    def oldest_arrival(self) -> float:
        """When its oldest event arrived, monotonic seconds."""
        return min(chunk.batch.arrived for chunk in self.chunks)

    def __len__(self) -> int:
        return sum(len(chunk.events) for chunk in self.chunks)
