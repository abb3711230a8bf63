"""What waits in one bucket: a queue for each lane, and the next batch that they would make.

A lane is one of an agent's input topics, in order of priority. Earlier lanes go into a batch
first, later ones fill it up. So that no lane is passed over for ever, one whose oldest event has
waited `max_wait_seconds` and that got no place in `MAX_PASSES` batches in a row goes first in the
next: that costs the earlier lanes one batch in eleven, and only while they alone fill them all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeAlias, TypeVar

import numpy as np

from streams.batching import Chunk
from streams.settings import BatchSettings

E = TypeVar("E")

#: Of a chunk, ascending.
Positions: TypeAlias = Sequence[int]

#: Batches in a row that may pass over a lane whose wait is over.
MAX_PASSES = 10


class Bucket(Generic[E]):
    """Events that may share a batch. Never empty but when it is made."""

    def __init__(self, settings: BatchSettings, num_lanes: int) -> None:
        self.max_size = settings.max_batch_size
        """Of a batch; may be lowered."""
        self._max_weight = settings.max_batch_weight
        self._max_wait = settings.max_wait_seconds
        self._lanes: list[deque[Chunk[E]]] = [deque() for _ in range(num_lanes)]
        self._passes = [0] * num_lanes
        self._heaviest = 0
        self.sizes = [0] * num_lanes
        """Events of each lane."""

    @property
    def size(self) -> int:
        """Events of all lanes."""
        return sum(self.sizes)

    def add(self, chunk: Chunk[E], lane: int) -> None:
        """Queue a chunk's events, at least one, behind those of its lane."""
        self._lanes[lane].append(chunk)
        self.sizes[lane] += len(chunk.events)
        if chunk.weights is not None:
            self._heaviest = max(self._heaviest, *chunk.weights)

    def oldest_arrival(self) -> float:
        """Return when the oldest event arrived, monotonic seconds."""
        return min(queue[0].batch.arrived for queue in self._lanes if queue)

    def due_at(self) -> float:
        """Return when the next batch may leave: at once if it is full, else at the wait's end."""
        arrived = self.oldest_arrival()
        return arrived if self._is_full() else arrived + self._max_wait

    def _is_full(self) -> bool:
        """Whether the next batch can't grow any more."""
        if self.size >= self.max_size:
            return True
        return self._max_weight is not None and self.size * self._heaviest >= self._max_weight

    def first_lane(self) -> tuple[int, int]:
        """Return the rank of the lane to begin with and the lane; of equals the lower goes first.

        The rank is the lane's own number, or -1 if it has been passed over too often.
        """
        waiting = [lane for lane, size in enumerate(self.sizes) if size]
        for lane in waiting:
            if self._passes[lane] >= MAX_PASSES:
                return -1, lane
        return waiting[0], waiting[0]

    def count_pass(self, now: float) -> None:
        """Count a batch that is about to be formed against each lane whose wait is over."""
        for lane, queue in enumerate(self._lanes):
            if queue and queue[0].batch.arrived + self._max_wait <= now:
                self._passes[lane] += 1

    def take(self, first_lane: int) -> list[Chunk[E]]:
        """Take out the next batch: what fits of the first lane, then of the others in order."""
        chunks: list[Chunk[E]] = []
        size = heaviest = 0
        for lane in (first_lane, *(i for i in range(len(self._lanes)) if i != first_lane)):
            queue, before = self._lanes[lane], size
            while queue and (fitting := self._num_fitting(queue[0], size, heaviest)):
                chunk = queue.popleft()
                if fitting < len(chunk.events):
                    chunk, rest = chunk.split(fitting)
                    queue.appendleft(rest)
                chunks.append(chunk)
                size += fitting
                if chunk.weights is not None:
                    heaviest = max(heaviest, *chunk.weights)
            self.sizes[lane] -= size - before
            if size > before:
                self._passes[lane] = 0
        self._weigh()
        return chunks

    def _num_fitting(self, chunk: Chunk[E], size: int, heaviest: int) -> int:
        """Return how many of a chunk's events fit a batch that has `size` already.

        What counts is the padded weight, events times the heaviest: what a tensor of them takes.
        An event that is over the limit by itself fits an empty batch.
        """
        room = min(self.max_size - size, len(chunk.events))
        if self._max_weight is None or chunk.weights is None:
            return room
        tallest = np.maximum.accumulate(np.asarray(chunk.weights[:room], dtype=np.int64))
        padded = np.maximum(tallest, heaviest) * np.arange(size + 1, size + 1 + room)
        fitting = int(np.searchsorted(padded, self._max_weight, side="right"))
        return fitting if size else max(fitting, 1)

    def _weigh(self) -> None:
        if self._heaviest:
            chunks = (chunk for queue in self._lanes for chunk in queue)
            self._heaviest = max((max(c.weights) for c in chunks if c.weights), default=0)

    def remove(self, which: Callable[[Chunk[E]], Positions]) -> list[Chunk[E]]:
        """Take out the events that `which` names of each chunk."""
        removed: list[Chunk[E]] = []
        for lane, queue in enumerate(self._lanes):
            found = list(_removed(queue, which))
            self.sizes[lane] -= sum(len(chunk.events) for chunk in found)
            removed += found
        if removed:
            self._weigh()
        return removed


def _removed(queue: deque[Chunk[E]], which: Callable[[Chunk[E]], Positions]) -> Iterator[Chunk[E]]:
    """Yield what `which` names of a queue's chunks; the rest of each keeps its place."""
    for _ in range(len(queue)):
        chunk = queue.popleft()
        positions = which(chunk)
        if not positions:
            queue.append(chunk)
            continue
        if len(positions) < len(chunk.events):
            gone = set(positions)
            queue.append(chunk.pick([i for i in range(len(chunk.events)) if i not in gone]))
        yield chunk.pick(positions)


def positions_of_stale(chunk: Chunk[E]) -> Positions:
    """Return all positions of a chunk whose partition was given up, none of any other."""
    return () if chunk.batch.span.is_live else range(len(chunk.events))
