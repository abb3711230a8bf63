"""Take the fetched records of a partition by the batch.

aiokafka passes fetched records one by one through two generators and makes a `ConsumerRecord` of
each, which costs several times as much as its C parser. Here the parser's records are taken by the
batch. aiokafka's own loop over the batches stays, with its handling of checksums, transactions and
compaction: a batch looks to it like one record, or like a few if fewer records are wanted at once.
"""

from __future__ import annotations

import struct
import sys
from array import array
from bisect import bisect_right
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import accumulate, chain, islice
from typing import Any, NamedTuple

import aiokafka.consumer.fetcher
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchPy, _DefaultRecordPy
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import decode_varint

from streams.input_buffer import RECORD_BYTES, Room
from streams.kafka.record_format import crc32c
from streams.records import RawRecords

#: The start of a batch of any version: base offset, length of the rest.
_HEAD = struct.Struct(">qi")
_MAGIC_AT, _V2 = 16, 2
#: In format v2: a checksum of all bytes after it.
_CHECKSUM_AT, _CHECKSUM = 17, struct.Struct(">I")
#: In format v2: the lowest bits of its attributes; 0: not compressed.
_CODEC_AT, _CODEC = 22, 7
#: Timestamp of records in format v0, which has none.
_NO_TIMESTAMP = -1
#: Shared by all records without headers.
_NO_HEADERS = ()


class RetainedRecords:
    """aiokafka's `MemoryRecords`, with the fetched bytes kept."""

    def __init__(self, fetched: bytes) -> None:
        self.fetched = fetched
        records = MemoryRecords(fetched)
        self.has_next = records.has_next
        self.next_batch = records.next_batch
        self.size_in_bytes = records.size_in_bytes


class BatchFetchResult(FetchResult):  # type: ignore[misc]
    """aiokafka's `FetchResult`; after `by_batch` it returns the parser's records."""

    _partition_records: Any
    _batches: _Batches | None = None

    def by_batch(self, room: Room[Hashable]) -> None:
        """Make `getall` take batches, as far as there is room; first before any record is taken."""
        partition = self._partition_records
        if partition is not None and self._batches is None:
            self._batches = _Batches(self._topic_partition, partition._records.fetched)
            partition._records, partition._consumer_record = self._batches, _unchanged
        if self._batches is not None:
            self._batches.room = room

    def num_bytes(self) -> int:
        """Return the size of the response that it keeps, as it came from the broker."""
        partition = self._partition_records
        return 0 if partition is None else len(partition._records.fetched)

    def getall(self, max_records: int | None = None) -> list[Any]:
        """Return the next records, `max_records` at most, or as many as there is room for.

        None if the partition was revoked.
        """
        if self._batches is None:
            records: list[Any] = super().getall(max_records)
            return records
        if not self.check_assignment(self._topic_partition) or not self.has_more():
            return []
        return self._take(self._batches, max_records or sys.maxsize)

    def _take(self, batches: _Batches, max_records: int) -> list[Any]:
        partition = self._partition_records
        taken: list[Any] = []
        while len(taken) < max_records and batches.has_room():
            batches.num_wanted = max_records - len(taken)
            first_offset = partition.next_fetch_offset
            rows = next(partition, None)
            if rows is None:
                self._update_position()
                self._partition_records = None
                return taken
            taken += _since(first_offset, rows.records)
        self._update_position()
        return taken


class _Rows(NamedTuple):
    """Consecutive records of a batch, which pass aiokafka's loop as one record."""

    offset: int
    """The offset of the last record."""
    records: list[Any]
    """As returned by aiokafka's C parser, n >= 1."""


class _Batches:
    """A partition's fetched batches; replaces its `MemoryRecords`."""

    room: Room[Hashable]

    def __init__(self, tp: Hashable, fetched: bytes) -> None:
        self.num_wanted = 0
        """The most records that a batch yields at once."""
        self._tp = tp
        self.fetched = memoryview(fetched)
        self._records = MemoryRecords(fetched)
        self._next = 0
        self.has_next = self._records.has_next

    def next_batch(self) -> _Batch:
        """Return the next batch."""
        start = self._next
        _, length = _HEAD.unpack_from(self.fetched, start)
        self._next += _HEAD.size + length
        return _Batch(self._records.next_batch(), self.fetched[start : self._next], self)

    def has_room(self) -> bool:
        """Whether the partition may take another record."""
        return self.room.left(self._tp) > 0

    def take(self, records: Sequence[Any], max_bytes: int) -> int:
        """Take the room for records, one at least; return for how many there was some.

        Args:
            records: parsed, at least one.
            max_bytes: they have no more than this.
        """
        left, beside = self.room.left(self._tp), RECORD_BYTES * len(records)
        size = beside + max_bytes
        if size > left:
            size = beside + _size_of_records(records)
        if size > left:
            sizes = [RECORD_BYTES + _size_of_records([record]) for record in records]
            num_fitting = max(bisect_right(list(accumulate(sizes)), left), 1)
            records, size = records[:num_fitting], sum(sizes[:num_fitting])
        self.room.take(self._tp, size)
        return len(records)


