"""Per partition, the highest offset below which every record is finished.

Nothing else is ever committed, so an offset is committed only when the result or the dead
letter of every record at or below it was acknowledged by the broker (invariant 1). Knows no
Kafka: partitions are any hashable, and time plays no part.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Hashable, Iterable, Sequence

#: Kafka's committed offset is that of the next record to read.
_NEXT = 1


class Span:
    """Records handed out together; rows finish in any order."""

    __slots__ = (
        "_ends",
        "head",
        "is_live",
        "num_bytes",
        "num_open",
        "offsets",
        "partition",
        "taken",
    )

    def __init__(self, partition: Hashable, offsets: Sequence[int], num_bytes: int) -> None:
        self.partition = partition
        self.offsets = offsets
        self.num_bytes = num_bytes
        self.num_open = len(offsets)
        self.head = 0
        """First row that is not finished."""
        self.taken = False
        """Whether an agent has begun on it; before that it can be handed back for nothing."""
        self.is_live = True
        """Whether its partition is still this worker's; if not, finishing has no effect."""
        self._ends: dict[int, int] = {}

    def is_finished(self, row: int) -> bool:
        """Whether a row, finished on its own, is marked already."""
        return row < self.head or row in self._ends

    def finish(self, start: int, stop: int) -> None:
        """Mark rows [start, stop) as finished; each row once."""
        self.num_open -= stop - start
        if start != self.head:
            self._ends[start] = stop
            return
        self.head = stop
        while (end := self._ends.pop(self.head, None)) is not None:
            self.head = end


class _Partition:
    """The open spans of one partition, in offset order."""

    __slots__ = (
        "catch_up_end",
        "ceiling",
        "committed",
        "next_offset",
        "num_bytes",
        "num_records",
        "spans",
        "watermark",
    )

    def __init__(self) -> None:
        self.spans: deque[Span] = deque()
        self.watermark: int | None = None
        self.committed: int | None = None
        self.num_records = 0
        self.num_bytes = 0
        self.ceiling: int | None = None
        """The lowest offset that was handed back: the watermark never passes it."""
        self.next_offset: int | None = None
        self.catch_up_end = 0
        """Everything below was finished before it was handed out here: the watermark's floor."""

    def advance(self) -> None:
        """Drop the finished spans in front and move the watermark up to the first open record."""
        while self.spans and self.spans[0].num_open == 0:
            self.watermark = self.spans.popleft().offsets[-1] + _NEXT
        if self.spans and self.spans[0].head:
            self.watermark = self.spans[0].offsets[self.spans[0].head]
        if self.ceiling is not None and self.watermark is not None:
            self.watermark = min(self.watermark, self.ceiling)
        if self.watermark is not None:
            self.watermark = max(self.watermark, self.catch_up_end)


