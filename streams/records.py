"""Records that come in: raw records of one partition, as columns."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from streams.span import Span

Headers: TypeAlias = Sequence[tuple[str, bytes]]


class TopicPartition(NamedTuple):
    """One partition of one topic; equal to the tuples of Faust and aiokafka."""

    topic: str
    partition: int


class RawRecords(NamedTuple):
    """Consecutive records of one partition as columns: n >= 1 rows, in offset order."""

    offsets: Sequence[int]
    timestamps_ms: Sequence[int]
    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[Headers]
    num_bytes: int
    """Total size of keys and values."""

    def split(self, offset: int) -> tuple[RawRecords | None, RawRecords | None]:
        """Return the records below an offset and the rest; None for a side without records."""
        if self.offsets[-1] < offset:
            return self, None
        row = bisect_left(self.offsets, offset)
        if row == 0:
            return None, self
        return self._rows(0, row), self._rows(row, len(self.offsets))

    def _rows(self, start: int, stop: int) -> RawRecords:
        keys, values = self.keys[start:stop], self.values[start:stop]
        return RawRecords(
            self.offsets[start:stop],
            self.timestamps_ms[start:stop],
            keys,
            values,
            self.headers[start:stop],
            sum(map(len, filter(None, keys))) + sum(map(len, filter(None, values))),
        )


@dataclass(slots=True)
class RecordBatch:
    """Consecutive raw Kafka records of one topic-partition: n rows, in offset order.

    Offsets ascend but may have gaps (compaction, transaction markers).
    """

    tp: TopicPartition
    span: Span
    """The `OffsetTracker`'s handle for these records; holds their offsets."""
    timestamps_ms: Sequence[int]
    """Kafka's timestamp of each record, milliseconds since 1970."""
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    """None is a tombstone."""
    headers: Sequence[Headers]
    arrived: float
    """When it was fetched, in seconds of the worker's monotonic clock."""
    is_catch_up: bool = False
    """Already finished by an earlier worker: read again only so that an online model learns."""
    topic_id: str = ""
    """The id of the topic that the offsets belong to; "" if the broker gives none."""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def offsets(self) -> Sequence[int]:
        """The offset of each row."""
        return self.span.offsets

    @property
    def first_offset(self) -> int:
        """The lowest offset."""
        return self.span.offsets[0]
