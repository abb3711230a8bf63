"""Records of Kafka's format v2, written by the column, and what was written read back.

A record batch is a header of 61 bytes, which aiokafka writes, and records, which are written here:
length, attributes, timestamp and offset deltas, key, value, headers, all lengths as zigzag varints.
What many records share (most headers) is encoded once. Source: Kafka protocol guide, "Record
Batch" and "Record" (KIP-98, KIP-82).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate

from aiokafka.record.util import decode_varint

#: Lengths up to here are looked up, not computed.
_NUM_CACHED = 16_384
_NULL = b"\x01"
"""The length -1: no key, no value."""
#: Bytes of a record besides key, value and headers: two, and four varints of five at most.
_MOST_AROUND = 2 + 4 * 5


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


class _Varints:
    """The varints of all numbers >= 0, for what is looked up by index."""

    def __getitem__(self, number: int) -> bytes:
        return varint(number)


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
    stop = _stop(keys, values, headers, start, max_bytes)
    rows = range(stop - start), keys[start:stop], values[start:stop], headers[start:stop]
    try:
        return _encode(*rows, _VARINTS), stop
    except IndexError:  # some length is not among those that are looked up
        return _encode(*rows, _Varints()), stop


def _encode(
    deltas: Sequence[int],
    keys: Sequence[bytes | None],
    values: Sequence[bytes],
    headers: Sequence[bytes],
    varints: Sequence[bytes] | _Varints,
) -> bytes:
    join = b"".join
    records = [
        join(
            (
                b"\x00\x00",  # attributes, timestamp delta
                varints[delta],
                _NULL if key is None else varints[len(key)] + key,
                varints[len(value)],
                value,
                told,
            )
        )
        for delta, key, value, told in zip(deltas, keys, values, headers, strict=True)
    ]
    parts = [b""] * (2 * len(records))
    parts[::2] = [varints[len(record)] for record in records]
    parts[1::2] = records
    return join(parts)


def _stop(
    keys: Sequence[bytes | None],
    values: Sequence[bytes],
    headers: Sequence[bytes],
    start: int,
    max_bytes: int,
) -> int:
    """Return the row before which a batch ends; the arguments are those of `encode_records`."""
    columns = (keys[start:], values[start:], headers[start:])
    around = _MOST_AROUND * (len(values) - start)
    if around + sum(sum(map(len, filter(None, column))) for column in columns) <= max_bytes:
        return len(values)
    sizes = [
        _MOST_AROUND + len(key or b"") + len(value) + len(told)
        for key, value, told in zip(*columns, strict=True)
    ]
    return start + max(bisect_right(list(accumulate(sizes)), max_bytes), 1)


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
