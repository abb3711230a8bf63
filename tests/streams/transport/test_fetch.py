"""Records taken by the batch equal those that aiokafka returns one by one, and become columns."""

from __future__ import annotations

import itertools
from collections.abc import Hashable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.fetcher import (
    READ_COMMITTED,
    READ_UNCOMMITTED,
    FetchResult,
    PartitionRecords,
)
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import (
    DefaultRecordBatchBuilder,
    _DefaultRecordBatchBuilderPy,
)
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from streams.input_buffer import RECORD_BYTES, Room
from streams.transport.fetch import BatchFetchResult, RetainedRecords, _Batch, columns

_TP = TopicPartition("readings", 0)
_GZIP = 1
_FOREIGN = b"\xff\xfe"


def _batch(
    offset: int,
    num_records: int,
    *,
    compression: int = 0,
    producer_id: int = -1,
    is_transactional: bool = False,
    deltas: list[int] | None = None,
    header: str = "h",
) -> bytes:
    """Return an encoded batch that begins at an offset."""
    builder = DefaultRecordBatchBuilder(
        2, compression, int(is_transactional), producer_id, 0, 0, 1 << 20
    )
    for delta in deltas or range(num_records):
        at = offset + delta
        builder.append(delta, 1000 + at, b"k%d" % at, b"v%d" % at, [(header, b"x")])
    encoded = bytearray(builder.build())
    encoded[:8] = offset.to_bytes(8, "big")
    return bytes(encoded)


def _abort_marker(offset: int, producer_id: int) -> bytes:
    builder = _DefaultRecordBatchBuilderPy(2, 0, 1, producer_id, 0, 0, 1 << 20)
    builder.append(0, 1000, b"\x00\x00\x00\x00", b"\x00" * 6, [])
    builder._is_transactional = 1
    encoded = builder.build()
    attributes = int.from_bytes(encoded[21:23], "big") | 0x20  # a control batch
    encoded[21:23] = attributes.to_bytes(2, "big")
    encoded[:8] = offset.to_bytes(8, "big")
    return _with_checksum(encoded)


def _with_checksum(encoded: bytearray) -> bytes:
    from aiokafka.record.util import calc_crc32c

    encoded[17:21] = calc_crc32c(encoded[21:]).to_bytes(4, "big")
    return bytes(encoded)


class _Assignment:
    """Of one partition that is read from `position`."""

    active = True

    def __init__(self, position: int) -> None:
        self.state = SimpleNamespace(paused=False, position=position)
        self.state.consumed_to = lambda offset: setattr(self.state, "position", offset)

    def state_value(self, tp: TopicPartition) -> Any:
        return self.state


def _fetched(
    kind: type[FetchResult],
    fetched: bytes,
    position: int = 0,
    aborted: list[tuple[int, int]] | None = None,
    isolation_level: int = READ_UNCOMMITTED,
) -> tuple[FetchResult, _Assignment]:
    by_batch = kind is BatchFetchResult
    records = PartitionRecords(
        _TP,
        (RetainedRecords if by_batch else MemoryRecords)(fetched),
        aborted,
        position,
        None,
        None,
        True,
        isolation_level,
    )
    assignment = _Assignment(position)
    result = kind(_TP, assignment=assignment, partition_records=records, backoff=0)
    if by_batch:
        result.by_batch(_room(1 << 30))
    return result, assignment


def _room(num_bytes: int) -> Room[Hashable]:
    """Of a worker with this one partition."""
    return Room({}, 1, num_bytes)


def _all(result: FetchResult, assignment: _Assignment, max_records: int) -> list[tuple[Any, ...]]:
    """Return what each call gives: its records, and the position after it."""
    calls = []
    while result.has_more():
        rows = result.getall(max_records)
        assert len(rows) <= max_records
        fields = [(r.offset, r.timestamp, r.key, r.value, tuple(r.headers)) for r in rows]
        calls.append((fields, assignment.state.position))
    return calls


_THREE = _batch(0, 5) + _batch(5, 7, compression=_GZIP) + _batch(12, 3)


