"""Kafka's record format v2: records encoded by the column, compression and checksums.

A record batch is a header of 61 bytes, which aiokafka writes, and records, which are written here:
length, attributes, timestamp and offset deltas, key, value, headers, all lengths as zigzag varints.
Headers shared by many records are encoded once. Source: Kafka protocol guide, "Record
Batch" and "Record" (KIP-98, KIP-82).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import accumulate

import google_crc32c
from aiokafka.codec import (
    gzip_decode,
    gzip_encode,
    lz4_decode,
    lz4_encode,
    snappy_decode,
    snappy_encode,
    zstd_decode,
    zstd_encode,
)
from aiokafka.record.util import calc_crc32c as crc32c_in_software
from aiokafka.record.util import decode_varint

#: The varints of numbers below this are looked up, not computed.
_NUM_CACHED = 16_384
_NULL = b"\x01"
"""The varint of length -1: no key, or no value."""
#: The most bytes of a record without key, value and headers: two bytes and four varints.
_MAX_OVERHEAD = 2 + 4 * 5


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
    """Computes varints by index, for numbers that are not cached."""

    def __getitem__(self, number: int) -> bytes:
        return varint(number)


@lru_cache(maxsize=4096)
def header_name(name: str) -> bytes:
    """Return the encoded name of a header."""
    encoded = name.encode()
    return varint(len(encoded)) + encoded


def encode_header(name: str, value: bytes | None) -> bytes:
    """Return one encoded header."""
    return header_name(name) + (_NULL if value is None else varint(len(value)) + value)


def encode_headers(headers: Sequence[tuple[str, bytes | None]]) -> bytes:
    """Return a record's encoded headers: their count, then each header."""
    return varint(len(headers)) + b"".join(encode_header(*header) for header in headers)


def encode_records(
    keys: Sequence[bytes | None],
    values: Sequence[bytes],
    headers: Sequence[bytes],
    start: int,
    max_bytes: int,
) -> tuple[bytes, int]:
    """Encode rows from `start` on, at least one, until the next would exceed `max_bytes`.

    Args:
        keys: n rows.
        values: n rows.
        headers: n rows, each from `encode_headers`.
        start: the first row; its offset delta is 0, and every timestamp delta is 0.
        max_bytes: limit of the encoded records.

    Returns:
        The encoded records and the index of the first row not encoded.
    """
    stop = _stop(keys, values, headers, start, max_bytes)
    rows = range(stop - start), keys[start:stop], values[start:stop], headers[start:stop]
    try:
        return _encode(*rows, _VARINTS), stop
    except IndexError:  # a length is above the cached varints
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
                header,
            )
        )
        for delta, key, value, header in zip(deltas, keys, values, headers, strict=True)
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
    """Return the row where a batch ends, exclusive; arguments as in `encode_records`."""
    columns = (keys[start:], values[start:], headers[start:])
    overhead = _MAX_OVERHEAD * (len(values) - start)
    if overhead + sum(sum(map(len, filter(None, column))) for column in columns) <= max_bytes:
        return len(values)
    sizes = [
        _MAX_OVERHEAD + len(key or b"") + len(value) + len(header)
        for key, value, header in zip(*columns, strict=True)
    ]
    return start + max(bisect_right(list(accumulate(sizes)), max_bytes), 1)


def decode_records(encoded: bytes) -> Iterator[tuple[bytes | None, bytes, bytes]]:
    """Yield the key, value and encoded headers of each record from `encode_records`."""
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


#: Names of `compression.type` to the codec in the low bits of a batch's attributes.
CODECS: dict[str | None, int] = {None: 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}

_ENCODERS: dict[int, Callable[[bytes], bytes]] = {
    1: gzip_encode,
    2: snappy_encode,
    # aiokafka's default level, 9, takes many times as long and makes results little smaller.
    3: partial(lz4_encode, level=1),
    4: zstd_encode,
}
_DECODERS: dict[int, Callable[[bytes], bytes]] = {
    1: gzip_decode,
    2: snappy_decode,
    3: lz4_decode,
    4: zstd_decode,
}


def compress(encoded: bytes, codec: int) -> tuple[bytes, int]:
    """Return compressed records and the codec; unchanged records and 0 if that is not smaller."""
    if not codec:
        return encoded, 0
    compressed = _ENCODERS[codec](encoded)
    return (compressed, codec) if len(compressed) < len(encoded) else (encoded, 0)


def decompress(encoded: bytes, codec: int) -> bytes:
    """Return the records before compression."""
    return _DECODERS[codec](encoded) if codec else encoded


def crc32c(*parts: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of the joined parts.

    By the processor's instruction where possible: aiokafka computes it in software at about 2 GB/s,
    a noticeable cost for small records.
    """
    if google_crc32c.implementation != "c":
        checksum: int = crc32c_in_software(b"".join(parts))
        return checksum
    checksum = 0
    for part in parts:
        checksum = google_crc32c.extend(checksum, part)
    return checksum
