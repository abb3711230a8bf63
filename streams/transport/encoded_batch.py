"""A producer batch of records that are encoded already.

aiokafka's builders take records one by one. Here the encoder has made all of them at once; the
batch header is written when the sequence number is known.
"""

from __future__ import annotations

import struct

from aiokafka.producer.message_accumulator import BatchBuilder

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
        self._buffer: bytes | None = None

    def _set_producer_state(self, producer_id: int, producer_epoch: int, sequence: int) -> None:
        self._producer_state = (producer_id, producer_epoch, sequence)

    def size(self) -> int:
        """Return its size in bytes."""
        return _HEADER_BYTES + len(self._packed.encoded)

    def _build(self) -> bytes:
        # Built once: a retry must send the same bytes, sequence number included.
        if self._buffer is None:
            self._buffer = self._encode()
        return self._buffer

    def _encode(self) -> bytes:
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
        return b"".join((_UNCHECKED.pack(0, length, _NO_EPOCH, _MAGIC, checksum), checked, records))
