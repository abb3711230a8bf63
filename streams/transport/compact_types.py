"""Kafka's compact types, for requests that aiokafka 0.14 does not have.

They are read and written with `struct`: aiokafka's generic schemas cost several times as much, and
a live stream fetches a hundred times a second.
Source: Apache Kafka's protocol guide; tagged fields are KIP-482.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from io import BytesIO
from typing import Any

from aiokafka.protocol.abstract import AbstractType

SHORT, INT = struct.Struct(">h"), struct.Struct(">i")
ID_BYTES = 16
NO_TAGS = b"\0"


class Encoded(AbstractType[bytes]):  # type: ignore[misc]
    """A request's body, encoded already."""

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        """Return the body as it is."""
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        """Return the rest of the data."""
        return data.read()


class Cursor:
    """Reads a response from its beginning to its end."""

    def __init__(self, data: BytesIO) -> None:
        # Not `getbuffer`: it copies the whole response, which `getvalue` shares.
        self._data = memoryview(data.getvalue())
        self._at = data.tell()

    def numbers(self, layout: struct.Struct) -> tuple[Any, ...]:
        """Read numbers of fixed sizes."""
        values = layout.unpack_from(self._data, self._at)
        self._at += layout.size
        return values

    def varint(self) -> int:
        """Read an unsigned number of variable size."""
        value = shift = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def take(self, num_bytes: int) -> bytes:
        """Read this many bytes."""
        start, self._at = self._at, self._at + num_bytes
        return bytes(self._data[start : self._at])

    def compact(self) -> bytes:
        """Read a compact string or bytes; b"" for null."""
        return self.take(max(self.varint() - 1, 0))

    def array(self, read_one: Callable[[], Any]) -> list[Any]:
        """Read a compact array; [] for null."""
        return [read_one() for _ in range(self.varint() - 1)]

    def skip_numbers(self) -> None:
        """Pass over a compact array of 32-bit numbers."""
        num_bytes = max(self.varint() - 1, 0) * INT.size
        self._at += num_bytes

    def tags(self) -> dict[int, bytes]:
        """Read tagged fields: the value of each by its tag."""
        return {self.varint(): self.take(self.varint()) for _ in range(self.varint())}