class OffsetTracker:
    """Every assigned partition's records under way, and what may be committed of them."""

    def __init__(self) -> None:
        self._partitions: dict[Hashable, _Partition] = {}

    def begin(self, partition: Hashable, position: int, start: int) -> None:
        """Note from which offset on a partition's records are still to be finished.

        Args:
            partition: nothing of which was handed out yet.
            position: records below are finished; those that are handed out once more never move
                the watermark back.
            start: the offset that is read first, at the position or below.
        """
        state = self._partitions.setdefault(partition, _Partition())
        state.catch_up_end = state.committed = position
        state.next_offset = start

    def next_offset(self, partition: Hashable) -> int | None:
        """Return the offset above all that were handed out; None before `begin` or any."""
        state = self._partitions.get(partition)
        return state.next_offset if state else None

    def catch_up_end(self, partition: Hashable) -> int:
        """Return the offset that `begin` told of, 0 if it was not called."""
        state = self._partitions.get(partition)
        return state.catch_up_end if state else 0

    def committed_offset(self, partition: Hashable) -> int | None:
        """Return the offset that the broker has taken last, None if that is not known."""
        state = self._partitions.get(partition)
        return state.committed if state else None

    def start(self, partition: Hashable, offsets: Sequence[int], num_bytes: int) -> Span:
        """Note records that were handed out, and return the handle to finish them by.

        Args:
            partition: whose records; they follow all that were started before.
            offsets: ascending, at least one.
            num_bytes: of their keys and values.

        Raises:
            ValueError: the offsets go back behind what was started before.
        """
        state = self._partitions.setdefault(partition, _Partition())
        if state.spans and offsets[0] <= state.spans[-1].offsets[-1]:
            raise ValueError(
                f"{partition}: offset {offsets[0]} was handed out before "
                f"(up to {state.spans[-1].offsets[-1]})"
            )
        span = Span(partition, offsets, num_bytes)
        state.spans.append(span)
        state.next_offset = offsets[-1] + _NEXT
        state.num_records += len(offsets)
        state.num_bytes += num_bytes
        return span

    def finish(self, span: Span, rows: Sequence[int]) -> bool:
        """Mark rows as finished: their results or dead letters are with the broker.

        Args:
            span: what `start` returned.
            rows: ascending row numbers, each finished once.

        Returns:
            False if the partition was given up in the meantime: nothing is marked then.
        """
        if not rows or not span.is_live:
            return False
        for start, stop in runs(rows):
            span.finish(start, stop)
        state = self._partitions[span.partition]
        state.num_records -= len(rows)
        if span.num_open == 0:
            state.num_bytes -= span.num_bytes
        state.advance()
        return True

    def finish_offset(self, partition: Hashable, offset: int) -> bool:
        """Mark one record by its offset, for those who know no span; twice does no harm."""
        state = self._partitions.get(partition)
        for span in state.spans if state else ():
            if span.offsets[0] <= offset <= span.offsets[-1]:
                row = bisect_left(span.offsets, offset)
                known = span.offsets[row] == offset and not span.is_finished(row)
                return known and self.finish(span, [row])
        return False

    def under_way(self, partition: Hashable) -> tuple[int, int]:
        """Return the records and bytes of a partition that are handed out and not finished."""
        state = self._partitions.get(partition)
        return (state.num_records, state.num_bytes) if state else (0, 0)

    def num_taken(self) -> int:
        """Return how many records agents have begun on and not finished."""
        return sum(
            span.num_open
            for state in self._partitions.values()
            for span in state.spans
            if span.taken
        )

    def watermark(self, partition: Hashable) -> int | None:
        """Return the offset to commit, None before anything finished."""
        state = self._partitions.get(partition)
        return state.watermark if state else None

    def reach(self, partition: Hashable, rows: Iterable[tuple[Span, Sequence[int]]]) -> int | None:
        """Return where the watermark would be if these rows were finished as well.

        Args:
            partition: of the spans.
            rows: ascending row numbers of spans, not finished; of spans gone by, ignored.
        """
        state = self._partitions.get(partition)
        if state is None:
            return None
        ends: dict[Span, dict[int, int]] = {}
        for span, numbers in rows:
            if numbers:
                ends.setdefault(span, dict(span._ends)).update(runs(numbers))
        reached = state.watermark
        for span in state.spans:
            known, row = ends.get(span, {}), span.head
            while (end := known.get(row)) is not None:
                row = end
            if row == len(span.offsets):
                reached = span.offsets[-1] + _NEXT
                continue
            if row:
                reached = span.offsets[row]
            break
        if reached is None or state.ceiling is None:
            return reached
        return min(reached, state.ceiling)

    def position(self, partition: Hashable) -> int | None:
        """Return the lowest offset that is not finished, None before any record was seen."""
        state = self._partitions.get(partition)
        if state is None or not state.spans:
            return state.watermark if state else None
        return state.spans[0].offsets[state.spans[0].head]

    def committable(self) -> dict[Hashable, int]:
        """Return the watermarks that have moved since they were last committed."""
        return {
            partition: state.watermark
            for partition, state in self._partitions.items()
            if state.watermark is not None and state.watermark != state.committed
        }

    def committed(self, offsets: dict[Hashable, int]) -> None:
        """Note what the broker has taken."""
        for partition, offset in offsets.items():
            if partition in self._partitions:
                self._partitions[partition].committed = offset

    def give_up(self, partitions: Iterable[Hashable]) -> None:
        """Forget partitions: their open spans finish without effect from now on."""
        for partition in list(partitions):
            state = self._partitions.pop(partition, None)
            for span in state.spans if state else ():
                span.is_live = False

    def give_up_untaken(self) -> None:
        """Forget the spans that no agent has begun on; the records will be fetched again."""
        for state in self._partitions.values():
            kept = deque(span for span in state.spans if span.taken)
            for span in state.spans:
                if not span.taken:
                    if state.ceiling is None:
                        state.ceiling = span.offsets[span.head]
                    span.is_live = False
                    state.num_records -= span.num_open
                    state.num_bytes -= span.num_bytes
            state.spans = kept

    def partitions(self) -> list[Hashable]:
        """Return every partition that has been seen and not given up."""
        return list(self._partitions)


def runs(rows: Sequence[int]) -> list[tuple[int, int]]:
    """Return ascending row numbers as half-open ranges: [0, 1, 2, 5] -> [(0, 3), (5, 6)]."""
    if rows[-1] - rows[0] + 1 == len(rows):
        return [(rows[0], rows[-1] + 1)]
    found: list[tuple[int, int]] = []
    start = previous = rows[0]
    for row in rows[1:]:
        if row != previous + 1:
            found.append((start, previous + 1))
            start = row
        previous = row
    return [*found, (start, previous + 1)]
