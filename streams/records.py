"""The unit of consuming: raw records of one topic-partition, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from streams.offsets import Span

Headers: TypeAlias = Sequence[tuple[str, bytes]]


class TopicPartition(NamedTuple):
    """One partition of one topic; equal to Faust's and aiokafka's own tuples."""

    topic: str
    partition: int


@dataclass(slots=True)
class RecordBatch:
    """Consecutive raw Kafka records of one topic-partition: n rows, in offset order.

    Offsets ascend but may have gaps (compaction, transaction markers).
    """

    tp: TopicPartition
    span: Span
    """The handle under which the `OffsetTracker` knows these records; holds their offsets."""
    timestamps_ms: Sequence[int]
    """Kafka's timestamp of each record, milliseconds since 1970."""
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    """None is a tombstone."""
    headers: Sequence[Headers]
    arrived: float
    """When it was fetched, on the worker's monotonic clock, seconds."""

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

    @property
    def last_offset(self) -> int:
        """The highest offset."""
        return self.span.offsets[-1]


@dataclass(slots=True)
class OutputRecord:
    """One record to produce."""

    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]] = field(default_factory=list)
