"""Records whose header names are no UTF-8, read nevertheless.

Kafka's protocol says that a header's name is UTF-8, but no broker checks it. aiokafka's parser
raises on such a record, again after every restart: one record would stop a partition for good. So
a batch that holds one is parsed once more, by aiokafka's own Python twin of that parser, with the
foreign bytes written out in hexadecimal.
"""

from __future__ import annotations

from typing import Any

from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchPy, _DefaultRecordPy
from aiokafka.record.util import decode_varint


class ForgivingBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
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
