"""The records of one fetch of a partition, and which of them are finished."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TypeAlias

Range: TypeAlias = tuple[int, int]
"""Row numbers [start, stop)."""


class Span:
    """Records of one fetch of a partition; their rows may finish in any order."""

    __slots__ = (
        "_ends",
        "head",
        "is_live",
        "num_bytes",
        "num_open",
        "offsets",
        "partition",
        "taken",
        "timestamps_ms",
    )

    def __init__(
        self,
        partition: Hashable,
        offsets: Sequence[int],
        num_bytes: int,
        timestamps_ms: Sequence[int] = (),
    ) -> None:
        self.partition = partition
        self.offsets = offsets
        self.num_bytes = num_bytes
        self.timestamps_ms = timestamps_ms
        """Kafka's timestamp of each row, milliseconds since 1970; empty: not known."""
        self.num_open = len(offsets)
        self.head = 0
        """The first row that is not finished."""
        self.taken = False
        """Whether an agent has begun to process it; before that, dropping it costs nothing."""
        self.is_live = True
        """Whether this worker still holds its partition; if not, finishing rows has no effect."""
        self._ends: dict[int, int] = {}
        """Finished ranges of rows above `head`: their ends by their starts."""

    def is_finished(self, row: int) -> bool:
        """Whether a row is finished; only valid for rows that are finished one at a time."""
        return row < self.head or row in self._ends

    def finish(self, start: int, stop: int) -> None:
        """Mark rows [start, stop) as finished; call it once for each row."""
        self.num_open -= stop - start
        if start != self.head:
            self._ends[start] = stop
            return
        self.head = stop
        while (end := self._ends.pop(self.head, None)) is not None:
            self.head = end

    def head_after(self, ranges: Iterable[Range]) -> int:
        """Return what `head` would be if these ranges of unfinished rows were finished as well."""
        ends = {**self._ends, **dict(ranges)}
        row = self.head
        while (end := ends.get(row)) is not None:
            row = end
        return row


def ranges_of(rows: Sequence[int]) -> list[Range]:
    """Convert ascending row numbers, at least one, to ranges: [0, 1, 2, 5] -> [(0, 3), (5, 6)]."""
    if rows[-1] - rows[0] + 1 == len(rows):
        return [(rows[0], rows[-1] + 1)]
    ranges: list[Range] = []
    start = previous = rows[0]
    for row in rows[1:]:
        if row != previous + 1:
            ranges.append((start, previous + 1))
            start = row
        previous = row
    return [*ranges, (start, previous + 1)]
