"""Forms micro-batches: decides what leaves together and when. No asyncio, no clock of its own.

A batch leaves when it is full, or when its oldest event has waited `max_wait_seconds` since it
arrived; it is asked for only when a model can take it, so while all are busy it goes on growing
to `max_batch_size` (late forming).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from streams.batching import Chunk, MicroBatch
from streams.settings import BatchSettings
from streams.waiting import Bucket, Positions

E = TypeVar("E")


class MicroBatcher(Generic[E]):
    """Waiting events by bucket and lane; only events of one bucket share a batch.

    The bucket is whatever the caller gives: None for all, a partition for models whose state
    belongs to one, a class of sizes where padding must be bounded. A lane is one of the agent's
    input topics, the first the most urgent.
    """

    def __init__(self, settings: BatchSettings, num_lanes: int = 1) -> None:
        self._settings = settings
        self._max_size = settings.max_batch_size
        self._num_lanes = num_lanes
        self._buckets: dict[Hashable, Bucket[E]] = {}

    def __len__(self) -> int:
        return sum(bucket.size for bucket in self._buckets.values())

    def limit_size(self, max_size: int) -> None:
        """Form no batch of more than `max_size` events, nor of more than the settings allow."""
        if max_size < self._max_size:
            self._max_size = max_size
            for bucket in self._buckets.values():
                bucket.max_size = max_size

    def num_waiting(self, lane: int) -> int:
        """Return how many events of a lane wait, in all buckets."""
        return sum(bucket.sizes[lane] for bucket in self._buckets.values())

    def add(self, chunk: Chunk[E], bucket: Hashable = None, lane: int = 0) -> None:
        """Queue a chunk's events behind those of its bucket and lane; an empty one is ignored."""
        if not chunk.events:
            return
        waiting = self._buckets.get(bucket)
        if waiting is None:
            waiting = self._buckets[bucket] = Bucket(self._settings, self._num_lanes)
            waiting.max_size = self._max_size
        waiting.add(chunk, lane)

    def due_at(self) -> float | None:
        """Return when a batch may leave (in the past: now), or None while nothing waits.

        Monotonic seconds. A full bucket has been due since its oldest event arrived.
        """
        return min((bucket.due_at() for bucket in self._buckets.values()), default=None)

    def take(self, now: float) -> MicroBatch[E] | None:
        """Form the batch whose turn it is, or return None if none is due yet.

        Of the buckets that are due, one whose first event is of an earlier lane goes first; of
        equals the one whose oldest event arrived first, full or not: so an event is passed over
        by no more than what arrived before it, and what its lane's rank lets go ahead.
        """
        due = [name for name, bucket in self._buckets.items() if bucket.due_at() <= now]
        if not due:
            return None
        name = due[0] if len(due) == 1 else min(due, key=self._turn)
        bucket = self._buckets[name]
        _, first_lane = bucket.first_lane()
        if self._num_lanes > 1:
            for other in self._buckets.values():
                other.count_pass(now)
        batch = MicroBatch(bucket.take(first_lane), name, now)
        if not bucket.size:
            del self._buckets[name]
        return batch

    def _turn(self, name: Hashable) -> tuple[int, float]:
        bucket = self._buckets[name]
        rank, _ = bucket.first_lane()
        return rank, bucket.oldest_arrival()

    def remove(self, which: Callable[[Chunk[E]], Positions]) -> list[Chunk[E]]:
        """Take out, and return, the events that `which` names of each chunk by their positions."""
        removed: list[Chunk[E]] = []
        for name, bucket in list(self._buckets.items()):
            removed += bucket.remove(which)
            if not bucket.size:
                del self._buckets[name]
        return removed
