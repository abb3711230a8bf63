"""Records that go out: columns while results are encoded, packed batches until they are sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from streams.kafka.record_format import (
    compress,
    decode_records,
    decompress,
    encode_headers,
    encode_records,
)


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
    """As written by `record_format.encode_headers`."""

    def __len__(self) -> int:
        return len(self.values)

    def append(self, record: OutputRecord) -> None:
        """Add one row."""
        self.keys.append(record.key)
        self.values.append(record.value)
        self.headers.append(encode_headers(record.headers))

    def pack(self, packing: Packing) -> PackedRecords:
        """Encode the records into producer batches.

        Call it on the thread that made the columns, while they are still in its CPU cache.
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
        """Concatenate the rows of all parts."""
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
        """Make columns from single records."""
        columns = cls()
        for record in records:
            columns.append(record)
        return columns


@dataclass(frozen=True, slots=True)
class Packing:
    """Limits and compression of producer batches."""

    max_bytes: int = 512 * 1024
    """Size of a batch's records before compression; a broker's default limit is 1,048,588."""
    codec: int = 0
    """One of `record_format.CODECS`; 0: not compressed."""


class PackedBatch(NamedTuple):
    """The records of one producer batch."""

    num_records: int
    encoded: bytes
    """As written by `record_format.encode_records`, then compressed by the codec."""
    codec: int = 0


@dataclass(slots=True)
class PackedRecords:
    """Encoded records to produce: a few objects, whatever the number of records.

    Records wait for their acknowledgment in this form. Columns would hold three objects for each
    record; by then these would have left the CPU cache and would be slow to free.
    """

    batches: list[PackedBatch] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(batch.num_records for batch in self.batches)

    @property
    def num_bytes(self) -> int:
        """Size of all records as they are sent."""
        return sum(len(batch.encoded) for batch in self.batches)

    def unpack(self) -> OutputRecords:
        """Decode the records back into columns."""
        columns = OutputRecords()
        for batch in self.batches:
            encoded = decompress(batch.encoded, batch.codec)
            for key, value, headers in decode_records(encoded):
                columns.keys.append(key)
                columns.values.append(value)
                columns.headers.append(headers)
        return columns
