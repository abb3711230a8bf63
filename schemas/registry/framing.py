"""Confluent's wire format: which schema a record's value is written with, and where it starts.

    prefix:  0x00, id (4 bytes, big-endian), payload
             0x01, GUID (16 bytes), payload
    header:  `__value_schema_id` holds one of these without the payload; the value is the payload

With Protobuf a list of message indexes follows the id: which message of the schema's file it is.

Source: docs.confluent.io, "Formats, serializers, and deserializers", wire format.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias
from uuid import UUID

from schemas.errors import DecodeError, EmptyValueError
from schemas.mapping.describe import found
from schemas.mapping.frames import describe_frame

#: A schema's id in its registry, or the GUID that is the same in every registry.
SchemaKey: TypeAlias = int | UUID

HEADER = "__value_schema_id"
PREFIX_BYTES = 5
_GUID_BYTES = 17
#: A message can't be nested deeper within a schema that anyone writes.
_MAX_INDEXES = 64
_MAX_VARINT_BYTES = 5


class Frame(NamedTuple):
    """What is before a payload."""

    key: SchemaKey
    rest: bytes
    """What follows the id, in the header or in the value."""
    is_header: bool
    """Whether the id is in a header, and the whole value is the payload."""


def read_frame(value: bytes, headers: object) -> Frame:
    """Return a record's frame.

    Args:
        value: the record's bytes, not null.
        headers: of the record, pairs of name and value.

    Raises:
        DecodeError: neither the value nor a header names a schema.
    """
    for name, stated in headers or ():  # type: ignore[attr-defined]
        if name == HEADER and stated:
            return Frame(*_split(stated, f"header {HEADER}"), is_header=True)
    if not value:
        raise EmptyValueError("the value has no bytes (a null value is a tombstone)")
    return Frame(*_split(value, "the value"), is_header=False)


def _split(framed: bytes, where: str) -> tuple[SchemaKey, bytes]:
    if framed[0] == 0 and len(framed) >= PREFIX_BYTES:
        return int.from_bytes(framed[1:PREFIX_BYTES], "big"), framed[PREFIX_BYTES:]
    if framed[0] == 1 and len(framed) >= _GUID_BYTES:
        return UUID(bytes=framed[1:_GUID_BYTES]), framed[_GUID_BYTES:]
    hint = describe_frame(framed, "")
    raise DecodeError(
        f"{where} is not framed by a schema registry: expected the byte 0 and a schema id of 4 "
        f"bytes, found {found(framed)} that start with {framed[:5].hex(' ')}"
        + (f": {hint}" if hint else "")
    )


def read_indexes(data: bytes) -> tuple[tuple[int, ...], int]:
    """Return the message indexes that Protobuf has before its payload, and the bytes they take.

    Raises:
        DecodeError: they are cut short or out of range.
    """
    count, at = _varint(data, 0)
    if count == 0:  # the first message, written short
        return (0,), at
    if not 0 < count <= _MAX_INDEXES:
        raise DecodeError(f"expected 1 to {_MAX_INDEXES} message indexes, found {count}")
    indexes = []
    for _ in range(count):
        index, at = _varint(data, at)
        indexes.append(index)
    return tuple(indexes), at


def write_indexes(indexes: tuple[int, ...]) -> bytes:
    """Return message indexes as Confluent's serializers write them."""
    if indexes == (0,):
        return b"\0"
    return b"".join(_zigzag(number) for number in (len(indexes), *indexes))


def _zigzag(number: int) -> bytes:
    number <<= 1  # never negative here
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a zigzag number and where it ends."""
    number = 0
    for shift, byte in enumerate(data[at : at + _MAX_VARINT_BYTES]):
        number |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), at + shift + 1
    raise DecodeError("the message indexes before the Protobuf payload are cut short")
