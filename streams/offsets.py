"""Tracks, per partition, the offset below which every record is finished: the watermark.

Only the watermark is committed. So an offset is committed only when the broker has acknowledged the
result or the dead letter of every record below it (invariant 1). This module does not depend on
Kafka or on time: a partition is any hashable object.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence

from streams.input_buffer import RECORD_BYTES
from streams.span import Range, Span, ranges_of

#: A committed offset in Kafka is the offset of the next record to read.
_NEXT = 1


class _Partition:
    """The unfinished spans of one partition, in offset order."""

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
        """The lowest offset that was handed back unprocessed: the watermark never passes it."""
        self.next_offset: int | None = None
        """Where reading continues: offsets below it hold no record that is not tracked."""
        self.catch_up_end = 0
        """Records below it were finished by an earlier worker: the watermark is never lower."""

    def advance(self) -> None:
        """Drop finished spans at the front; move the watermark to the first unfinished record."""
        while self.spans and self.spans[0].num_open == 0:
            self.watermark = self.spans.popleft().offsets[-1] + _NEXT
        if not self.spans and self.next_offset is not None:
            self.watermark = max(self.next_offset, self.watermark or 0)
        elif self.spans and self.spans[0].head:
            self.watermark = self.spans[0].offsets[self.spans[0].head]
        if self.ceiling is not None and self.watermark is not None:
            self.watermark = min(self.watermark, self.ceiling)
        if self.watermark is not None:
            self.watermark = max(self.watermark, self.catch_up_end)


class OffsetTracker:
    """Tracks the records in work of every assigned partition, and the offsets to commit."""

    def __init__(self) -> None:
        self._partitions: dict[Hashable, _Partition] = {}

    def begin(self, partition: Hashable, position: int, start: int) -> None:
        """Set from which offset on a partition's records are not finished yet.

        Args:
            partition: a partition of which no record was read yet.
            position: records below it are finished. Reading them again does not move the
                watermark back.
            start: the offset of the first record to read, at or below the position.
        """
        state = self._partitions.setdefault(partition, _Partition())
        state.catch_up_end = state.committed = position
        state.next_offset = start

    def next_offset(self, partition: Hashable) -> int | None:
        """Return the offset of the next record to read; None if it is not known yet."""
        state = self._partitions.get(partition)
        return state.next_offset if state else None

    def catch_up_end(self, partition: Hashable) -> int:
        """Return the position that was passed to `begin`, 0 if it was not called."""
        state = self._partitions.get(partition)
        return state.catch_up_end if state else 0

    def committed_offset(self, partition: Hashable) -> int | None:
        """Return the last committed offset, None if it is not known."""
        state = self._partitions.get(partition)
        return state.committed if state else None

    def start(
        self,
        partition: Hashable,
        offsets: Sequence[int],
        num_bytes: int,
        timestamps_ms: Sequence[int] = (),
    ) -> Span:
        """Track records that were read, and return the span with which to finish them.

        Args:
            partition: the partition of the records.
            offsets: their ascending offsets, at least one, above all earlier ones.
            num_bytes: total size of their keys, values and headers.
            timestamps_ms: Kafka's timestamp of each, milliseconds since 1970; empty: not known.

        Raises:
            ValueError: an offset is not above all earlier ones.
        """
        state = self._partitions.setdefault(partition, _Partition())
        if state.spans and offsets[0] <= state.spans[-1].offsets[-1]:
            raise ValueError(
                f"{partition}: offset {offsets[0]} is already tracked "
                f"(up to {state.spans[-1].offsets[-1]})"
            )
        span = Span(partition, offsets, num_bytes, timestamps_ms)
        state.spans.append(span)
        state.next_offset = offsets[-1] + _NEXT
        state.num_records += len(offsets)
        state.num_bytes += num_bytes
        return span

    def read_to(self, partition: Hashable, offset: int) -> None:
        """Note that every record below an offset was passed to `start`.

        The offsets behind the last record hold none: transaction markers, aborted records, records
        removed by compaction. Once all records are finished, the watermark passes these too.

        Args:
            partition: the partition.
            offset: where reading continues; one that was passed before has no effect.
        """
        state = self._partitions.setdefault(partition, _Partition())
        if offset > (state.next_offset or 0):
            state.next_offset = offset
            state.advance()

    def finish(self, span: Span, rows: Sequence[int]) -> bool:
        """Mark rows as finished: the broker has acknowledged their results or dead letters.

        Args:
            span: the span that `start` returned.
            rows: ascending row numbers; each row is finished once.

        Returns:
            False, with nothing marked, if the partition was given up in the meantime.
        """
        if not rows or not span.is_live:
            return False
        for start, stop in ranges_of(rows):
            span.finish(start, stop)
        state = self._partitions[span.partition]
        state.num_records -= len(rows)
        if span.num_open == 0:
            state.num_bytes -= span.num_bytes
        state.advance()
        return True

    def finish_offset(self, partition: Hashable, offset: int) -> bool:
        """Mark one record as finished by its offset; return False if it was not unfinished.

        It serves plain Faust agents, which have no span. A second call has no effect.
        """
        state = self._partitions.get(partition)
        for span in state.spans if state else ():
            if span.offsets[0] <= offset <= span.offsets[-1]:
                row = bisect_left(span.offsets, offset)
                is_open = span.offsets[row] == offset and not span.is_finished(row)
                return is_open and self.finish(span, [row])
        return False

    def under_way(self, partition: Hashable) -> tuple[int, int]:
        """Return the number and size of a partition's records that are read and not finished."""
        state = self._partitions.get(partition)
        return (state.num_records, state.num_bytes) if state else (0, 0)

    def bytes_under_way(self) -> dict[Hashable, int]:
        """Return what the records in work of each partition take in memory, about."""
        return {
            partition: state.num_bytes + state.num_records * RECORD_BYTES
            for partition, state in list(self._partitions.items())  # metrics: another thread
            if state.num_records
        }

    def under_way_by_topic(self) -> dict[str, int]:
        """Return how many records of each topic are read and not finished.

        For partitions that are tuples of a topic and a number.
        """
        num_records: dict[str, int] = {}
        for partition, state in self._partitions.items():
            topic = partition[0]  # type: ignore[index]
            num_records[topic] = num_records.get(topic, 0) + state.num_records
        return num_records

    def num_taken(self) -> int:
        """Return how many records agents have begun to process and not finished."""
        return sum(
            span.num_open
            for state in self._partitions.values()
            for span in state.spans
            if span.taken
        )

    def watermark(self, partition: Hashable) -> int | None:
        """Return the offset to commit, None before any record is finished."""
        state = self._partitions.get(partition)
        return state.watermark if state else None

    def reach(self, partition: Hashable, rows: Iterable[tuple[Span, Sequence[int]]]) -> int | None:
        """Return where the watermark would be if these rows were finished as well.

        Args:
            partition: the partition of the spans.
            rows: spans with ascending numbers of unfinished rows; spans that are no longer
                tracked are ignored.
        """
        state = self._partitions.get(partition)
        if state is None:
            return None
        ranges: dict[Span, list[Range]] = {}
        for span, numbers in rows:
            if numbers:
                ranges.setdefault(span, []).extend(ranges_of(numbers))
        reached = state.watermark
        for span in state.spans:
            row = span.head_after(ranges.get(span, ()))
            if row == len(span.offsets):
                reached = span.offsets[-1] + _NEXT
                continue
            if row:
                reached = span.offsets[row]
            break
        else:
            if state.next_offset is not None:
                reached = max(reached or 0, state.next_offset)
        if reached is None:
            return None
        if state.ceiling is not None:
            reached = min(reached, state.ceiling)
        return max(reached, state.catch_up_end)

    def first_unfinished(self, partition: Hashable) -> int | None:
        """Return the lowest offset that is read and not finished; None if there is none."""
        state = self._partitions.get(partition)
        if state is None or not state.spans:
            return None
        return state.spans[0].offsets[state.spans[0].head]

    def oldest_timestamp_ms(self, partition: Hashable) -> int | None:
        """Return the timestamp of the first record that is read and not finished.

        Returns:
            Milliseconds since 1970; <= 0 if it has no timestamp; None if there is no such record.
        """
        state = self._partitions.get(partition)
        if state is None or not state.spans:
            return None
        span = state.spans[0]
        return span.timestamps_ms[span.head] if span.timestamps_ms else 0

    def committable(self) -> dict[Hashable, int]:
        """Return the watermarks that have moved since the last commit."""
        return {
            partition: state.watermark
            for partition, state in self._partitions.items()
            if state.watermark is not None and state.watermark != state.committed
        }

    def committed(self, offsets: dict[Hashable, int]) -> None:
        """Record the offsets that were committed."""
        for partition, offset in offsets.items():
            if partition in self._partitions:
                self._partitions[partition].committed = offset

    def give_up(self, partitions: Iterable[Hashable]) -> None:
        """Stop tracking partitions; finishing rows of their spans has no effect from now on."""
        for partition in list(partitions):
            state = self._partitions.pop(partition, None)
            for span in state.spans if state else ():
                span.is_live = False

    def give_up_untaken(self) -> None:
        """Drop the spans that no agent has begun to process; their records are fetched again."""
        self._drop(lambda span: not span.taken)

    def give_up_unfinished(self) -> None:
        """Drop all spans; the watermarks stay. Their records are read again, by another worker."""
        self._drop(lambda span: True)

    def _drop(self, is_dropped: Callable[[Span], bool]) -> None:
        for state in self._partitions.values():
            kept: deque[Span] = deque()
            for span in state.spans:
                if not is_dropped(span):
                    kept.append(span)
                    continue
                if state.ceiling is None:
                    state.ceiling = span.offsets[span.head]
                span.is_live = False
                state.num_records -= span.num_open
                if span.num_open:
                    state.num_bytes -= span.num_bytes
            state.spans = kept

    def partitions(self) -> list[Hashable]:
        """Return every tracked partition."""
        return list(self._partitions)
