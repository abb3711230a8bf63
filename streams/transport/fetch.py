"""What a fetch brought of one partition, taken a batch at a time.

aiokafka takes fetched records one by one through two generators and dresses each up as a
`ConsumerRecord`: several times what its C parser needs for them. Here that parser's records are
taken by the batch. aiokafka's own loop over the batches stays, with all that it knows of checksums,
transactions and compaction: each batch only looks to it like one record, or like a few where no
more records are wanted at once.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, NamedTuple

import aiokafka.consumer.fetcher
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.record.memory_records import MemoryRecords

from streams.kafka.record_format import crc32c
from streams.transport.forgiving_records import ForgivingBatch

#: Of a batch, whatever its version: base offset, then the length of what follows.
_HEAD = struct.Struct(">qi")
_MAGIC_AT, _V2 = 16, 2
#: Of format v2: a checksum of all that follows it.
_CHECKSUM_AT, _CHECKSUM = 17, struct.Struct(">I")


class RetainedRecords:
    """aiokafka's `MemoryRecords` that keep what was fetched for as long as it is being read."""

    def __init__(self, fetched: bytes) -> None:
        self.fetched = fetched
        records = MemoryRecords(fetched)
        self.has_next = records.has_next
        self.next_batch = records.next_batch
        self.size_in_bytes = records.size_in_bytes


class BatchFetchResult(FetchResult):  # type: ignore[misc]
    """aiokafka's `FetchResult`, which `by_batch` makes give the parser's records."""

    _partition_records: Any
    _batches: _Batches | None = None

    def by_batch(self) -> None:
        """Have `getall` take batches from now on; to be called before anything was taken."""
        partition = self._partition_records
        if partition is not None and self._batches is None:
            self._batches = partition._records = _Batches(partition._records.fetched)
            partition._consumer_record = _as_it_is

    def getall(self, max_records: int | None = None) -> list[Any]:
        """Return the next records, `max_records` at most; none of a partition that went away."""
        if self._batches is None:
            records: list[Any] = super().getall(max_records)
            return records
        if not self.check_assignment(self._topic_partition) or not self.has_more():
            return []
        return self._take(self._batches, max_records or sys.maxsize)

    def _take(self, batches: _Batches, max_records: int) -> list[Any]:
        partition = self._partition_records
        taken: list[Any] = []
        while len(taken) < max_records:
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
    """Consecutive records of a batch, which pass aiokafka's loop as one."""

    offset: int
    """Of the last."""
    records: list[Any]
    """As aiokafka's C parser makes them, n >= 1."""


class _Batches:
    """A partition's fetched batches; stands in for its `MemoryRecords`."""

    def __init__(self, fetched: bytes) -> None:
        self.num_wanted = 0
        """Records that a batch gives at once, at most."""
        self._fetched = memoryview(fetched)
        self._records = MemoryRecords(fetched)
        self._next = 0
        self.has_next = self._records.has_next

    def next_batch(self) -> _Batch:
        """Return the next batch."""
        start = self._next
        _, length = _HEAD.unpack_from(self._fetched, start)
        self._next += _HEAD.size + length
        return _Batch(self._records.next_batch(), self._fetched[start : self._next], self)


class _Batch:
    """One batch; what else aiokafka's loop asks of it, the parser's own answers."""

    def __init__(self, parsed: Any, encoded: memoryview, batches: _Batches) -> None:
        self._parsed = parsed
        self._encoded = encoded
        self._batches = batches

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parsed, name)

    def __next__(self) -> Any:
        return next(self._parsed)

    def validate_crc(self) -> bool:
        """Return whether the checksum fits."""
        if self._encoded[_MAGIC_AT] != _V2:
            is_valid: bool = self._parsed.validate_crc()
            return is_valid
        (stated,) = _CHECKSUM.unpack_from(self._encoded, _CHECKSUM_AT)
        return bool(crc32c(bytes(self._encoded[_CHECKSUM_AT + _CHECKSUM.size :])) == stated)

    def __iter__(self) -> Iterator[_Rows]:
        # No more at once than is wanted: compressed, a batch may hold millions.
        records = chain(self._parsed)  # the parser lets itself be begun but once
        while True:
            try:
                part = list(islice(records, self._batches.num_wanted))
            except UnicodeDecodeError:
                # From its beginning: what was given before is passed over as if fetched again.
                records = chain(ForgivingBatch(self._encoded))
                continue
            if not part:
                return
            yield _Rows(part[-1].offset, part)


def _since(offset: int, records: list[Any]) -> list[Any]:
    """Leave out what lies before: a batch is fetched whole, wherever in it reading begins."""
    if records[0].offset >= offset:
        return records
    return [record for record in records if record.offset >= offset]


def _as_it_is(tp: Any, rows: _Rows) -> _Rows:
    return rows


def take_by_batch() -> None:
    """Have aiokafka's consumers make fetch results that can be taken by the batch."""
    aiokafka.consumer.fetcher.MemoryRecords = RetainedRecords
    aiokafka.consumer.fetcher.FetchResult = BatchFetchResult