@pytest.mark.parametrize("max_records", [1, 2, 5, 6, 7, 100])
@pytest.mark.parametrize("position", [0, 1, 4])  # a fetch begins with the batch of its position
def test_records_and_positions_equal_those_taken_one_by_one(
    max_records: int, position: int
) -> None:
    expected = _all(*_fetched(FetchResult, _THREE, position), max_records)
    found = _all(*_fetched(BatchFetchResult, _THREE, position), max_records)
    assert found == expected
    assert [record[0] for records, _ in found for record in records] == list(range(position, 15))


def test_gaps_remain_and_an_empty_tail_is_skipped() -> None:
    fetched = _batch(0, 0, deltas=[0, 3, 4]) + _batch(10, 0, deltas=[2, 7])
    expected = _all(*_fetched(FetchResult, fetched, 1), 100)
    assert _all(*_fetched(BatchFetchResult, fetched, 1), 100) == expected
    assert [record[0] for records, _ in expected for record in records] == [3, 4, 12, 17]


@pytest.mark.parametrize("isolation_level", [READ_COMMITTED, READ_UNCOMMITTED])
def test_aborted_records_are_returned_only_to_read_uncommitted(isolation_level: int) -> None:
    fetched = (
        _batch(0, 2, producer_id=7, is_transactional=True)
        + _batch(2, 2)
        + _abort_marker(4, 7)
        + _batch(5, 2, producer_id=7, is_transactional=True)
    )
    arguments = (fetched, 0, [(7, 0)], isolation_level)
    expected = _all(*_fetched(FetchResult, *arguments), 100)
    assert _all(*_fetched(BatchFetchResult, *arguments), 100) == expected
    offsets = [record[0] for records, _ in expected for record in records]
    assert offsets == ([2, 3, 5, 6] if isolation_level == READ_COMMITTED else [0, 1, 2, 3, 5, 6])


@pytest.mark.parametrize("compression", [0, _GZIP])
def test_a_header_name_that_is_not_utf8_is_escaped(compression: int) -> None:
    middle = _batch(5, 3, header="hh")
    at = middle.rindex(b"hh")  # of the last record alone
    foreign = _with_checksum(bytearray(middle[:at] + _FOREIGN + middle[at + 2 :]))
    fetched = _batch(0, 5, compression=compression) + foreign + _batch(8, 2)
    with pytest.raises(UnicodeDecodeError):
        _all(*_fetched(FetchResult, fetched), 100)
    for max_records in (1, 2, 4, 6, 100):
        calls = _all(*_fetched(BatchFetchResult, fetched, 1), max_records)
        records = [record for rows, _ in calls for record in rows]
        assert [record[0] for record in records] == list(range(1, 10))
        assert records[5] == (6, 1006, b"k6", b"v6", (("hh", b"x"),))
        assert records[6] == (7, 1007, b"k7", b"v7", (("\\xff\\xfe", b"x"),))


def test_only_the_wanted_records_are_parsed() -> None:
    """A compressed batch may hold millions of records."""
    parsed = (SimpleNamespace(offset=offset) for offset in itertools.count())
    batches: Any = SimpleNamespace(num_wanted=3, take=lambda records, _: len(records))
    first = next(iter(_Batch(parsed, memoryview(_batch(0, 1, compression=_GZIP)), batches)))
    assert (first.offset, len(first.records)) == (2, 3)
    assert next(parsed).offset == 3


@pytest.mark.parametrize("compression", [0, _GZIP])
@pytest.mark.parametrize("num_bytes", [2, 400, 1_000, 100_000])
def test_no_more_is_taken_than_there_is_room_for(num_bytes: int, compression: int) -> None:
    """And one record, so that a large one passes too."""
    fetched = b"".join(_batch(at, 25, compression=compression) for at in range(0, 100, 25))
    one_by_one = _all(*_fetched(FetchResult, fetched), 100)
    result, assignment = _fetched(BatchFetchResult, fetched)
    taken: list[Any] = []
    assert isinstance(result, BatchFetchResult)
    for _ in range(101):  # one record each, and one call that finds the end
        if not result.has_more():
            break
        result.by_batch(_room(num_bytes))
        rows = result.getall(1_000)
        sizes = [RECORD_BYTES + len(r.key) + len(r.value) + len("hx") for r in rows]
        assert sum(sizes[:-1]) < num_bytes
        assert not rows or assignment.state.position == rows[-1].offset + 1
        taken += [(r.offset, r.timestamp, r.key, r.value, tuple(r.headers)) for r in rows]
    assert taken == one_by_one[0][0]


