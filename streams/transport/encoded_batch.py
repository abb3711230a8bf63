"""A producer batch of records that are encoded already, on its way to the socket uncopied.

aiokafka's builders take records one by one, and what they build is copied a dozen times: into a
buffer, for its checksum, and by each level of the request that carries it. Here the records stay
the one object that the encoder made; what goes before them is written when it is known.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.protocol.api import RequestStruct
from aiokafka.protocol.types import Array, Bytes, Int32, Schema

from streams.kafka.checksums import crc32c
from streams.records import PackedBatch

#: A record batch's header (Kafka protocol guide, "Record Batch"), parted where its checksum begins:
#: base offset, length of what follows, partition leader epoch, magic, checksum;
_UNCHECKED = struct.Struct(">qiibI")
#: attributes, last offset delta, first and highest timestamp, producer's id and epoch, base
#: sequence, number of records.
_CHECKED = struct.Struct(">hiqqqhii")
_HEADER_BYTES = _UNCHECKED.size + _CHECKED.size
#: What the length does not count: the base offset and itself.
_NOT_COUNTED = 8 + 4
_NO_EPOCH, _MAGIC = -1, 2
_TRANSACTIONAL = 0x10
#: Pieces smaller than this are joined to one: each has its price on the way out.
_SMALL_BYTES = 4096


class Pieces:
    """Bytes that lie in several places."""

    __slots__ = ("parts",)

    def __init__(self, *parts: bytes) -> None:
        self.parts = parts

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __radd__(self, before: bytes) -> bytes:
        # What aiokafka's own connections do with them.
        return b"".join((before, *self.parts))


class EncodedBatch(BatchBuilder):  # type: ignore[misc]
    """What aiokafka's accumulator and sender ask of a batch builder, closed from the beginning."""

    def __init__(
        self, packed: PackedBatch, timestamp_ms: int, is_transactional: bool = False
    ) -> None:
        """Say what is in it.

        Args:
            packed: its records, at least one.
            timestamp_ms: of all of them, milliseconds since 1970.
            is_transactional: whether it is part of a transaction.
        """
        # The base class's __init__ makes a builder, which has no use here.
        self._packed = packed
        self._timestamp_ms = timestamp_ms
        self._is_transactional = is_transactional
        self._producer_state = (-1, -1, 0)
        self._relative_offset = packed.num_records  # what `record_count` tells
        self._closed = True
        self._buffer: Pieces | None = None

    def _set_producer_state(self, producer_id: int, producer_epoch: int, sequence: int) -> None:
        self._producer_state = (producer_id, producer_epoch, sequence)

    def size(self) -> int:
        """Return its size in bytes."""
        return _HEADER_BYTES + len(self._packed.encoded)

    def _build(self) -> Pieces:
        # Once: a batch that is sent again must be the same, sequence and all.
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
    """Return a request as it goes over the wire, what `Pieces` it holds uncopied."""
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
