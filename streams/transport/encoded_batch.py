"""A producer batch of encoded records, sent to the socket without copies.

aiokafka's builders take records one by one, and copy the result a dozen times: into a buffer, for
its checksum, and at each level of the request around it. Here the records stay the one bytes object
that the encoder made; the batch header is written once the sequence number is known.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.protocol.api import RequestStruct
from aiokafka.protocol.types import Array, Bytes, Int32, Schema

from streams.kafka.record_format import crc32c
from streams.output_records import PackedBatch

#: A record batch's header (Kafka protocol guide, "Record Batch"), split where its checksum begins:
#: base offset, length of what follows, partition leader epoch, magic, checksum;
_UNCHECKED = struct.Struct(">qiibI")
#: attributes, last offset delta, first and highest timestamp, producer's id and epoch, base
#: sequence, number of records.
_CHECKED = struct.Struct(">hiqqqhii")
_HEADER_BYTES = _UNCHECKED.size + _CHECKED.size
#: Bytes that the length field does not count: the base offset and the field itself.
_NOT_COUNTED = 8 + 4
_NO_EPOCH, _MAGIC = -1, 2
_TRANSACTIONAL = 0x10
#: Smaller pieces are joined: each piece has a cost when it is written.
_SMALL_BYTES = 4096


class Pieces:
    """A byte string in several parts."""

    __slots__ = ("parts",)

    def __init__(self, *parts: bytes) -> None:
        self.parts = parts

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __radd__(self, before: bytes) -> bytes:
        # Used by aiokafka's own encoding of a request.
        return b"".join((before, *self.parts))


class EncodedBatch(BatchBuilder):  # type: ignore[misc]
    """A closed batch builder for aiokafka's accumulator and sender."""

    def __init__(
        self, packed: PackedBatch, timestamp_ms: int, is_transactional: bool = False
    ) -> None:
        """Make a batch.

        Args:
            packed: the encoded records, at least one.
            timestamp_ms: timestamp of all records, milliseconds since 1970.
            is_transactional: whether the batch is part of a transaction.
        """
        # The base class's __init__ is not called: it would make a record builder.
        self._packed = packed
        self._timestamp_ms = timestamp_ms
        self._is_transactional = is_transactional
        self._producer_state = (-1, -1, 0)
        self._relative_offset = packed.num_records  # `record_count` returns it
        self._closed = True
        self._buffer: Pieces | None = None

    def _set_producer_state(self, producer_id: int, producer_epoch: int, sequence: int) -> None:
        self._producer_state = (producer_id, producer_epoch, sequence)

    def size(self) -> int:
        """Return its size in bytes."""
        return _HEADER_BYTES + len(self._packed.encoded)

    def _build(self) -> Pieces:
        # Built once: a retry must send the same bytes, sequence number included.
        if self._buffer is None:
            self._buffer = self._written()
        return self._buffer

    def _written(self) -> Pieces:
        num_records, records, codec = self._packed
        checked = _CHECKED.pack(
            codec | (_TRANSACTIONAL if self._is_transactional else 0),
            num_records - 1,
            self._timestamp_ms,
            self._timestamp_ms,
            *self._producer_state,
            num_records,
        )
        length = _HEADER_BYTES - _NOT_COUNTED + len(records)
        checksum = crc32c(checked, records)
        return Pieces(_UNCHECKED.pack(0, length, _NO_EPOCH, _MAGIC, checksum) + checked, records)


def encode_in_pieces(request: RequestStruct) -> list[bytes]:
    """Return an encoded request in parts, without copying the `Pieces` in it."""
    pieces: list[bytes] = []
    small: list[bytes] = []
    for part in _parts(request.SCHEMA, [getattr(request, name) for name in request.SCHEMA.names]):
        if len(part) < _SMALL_BYTES:
            small.append(part)
        else:
            pieces += b"".join(small), part
            small.clear()
    return [*pieces, b"".join(small)]


def _parts(field: Any, value: Any) -> Iterator[bytes]:
    if isinstance(field, Schema):
        for inner, each in zip(field.fields, value, strict=True):
            yield from _parts(inner, each)
    elif isinstance(field, Array) and value is not None:
        yield Int32.encode(len(value))
        for each in value:
            yield from _parts(field.array_of, each)
    elif field is Bytes and isinstance(value, Pieces):
        yield Int32.encode(len(value))
        yield from value.parts
    else:
        yield field.encode(value)