def test_where_another_partition_has_taken_the_room_none_are_taken() -> None:
    result, assignment = _fetched(BatchFetchResult, _THREE)
    assert isinstance(result, BatchFetchResult)
    room: Room[Hashable] = Room({_TP: 60}, 2, 200)
    result.by_batch(room)
    room.take("other", 200)
    assert result.getall(100) == []
    assert (result.has_more(), assignment.state.position) == (True, 0)


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("compression", [0, _GZIP])
def test_older_formats_are_read_too(magic: int, compression: int) -> None:
    """Uncompressed, each of their records is a batch."""
    builder = LegacyRecordBatchBuilder(magic, compression, 1 << 20)
    for at in range(5):
        builder.append(at, 1000 + at, b"k%d" % at, b"v%d" % at)
    fetched = bytes(builder.build())
    expected = _all(*_fetched(FetchResult, fetched), 2)
    assert _all(*_fetched(BatchFetchResult, fetched), 2) == expected
    assert [record[0] for records, _ in expected for record in records] == list(range(5))
    damaged = bytearray(fetched)
    damaged[-1] ^= 1
    with pytest.raises(CorruptRecordException):
        _all(*_fetched(BatchFetchResult, bytes(damaged)), 100)


def test_a_wrong_checksum_is_an_error_and_skips_nothing() -> None:
    broken = bytearray(_batch(5, 3))
    broken[-1] ^= 1
    result, assignment = _fetched(BatchFetchResult, _batch(0, 5) + bytes(broken))
    with pytest.raises(CorruptRecordException):
        result.getall(100)
    assert assignment.state.position == 0  # it is all fetched again
    assert result.getall(100) == []


def test_a_revoked_partition_returns_no_records() -> None:
    result, assignment = _fetched(BatchFetchResult, _THREE)
    assert len(result.getall(2)) == 2
    assignment.active = False
    assert result.getall(100) == []
    assert not result.has_more()


def test_without_by_batch_it_returns_aiokafka_s_records() -> None:
    records = PartitionRecords(
        _TP, RetainedRecords(_THREE), None, 0, None, None, True, READ_UNCOMMITTED
    )
    result = BatchFetchResult(_TP, assignment=_Assignment(0), partition_records=records, backoff=0)
    first, *_ = result.getall(3)
    assert (first.topic, first.offset, first.value) == ("readings", 0, b"v0")


@dataclass
class _Parsed:
    offset: int
    key: bytes | None = b"k"
    value: bytes | None = b"value"
    timestamp: int | None = 1_700_000_000_000
    headers: list[tuple[str, bytes]] = field(default_factory=list)


@pytest.mark.parametrize(
    "offsets", [[7], [7, 8, 9], [7, 9], [0, 1, 3, 4], [5, 8, 9], [3, 4, 4_000_000_000]]
)
def test_offsets_keep_their_gaps(offsets: list[int]) -> None:
    """Compaction and transaction markers leave gaps."""
    raw = columns([_Parsed(offset) for offset in offsets])
    assert list(raw.offsets) == offsets
    whole = offsets == list(range(offsets[0], offsets[0] + len(offsets)))
    assert isinstance(raw.offsets, range) == whole


def test_every_column_has_every_record() -> None:
    raw = columns(
        [
            _Parsed(1, key=None, headers=[("a", b"b")]),
            _Parsed(2, value=None, timestamp=None),
            _Parsed(3, timestamp=12),
        ]
    )
    assert raw.keys == [None, b"k", b"k"]
    assert raw.values == [b"value", None, b"value"]
    assert list(raw.timestamps_ms) == [1_700_000_000_000, -1, 12]
    assert [list(headers) for headers in raw.headers] == [[("a", b"b")], [], []]
    assert raw.num_bytes == 14, "keys, values, and names and contents of headers"
