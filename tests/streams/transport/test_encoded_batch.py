"""A batch is encoded as by aiokafka's builder."""

from __future__ import annotations

import random

import pytest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.record.memory_records import MemoryRecords

from streams.kafka.record_format import compress, encode_headers, encode_records
from streams.output_records import PackedBatch
from streams.transport.encoded_batch import EncodedBatch

AT_MS = 1_700_000_000_000


def records(count: int, size: int = 200) -> bytes:
    values = [random.Random(row).randbytes(size // 2) + bytes(size // 2) for row in range(count)]
    headers = [encode_headers([("h", b"x")])] * count
    encoded, _ = encode_records([b"key"] * count, values, headers, 0, 1 << 24)
    return encoded


def by_aiokafka(encoded: bytes, count: int, codec: int, is_transactional: bool) -> bytes:
    builder = _DefaultRecordBatchBuilderPy(2, codec, int(is_transactional), -1, -1, 0, 1 << 24)
    builder._buffer += encoded
    builder._first_timestamp = builder._max_timestamp = AT_MS
    builder._num_records, builder._last_offset = count, count - 1
    builder.set_producer_state(12345678901, 7, 2_000_000_000)
    return bytes(builder.build())


def built(encoded: bytes, count: int, codec: int = 0, is_transactional: bool = False) -> bytes:
    packed = PackedBatch(count, *compress(encoded, codec))
    batch = EncodedBatch(packed, AT_MS, is_transactional)
    batch._set_producer_state(12345678901, 7, 2_000_000_000)
    assert batch.record_count() == count
    assert batch.closed()
    assert batch.append(timestamp=None, key=None, value=b"one more") is None
    return batch._build()


@pytest.mark.parametrize("is_transactional", [False, True])
@pytest.mark.parametrize("codec", [0, 2, 4])  # gzip tells the time of day, LZ4 has another level
def test_a_batch_is_encoded_as_by_aiokafka(codec: int, is_transactional: bool) -> None:
    encoded = records(50)
    expected = by_aiokafka(encoded, 50, codec, is_transactional)
    assert built(encoded, 50, codec, is_transactional) == expected


@pytest.mark.parametrize("codec", [0, 1, 2, 3, 4])
def test_aiokafka_reads_an_encoded_batch(codec: int) -> None:
    encoded = records(50)
    written = built(encoded, 50, codec)
    assert (len(written) < len(encoded)) == bool(codec)
    batch = MemoryRecords(written).next_batch()
    assert batch is not None
    assert batch.validate_crc()
    assert [record.offset for record in batch] == list(range(50))


def test_records_that_do_not_shrink_are_sent_uncompressed() -> None:
    encoded = random.Random(1).randbytes(500)
    assert built(encoded, 1, codec=3) == by_aiokafka(encoded, 1, 0, False)


def test_a_batch_is_built_once() -> None:
    batch = EncodedBatch(PackedBatch(50, records(50)), AT_MS)
    first = batch._build()
    assert len(first) == batch.size()
    batch._set_producer_state(1, 2, 3)  # a retry sends the same bytes
    assert batch._build() is first
