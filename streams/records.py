"""The unit of consuming: raw records of one topic-partition, as columns."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from streams.kafka.record_format import (
    compress,
    decode_records,
    decompress,
    encode_headers,
    encode_records,
)
from streams.offsets import Span

Headers: TypeAlias = Sequence[tuple[str, bytes]]


class TopicPartition(NamedTuple):
    """One partition of one topic; equal to Faust's and aiokafka's own tuples."""

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
    """Of keys and values."""

    def split(self, offset: int) -> tuple[RawRecords | None, RawRecords | None]:
        """Return the records below an offset and the others, None where there are none."""
        if self.offsets[-1] < offset:
            return self, None
        at = bisect_left(self.offsets, offset)
        return (self._rows(0, at), self._rows(at, len(self.offsets))) if at else (None, self)

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
    """The handle under which the `OffsetTracker` knows these records; holds their offsets."""
    timestamps_ms: Sequence[int]
    """Kafka's timestamp of each record, milliseconds since 1970."""
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    """None is a tombstone."""
    headers: Sequence[Headers]
    arrived: float
    """When it was fetched, on the worker's monotonic clock, seconds."""
    is_catch_up: bool = False
    """Finished by an earlier worker: read again only for an online model to learn from it."""

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
    headers: list[tuple[str, bytes]]


@dataclass(slots=True)
class OutputRecords:
    """Records to produce, as columns: n rows, in order."""

    keys: list[bytes | None] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)
    headers: list[bytes] = field(default_factory=list)
    """As `record_writer.encode_headers` writes them."""

    def __len__(self) -> int:
        return len(self.values)

    def append(self, record: OutputRecord) -> None:
        """Add one row."""
        self.keys.append(record.key)
        self.values.append(record.value)
        self.headers.append(encode_headers(record.headers))

    def pack(self, packing: Packing) -> PackedRecords:
        """Return the records as they go into producer batches.

        Meant to be called on the thread that made the columns, while they are in its cache.
        """
        packed = PackedRecords()
        row = 0
        while row < len(self):
            start = row
            encoded, row = encode_records(
                self.keys, self.values, self.headers, start, packing.max_bytes
            )
            packed.batches.append(PackedBatch(row - start, *compress(encoded, packing.codec)))
        return packed

    def rows(self, start: int, stop: int) -> OutputRecords:
        """Return rows [start, stop)."""
        part = slice(start, stop)
        return OutputRecords(self.keys[part], self.values[part], self.headers[part])

    @classmethod
    def joined(cls, parts: Sequence[OutputRecords]) -> OutputRecords:
        """Return the rows of all parts, one part after the other."""
        if len(parts) == 1:
            return parts[0]
        columns = cls()
        for part in parts:
            columns.keys += part.keys
            columns.values += part.values
            columns.headers += part.headers
        return columns

    @classmethod
    def of(cls, records: Iterable[OutputRecord]) -> OutputRecords:
        """Return single records as columns."""
        columns = cls()
        for record in records:
            columns.append(record)
        return columns


@dataclass(frozen=True, slots=True)
class Packing:
    """How producer batches are made."""

    max_bytes: int = 512 * 1024
    """Of a batch's records, before compression; the broker takes 1,048,588 by default."""
    codec: int = 0
    """One of `compression.CODECS`."""


class PackedBatch(NamedTuple):
    """The records of one producer batch."""

    num_records: int
    encoded: bytes
    """As `record_writer.encode_records` writes them, compressed by the codec."""
    codec: int = 0
    """0: not compressed."""


@dataclass(slots=True)
class PackedRecords:
    """Records to produce, encoded: a few objects, whatever the number of records.

    They wait for their acknowledgement so: columns would hold three objects a record, which are
    cold, and dear to free, by then.
    """

    batches: list[PackedBatch] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(batch.num_records for batch in self.batches)

    @property
    def num_bytes(self) -> int:
        """Of all records, as they go out."""
        return sum(len(batch.encoded) for batch in self.batches)

    def unpack(self) -> OutputRecords:
        """Return the records as columns again."""
        columns = OutputRecords()
        for batch in self.batches:
            encoded = decompress(batch.encoded, batch.codec)
            for key, value, headers in decode_records(encoded):
                columns.keys.append(key)
                columns.values.append(value)
                columns.headers.append(headers)
        return columns
