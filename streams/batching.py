"""Forms micro-batches: decides what leaves together and when. No asyncio, no clock of its own.

A batch leaves when it is full, or when its oldest event has waited `max_wait_seconds` since it
arrived; it is asked for only when a model can take it, so while all are busy it goes on growing
to `max_batch_size` (late forming).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from streams.records import RecordBatch
from streams.settings import BatchSettings

E = TypeVar("E")


@dataclass(slots=True)
class Chunk(Generic[E]):
    """Events of one `RecordBatch`, in its order: row `rows[i]` became `events[i]`."""

    batch: RecordBatch
    rows: Sequence[int]
    events: Sequence[E]

    def split(self, size: int) -> tuple[Chunk[E], Chunk[E]]:
        """Return the first `size` events and the rest."""
        return (
            Chunk(self.batch, self.rows[:size], self.events[:size]),
            Chunk(self.batch, self.rows[size:], self.events[size:]),
        )


@dataclass(slots=True)
class MicroBatch(Generic[E]):
    """Events from many partitions, formed for one model call."""

    chunks: list[Chunk[E]]
    bucket: Hashable
    formed: float
    """When it left the batcher, monotonic seconds."""

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


class MicroBatcher(Generic[E]):
    """Waiting events by bucket; only events of one bucket share a batch.

    The bucket is whatever the caller gives: None for all, a partition for models whose state
    belongs to one, a length class where padding must be bounded.
    """

    def __init__(self, settings: BatchSettings) -> None:
        self._max_size = settings.max_batch_size
        self._max_wait = settings.max_wait_seconds
        self._waiting: dict[Hashable, deque[Chunk[E]]] = {}
        self._sizes: dict[Hashable, int] = {}

    def __len__(self) -> int:
        return sum(self._sizes.values())

    def limit_size(self, max_size: int) -> None:
        """Form no batch of more than `max_size` events, nor of more than the settings allow."""
        self._max_size = min(self._max_size, max_size)

    def add(self, chunk: Chunk[E], bucket: Hashable = None) -> None:
        """Queue a chunk's events behind those of its bucket; an empty chunk is ignored."""
        if not chunk.events:
            return
        self._waiting.setdefault(bucket, deque()).append(chunk)
        self._sizes[bucket] = self._sizes.get(bucket, 0) + len(chunk.events)

    def due_at(self) -> float | None:
        """Return when a batch may leave (in the past: now), or None while nothing waits.

        Monotonic seconds. A full bucket has been due since its oldest event arrived.
        """
        dues = [self._due_at(bucket) for bucket in self._waiting]
        return min(dues, default=None)

    def _due_at(self, bucket: Hashable) -> float:
        arrived = self._waiting[bucket][0].batch.arrived
        return arrived if self._sizes[bucket] >= self._max_size else arrived + self._max_wait

    def take(self, now: float) -> MicroBatch[E] | None:
        """Form the batch that has been due longest, or return None if none is due yet."""
        if not self._waiting:
            return None
        bucket = min(self._waiting, key=self._due_at)
        if self._due_at(bucket) > now:
            return None
        return MicroBatch(self._take_from(bucket), bucket, now)

    def _take_from(self, bucket: Hashable) -> list[Chunk[E]]:
        queue = self._waiting[bucket]
        room = self._max_size
        chunks: list[Chunk[E]] = []
        while queue and room:
            chunk = queue.popleft()
            if len(chunk.events) > room:
                chunk, rest = chunk.split(room)
                queue.appendleft(rest)
            chunks.append(chunk)
            room -= len(chunk.events)
        self._sizes[bucket] -= self._max_size - room
        if not queue:
            del self._waiting[bucket], self._sizes[bucket]
        return chunks

    def drop_stale(self) -> int:
        """Forget events whose partition was given up; return how many."""
        dropped = 0
        for bucket, queue in list(self._waiting.items()):
            kept = deque(chunk for chunk in queue if chunk.batch.span.is_live)
            lost = sum(len(c.events) for c in queue) - sum(len(c.events) for c in kept)
            dropped += lost
            self._sizes[bucket] -= lost
            self._waiting[bucket] = kept
            if not kept:
                del self._waiting[bucket], self._sizes[bucket]
        return dropped
