"""Fetched records whose header names are no UTF-8, read nevertheless.

Kafka's protocol says that a header's name is UTF-8, but no broker checks it. aiokafka's parser
raises on such a record, again after every restart: one record would stop a partition for good. Here
the batch that holds it is parsed once more, by aiokafka's own Python twin of that parser, with the
foreign bytes written out in hexadecimal; all other batches go the fast way.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import aiokafka.consumer.fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchPy, _DefaultRecordPy
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import decode_varint

#: Of a batch, whatever its version: base offset, then the length of what follows.
_HEAD = struct.Struct(">qi")


class RetainedRecords:
    """aiokafka's `MemoryRecords`, which also tells where the last batch began."""

    def __init__(self, fetched: bytes) -> None:
        self._fetched = fetched
        self._records = MemoryRecords(fetched)
        self._start = self._next = 0
        self.has_next = self._records.has_next
        self.size_in_bytes = self._records.size_in_bytes

    def next_batch(self) -> Any:
        """Return the next batch."""
        self._start = self._next
        if self._next + _HEAD.size <= len(self._fetched):
            _, length = _HEAD.unpack_from(self._fetched, self._next)
            self._next += _HEAD.size + length
        return self._records.next_batch()

    def forgiving(self) -> ForgivingRecords:
        """Return what is left, the last batch included, with its header names made legible."""
        return ForgivingRecords(self._fetched[self._start : self._next], self)


class ForgivingRecords:
    """One batch that is read forgivingly, and then the others as ever."""

    def __init__(self, batch: bytes, others: RetainedRecords) -> None:
        self._batch: Any = _ForgivingBatch(batch)
        self._others = others

    def has_next(self) -> bool:
        """Return whether there is another batch."""
        return self._batch is not None or self._others.has_next()

    def next_batch(self) -> Any:
        """Return the next batch."""
        if self._batch is None:
            return self._others.next_batch()
        batch, self._batch = self._batch, None
        return batch

    def forgiving(self) -> ForgivingRecords:
        """Return what is left, should a later batch need it too."""
        return self._others.forgiving()


class _ForgivingBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    """A batch of format v2 (only that has headers); differs in how header names are decoded."""

    _pos: int

    def _read_msg(self) -> Any:
        buffer = self._buffer
        length, start = decode_varint(buffer, self._pos)
        _, at = decode_varint(buffer, start)  # attributes: none are in use
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


def read_forgivingly(partition: Any) -> Iterator[Any]:
    """Yield the records of an aiokafka `PartitionRecords`, header names of any bytes included."""
    records = partition._unpack_records()
    while True:
        try:
            yield from records
            return
        except UnicodeDecodeError:
            # It goes on at `next_fetch_offset`, which is that of the record that failed.
            partition._records = partition._records.forgiving()
            records = partition._unpack_records()


def retain_fetched_bytes() -> None:
    """Have aiokafka keep what a fetch brought for as long as its records are being read."""
    aiokafka.consumer.fetcher.MemoryRecords = RetainedRecords
