"""Forms micro-batches: decides when a batch leaves and which events it holds.

It uses no asyncio and no clock. A batch leaves when it is full, when its oldest event has waited
`max_wait_seconds` since it arrived, or at once if a model copy is idle: waiting would gain nothing
then. Under load batches grow without waiting, because events collect while the model is busy.

A lane is one of an agent's input topics, in order of priority. A batch takes events from earlier
lanes first and fills up from later ones. No lane starves: if a lane's oldest event has waited
`max_wait_seconds` and the lane had no place in `MAX_PASSES` batches in a row, it goes first in the
next. That costs the earlier lanes one batch in eleven, and only while they fill every batch alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeAlias, TypeVar

from streams.batching import Chunk, MicroBatch
from streams.settings import BatchSettings

E = TypeVar("E")

#: Ascending positions of events in a chunk.
Positions: TypeAlias = Sequence[int]

#: Number of batches in a row that may leave out a lane whose wait is over.
MAX_PASSES = 10


class MicroBatcher(Generic[E]):
    """Queues of events that wait for the model, one for each lane."""

    def __init__(self, settings: BatchSettings, num_lanes: int = 1) -> None:
        self._max_size = settings.max_batch_size
        self._max_wait = settings.max_wait_seconds
        self._lanes: list[deque[Chunk[E]]] = [deque() for _ in range(num_lanes)]
        self._sizes = [0] * num_lanes
        self._passes = [0] * num_lanes

    def __len__(self) -> int:
        return sum(self._sizes)

    def limit_size(self, max_size: int) -> None:
        """Lower the maximum batch size to `max_size` events; never raises it."""
        self._max_size = min(self._max_size, max_size)

    def num_waiting(self, lane: int) -> int:
        """Return how many events wait in a lane."""
        return self._sizes[lane]

    def add(self, chunk: Chunk[E], lane: int = 0) -> None:
        """Append a chunk's events to a lane; an empty chunk is ignored."""
        if chunk.events:
            self._lanes[lane].append(chunk)
            self._sizes[lane] += len(chunk.events)

    def due_at(self) -> float | None:
        """Return when the next batch is due while no model is idle; None if no event waits.

        The time is in monotonic seconds. For a full batch it is the arrival of its oldest event,
        so the batch is due already.
        """
        size = len(self)
        if not size:
            return None
        arrived = min(queue[0].batch.arrived for queue in self._lanes if queue)
        return arrived if size >= self._max_size else arrived + self._max_wait

    def take(self, now: float, is_idle: bool = False) -> MicroBatch[E] | None:
        """Form and return the next batch; None if none is due.

        Args:
            now: the time in monotonic seconds.
            is_idle: whether a model copy is idle: then all waiting events may leave at once.
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
        """Return a lane that was left out too often, else the first lane with waiting events."""
        waiting = [lane for lane, size in enumerate(self._sizes) if size]
        return next((lane for lane in waiting if self._passes[lane] >= MAX_PASSES), waiting[0])

    def _count_passes(self, now: float) -> None:
        """Count a pass for each lane whose wait is over; `_take` resets the lanes that it uses."""
        for lane, queue in enumerate(self._lanes):
            if queue and queue[0].batch.arrived + self._max_wait <= now:
                self._passes[lane] += 1

    def _take(self, first_lane: int) -> list[Chunk[E]]:
        """Remove the next batch's events: from the first lane, then from the others in order."""
        chunks: list[Chunk[E]] = []
        room = self._max_size
        for lane in (first_lane, *(i for i in range(len(self._lanes)) if i != first_lane)):
            queue, before = self._lanes[lane], room
            while queue and room > 0:
                chunk = queue.popleft()
                if room < len(chunk.events):
                    chunk, rest = chunk.split(room)  # perhaps more events than `room`
                    if rest.events:
                        queue.appendleft(rest)
                chunks.append(chunk)
                room -= len(chunk.events)
            self._sizes[lane] -= before - room
            if room < before:
                self._passes[lane] = 0
        return chunks

    def remove(self, select: Callable[[Chunk[E]], Positions]) -> list[Chunk[E]]:
        """Remove and return events; `select` returns their positions in each waiting chunk."""
        removed: list[Chunk[E]] = []
        for lane, queue in enumerate(self._lanes):
            chunks = list(_removed(queue, select))
            self._sizes[lane] -= sum(len(chunk.events) for chunk in chunks)
            removed += chunks
        return removed


def _removed(queue: deque[Chunk[E]], select: Callable[[Chunk[E]], Positions]) -> Iterator[Chunk[E]]:
    """Remove and yield the selected events of a queue's chunks; the others keep their order."""
    for _ in range(len(queue)):
        chunk = queue.popleft()
        positions = select(chunk)
        if not positions:
            queue.append(chunk)
            continue
        if len(positions) < len(chunk.events):
            removed = set(positions)
            queue.append(chunk.pick([i for i in range(len(chunk.events)) if i not in removed]))
        yield chunk.pick(positions)


def positions_of_stale(chunk: Chunk[E]) -> Positions:
    """Return all positions of a chunk if its partition was given up, else none."""
    return () if chunk.batch.span.is_live else range(len(chunk.events))
