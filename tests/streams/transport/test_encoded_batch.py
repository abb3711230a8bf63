"""A batch is encoded as by aiokafka's builder, without copying its records."""

from __future__ import annotations

import random
from typing import Any

import pytest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.record.memory_records import MemoryRecords

from streams.kafka.record_format import compress, encode_headers, encode_records
from streams.output_records import PackedBatch
from streams.transport.encoded_batch import EncodedBatch, Pieces, encode_in_pieces

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


def built(encoded: bytes, count: int, codec: int = 0, is_transactional: bool = False) -> Pieces:
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
    ours = b"".join(built(encoded, 50, codec, is_transactional).parts)
    theirs = by_aiokafka(encoded, 50, codec, is_transactional)
    assert ours == theirs


@pytest.mark.parametrize("codec", [0, 1, 2, 3, 4])
def test_aiokafka_reads_an_encoded_batch(codec: int) -> None:
    encoded = records(50)
    written = b"".join(built(encoded, 50, codec).parts)
    assert (len(written) < len(encoded)) == bool(codec)
    batch = MemoryRecords(written).next_batch()
    assert batch is not None
    assert batch.validate_crc()
    assert [record.offset for record in batch] == list(range(50))


def test_records_that_do_not_shrink_are_sent_uncompressed() -> None:
    encoded = random.Random(1).randbytes(500)
    pieces = built(encoded, 1, codec=3)
    assert pieces.parts[1] is encoded
    assert b"".join(pieces.parts) == by_aiokafka(encoded, 1, 0, False)


def test_a_batch_is_built_once_without_copying_its_records() -> None:
    encoded = records(50)
    batch = EncodedBatch(PackedBatch(50, encoded), AT_MS)
    pieces = batch._build()
    assert pieces.parts[1] is encoded
    assert len(pieces) == batch.size() == len(b"".join(pieces.parts))
    batch._set_producer_state(1, 2, 3)  # sent again it is the same
    assert batch._build() is pieces


@pytest.mark.parametrize("size", [2, 300])
@pytest.mark.parametrize("version", [2, *range(3, 9)])
def test_a_request_in_pieces_equals_the_whole_request(version: int, size: int) -> None:
    batches = [built(records(count, size), count) for count in (1, 40, 50)]
    joined = [b"".join(batch.parts) for batch in batches]

    def request(parts: list[bytes] | list[Pieces]) -> ProduceRequest:
        topics: Any = [("one", [(0, parts[0]), (1, parts[1])]), ("other", [(5, parts[2])])]
        name = "id" if version == 8 else None  # of a transaction
        return ProduceRequest(name, required_acks=-1, timeout=1000, topics=topics)

    versions = {0: (0, version)}
    expected = request(joined).prepare(versions).encode()
    pieces = encode_in_pieces(request(batches).prepare(versions))
    assert b"".join(pieces) == expected
    if version == 2:  # it has other fields, and is sent as aiokafka encodes it
        return
    large = [batch.parts[1] for batch in batches if len(batch.parts[1]) >= 4096]
    assert [piece for piece in pieces if len(piece) >= 4096] == large
    assert len(pieces) == 2 * len(large) + 1
    # Stock batches are sent like encoded ones.
    assert b"".join(encode_in_pieces(request(joined).prepare(versions))) == expected
