"""Records of Kafka's format v2, written by the column, and what was written read back.

A record batch is a header of 61 bytes, which aiokafka writes, and records, which are written here:
length, attributes, timestamp and offset deltas, key, value, headers, all lengths as zigzag varints.
What many records share (most headers) is encoded once. Source: Kafka protocol guide, "Record
Batch" and "Record" (KIP-98, KIP-82).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from aiokafka.record.util import decode_varint

#: Lengths up to here are looked up, not computed.
_NUM_CACHED = 16_384
_NULL = b"\x01"
"""The length -1: no key, no value."""


def _varint(number: int) -> bytes:
    zigzag = (number << 1) ^ (number >> 63)
    encoded = bytearray()
    while zigzag > 0x7F:
        encoded.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    encoded.append(zigzag)
    return bytes(encoded)


_VARINTS = [_varint(number) for number in range(_NUM_CACHED)]


def varint(number: int) -> bytes:
    """Return a number >= 0 as Kafka's zigzag varint."""
    return _VARINTS[number] if number < _NUM_CACHED else _varint(number)


@lru_cache(maxsize=4096)
def header_name(name: str) -> bytes:
    """Return a header's encoded name."""
    encoded = name.encode()
    return varint(len(encoded)) + encoded


def encode_header(name: str, value: bytes | None) -> bytes:
    """Return one header."""
    return header_name(name) + (_NULL if value is None else varint(len(value)) + value)


def encode_headers(headers: Sequence[tuple[str, bytes | None]]) -> bytes:
    """Return a record's headers: their count, and one after another."""
    return varint(len(headers)) + b"".join(encode_header(*header) for header in headers)


def encode_records(
    keys: Sequence[bytes | None],
    values: Sequence[bytes],
    headers: Sequence[bytes],
    start: int,
    max_bytes: int,
) -> tuple[bytes, int]:
    """Encode rows from `start` on, until the next would pass `max_bytes`; at least one.

    Args:
        keys: n rows.
        values: n rows.
        headers: n rows, each its encoded count and headers.
        start: the first row; its offset delta is 0, and every timestamp delta is 0.
        max_bytes: of the encoded records.

    Returns:
        The encoded records and the row after the last of them.
    """
    parts: list[bytes] = []
    size = 0
    row = start
    for row in range(start, len(values)):
        key, value = keys[row], values[row]
        record = b"".join(
            (
                b"\x00\x00",  # attributes, timestamp delta
                varint(row - start),
                _NULL if key is None else varint(len(key)) + key,
                varint(len(value)),
                value,
                headers[row],
            )
        )
        size += len(record) + 5
        if size > max_bytes and parts:
            break
        parts += (varint(len(record)), record)
    else:
        row = len(values)
    return b"".join(parts), row


def decode_records(encoded: bytes) -> Iterator[tuple[bytes | None, bytes, bytes]]:
    """Yield what `encode_records` wrote: each record's key, value and encoded headers."""
    at = 0
    while at < len(encoded):
        length, at = decode_varint(encoded, at)
        end = at + length
        _, at = decode_varint(encoded, at + 2)  # attributes, timestamp delta; offset delta
        key, at = _decode_bytes(encoded, at)
        value, at = _decode_bytes(encoded, at)
        yield key, value or b"", encoded[at:end]
        at = end


def _decode_bytes(encoded: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = decode_varint(encoded, at)
    return (None, at) if length < 0 else (encoded[at : at + length], at + length)