class _Batch:
    """One batch; everything else comes from the parsed batch."""

    def __init__(self, parsed: Any, encoded: memoryview, batches: _Batches) -> None:
        self._parsed = parsed
        self._encoded = encoded
        self._batches = batches

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parsed, name)

    def __next__(self) -> Any:
        return next(self._parsed)

    def validate_crc(self) -> bool:
        """Return whether the checksum is right."""
        if self._encoded[_MAGIC_AT] != _V2:
            is_valid: bool = self._parsed.validate_crc()
            return is_valid
        (stated,) = _CHECKSUM.unpack_from(self._encoded, _CHECKSUM_AT)
        return bool(crc32c(bytes(self._encoded[_CHECKSUM_AT + _CHECKSUM.size :])) == stated)

    def __iter__(self) -> Iterator[_Rows]:
        # In parts: a compressed batch may hold millions of records.
        records, ahead = chain(self._parsed), list[Any]()  # the parser can be iterated only once
        while True:
            num_wanted = self._batches.num_wanted
            try:
                ahead += islice(records, max(num_wanted - len(ahead), 0))
            except UnicodeDecodeError:
                # Parse again from the start: records yielded before are skipped by `_since`.
                records, ahead = chain(LenientBatch(self._encoded)), []
                continue
            if not ahead:
                return
            num_taken = self._batches.take(ahead[:num_wanted], self._max_bytes())
            part, ahead = ahead[:num_taken], ahead[num_taken:]
            yield _Rows(part[-1].offset, part)

    def _max_bytes(self) -> int:
        """Return what the records have at most, as far as it is known without a look at them."""
        is_plain = self._encoded[_MAGIC_AT] == _V2 and not self._encoded[_CODEC_AT] & _CODEC
        return len(self._encoded) if is_plain else sys.maxsize


def _since(offset: int, records: list[Any]) -> list[Any]:
    """Skip records below an offset: a fetch returns whole batches."""
    if records[0].offset >= offset:
        return records
    return [record for record in records if record.offset >= offset]


def _unchanged(tp: Any, rows: _Rows) -> _Rows:
    return rows


class LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    """A batch of format v2 whose header names need not be UTF-8.

    Kafka's protocol says that header names are UTF-8, but no broker checks it. aiokafka's parser
    raises on other bytes, again after every restart: one record would stop a partition for good.
    This class parses such a batch again, with aiokafka's Python version of the parser, and escapes
    foreign bytes in hexadecimal.
    """

    _pos: int

    def _read_msg(self) -> Any:
        buffer = self._buffer
        length, start = decode_varint(buffer, self._pos)
        _, at = decode_varint(buffer, start)  # attributes, unused
        timestamp_delta, at = decode_varint(buffer, at)
        offset_delta, at = decode_varint(buffer, at)
        key, at = _read_bytes(buffer, at)
        value, at = _read_bytes(buffer, at)
        num_headers, at = decode_varint(buffer, at)
        headers = []
        for _ in range(num_headers):
            name, at = _read_bytes(buffer, at)
            content, at = _read_bytes(buffer, at)
            headers.append(((name or b"").decode("utf-8", "backslashreplace"), content))
        if at - start != length:
            raise CorruptRecordException(f"a record of {length} bytes ends after {at - start}")
        self._pos = at
        by_broker = self.timestamp_type == self.LOG_APPEND_TIME
        timestamp = self.max_timestamp if by_broker else self.first_timestamp + timestamp_delta
        return _DefaultRecordPy(
            self.base_offset + offset_delta, timestamp, self.timestamp_type, key, value, headers
        )


def _read_bytes(buffer: bytes, at: int) -> tuple[bytes | None, int]:
    size, at = decode_varint(buffer, at)
    if size < 0:
        return None, at
    return bytes(buffer[at : at + size]), at + size


def take_by_batch() -> None:
    """Make aiokafka use `BatchFetchResult` from now on, in the whole process."""
    aiokafka.consumer.fetcher.MemoryRecords = RetainedRecords
    aiokafka.consumer.fetcher.FetchResult = BatchFetchResult


def columns(records: Sequence[Any]) -> RawRecords:
    """Turn parsed records into columns; few objects, since they live until the commit."""
    first, last = records[0].offset, records[-1].offset
    is_whole = last - first == len(records) - 1
    keys = [record.key for record in records]
    values = [record.value for record in records]
    headers = [record.headers or _NO_HEADERS for record in records]
    return RawRecords(
        offsets=range(first, last + 1) if is_whole else [record.offset for record in records],
        timestamps_ms=array("q", [record.timestamp or _NO_TIMESTAMP for record in records]),
        keys=keys,
        values=values,
        headers=headers,
        num_bytes=_size(keys) + _size(values) + _size_of_headers(headers),
    )


def _size_of_records(records: Sequence[Any]) -> int:
    return (
        _size([record.key for record in records])
        + _size([record.value for record in records])
        + _size_of_headers([headers for record in records if (headers := record.headers)])
    )


def _size(contents: Iterable[Any]) -> int:
    return sum(map(len, filter(None, contents)))


def _size_of_headers(headers: Iterable[Sequence[tuple[str, bytes | None]]]) -> int:
    return _size(chain.from_iterable(chain.from_iterable(headers)))
