"""Forms micro-batches: decides what leaves together and when. No asyncio, no clock.

A batch leaves when it is full, when its oldest event has waited `max_wait_seconds` since it
arrived, or at once when a model is idle: nothing is gained by waiting beside an idle model, and
under load batches grow by themselves, because events gather while the model is busy.

A lane is one of an agent's input topics, in order of priority. Earlier lanes go into a batch first,
later ones fill it up. So that no lane starves, one whose oldest event has waited
`max_wait_seconds` and that got no place in `MAX_PASSES` batches in a row goes first in the next:
that costs the earlier lanes one batch in eleven, and only while they fill every batch alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeAlias, TypeVar

from streams.batching import Chunk, MicroBatch
from streams.settings import BatchSettings

E = TypeVar("E")

#: Positions in a chunk, ascending.
Positions: TypeAlias = Sequence[int]

#: Batches in a row that may pass over a lane whose wait is over.
MAX_PASSES = 10


class MicroBatcher(Generic[E]):
    """Events that wait for the model, in a queue for each lane."""

    def __init__(self, settings: BatchSettings, num_lanes: int = 1) -> None:
        self._max_size = settings.max_batch_size
        self._max_wait = settings.max_wait_seconds
        self._lanes: list[deque[Chunk[E]]] = [deque() for _ in range(num_lanes)]
        self._sizes = [0] * num_lanes
        self._passes = [0] * num_lanes

    def __len__(self) -> int:
        return sum(self._sizes)

    def limit_size(self, max_size: int) -> None:
        """Form no batch of more than `max_size` events, nor of more than the settings allow."""
        self._max_size = min(self._max_size, max_size)

    def num_waiting(self, lane: int) -> int:
        """Return how many events of a lane wait."""
        return self._sizes[lane]

    def add(self, chunk: Chunk[E], lane: int = 0) -> None:
        """Queue a chunk's events behind those of its lane; an empty chunk is ignored."""
        if chunk.events:
            self._lanes[lane].append(chunk)
            self._sizes[lane] += len(chunk.events)

    def due_at(self) -> float | None:
        """Return when a batch may leave a busy model's queue, or None while nothing waits.

        Monotonic seconds. A full batch has been due since its oldest event arrived.
        """
        size = len(self)
        if not size:
            return None
        arrived = min(queue[0].batch.arrived for queue in self._lanes if queue)
        return arrived if size >= self._max_size else arrived + self._max_wait

    def take(self, now: float, is_idle: bool = False) -> MicroBatch[E] | None:
        """Form the next batch; return None if none is due.

        Args:
            now: monotonic seconds.
            is_idle: whether a model waits for work: then whatever is there leaves at once.
        """
        due_at = self.due_at()
        if due_at is None or not (is_idle or due_at <= now):
            return None
        first_lane = 0
        if len(self._lanes) > 1:
            first_lane = self._first_lane()
            self._count_passes(now)
        return MicroBatch(self._take(first_lane), now)

    def _first_lane(self) -> int:
        """Return the most urgent lane that waits, or one that has been passed over too often."""
        waiting = [lane for lane, size in enumerate(self._sizes) if size]
        return next((lane for lane in waiting if self._passes[lane] >= MAX_PASSES), waiting[0])

    def _count_passes(self, now: float) -> None:
        """Count the batch that is about to be formed against each lane whose wait is over."""
        for lane, queue in enumerate(self._lanes):
            if queue and queue[0].batch.arrived + self._max_wait <= now:
                self._passes[lane] += 1

    def _take(self, first_lane: int) -> list[Chunk[E]]:
        """Take out the next batch: what fits of the first lane, then of the others in order."""
        chunks: list[Chunk[E]] = []
        room = self._max_size
        for lane in (first_lane, *(i for i in range(len(self._lanes)) if i != first_lane)):
            queue, before = self._lanes[lane], room
            while queue and room:
                chunk = queue.popleft()
                if room < len(chunk.events):
                    chunk, rest = chunk.split(room)
                    queue.appendleft(rest)
                chunks.append(chunk)
                room -= len(chunk.events)
            self._sizes[lane] -= before - room
            if room < before:
                self._passes[lane] = 0
        return chunks

    def remove(self, which: Callable[[Chunk[E]], Positions]) -> list[Chunk[E]]:
        """Take out, and return, the events that `which` names of each chunk by their positions."""
        removed: list[Chunk[E]] = []
        for lane, queue in enumerate(self._lanes):
            chunks = list(_removed(queue, which))
            self._sizes[lane] -= sum(len(chunk.events) for chunk in chunks)
            removed += chunks
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
