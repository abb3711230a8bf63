"""The seam between a record's bytes and its events: codecs read values, mappings make events.

A `ValueCodec` turns bytes into a plain Python value and knows no event type. An `EventMapping`
turns that value into events and knows no format. So each format works with each mapping;
`schemas/mapping/reader.py` joins one of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import msgspec

from schemas.codecs import BOM, without_marks
from schemas.errors import DecodeError, EmptyValueError
from schemas.event import Event
from schemas.image_formats import DECODED_TEXT, image_content_type, why_not_decoded
from schemas.mapping.frames import describe_frame
from schemas.mapping.paths import Scope

Headers: TypeAlias = Sequence[tuple[str, bytes]]


class RecordParts(NamedTuple):
    """What a record has beside its value."""

    key: bytes | None
    headers: Headers
    """In the record's order; of several with one name, the last counts."""
    timestamp_ms: int
    """Kafka's timestamp, milliseconds since 1970; below 0: it has none."""


class ValueCodec(Protocol):
    """Reads one format into plain values. Thread-safe; knows no event type.

    A plain value is a dict with text keys, a list, text, int, float, bool or None; where the format
    has them also bytes, an aware datetime, date, Decimal or UUID.
    """

    @property
    def name(self) -> str:
        """The codec's name in the pipeline file."""
        ...

    def read(self, value: bytes, headers: Headers) -> Any:
        """Return the plain value of one record.

        Args:
            value: the record's bytes, not null.
            headers: of the record.

        Raises:
            InputError: the bytes are not of this format; the message says what was expected.
        """
        ...

    def read_all(self, values: Sequence[bytes], headers: Sequence[Headers]) -> list[Any]:
        """Return the plain values of n records, all or nothing.

        Raises:
            Exception: of any type, if a value can't be read; `read` finds out which.
        """
        ...


class EventMapping(Protocol):
    """Makes the events of one record from its plain value. Thread-safe."""

    needs_scope: bool
    """Whether it reaches beyond the value; if not, `scope` may be None."""
    reads_files: bool
    """Whether making an event may wait for a disk."""

    def events(self, value: Any, scope: Scope | None) -> Sequence[Event]:
        """Return the record's events: validated, in order; none if it has no readings.

        Fields that a record leaves out (source, time, id) are filled in afterwards, from the
        record's key, headers and timestamp.

        Raises:
            InputError: the value does not fit; the message gives the path, what was found and what
                was expected.
        """
        ...


class _StructuredValues:
    """The part that JSON and MessagePack share."""

    def __init__(self, name: str, format: str, decoder: Any) -> None:
        self.name, self._format = name, format
        self._decode = decoder.decode

    def read(self, value: bytes, headers: Headers) -> Any:
        """Return the plain value of one record."""
        if not value:
            raise EmptyValueError("the value has no bytes (a null value is a tombstone)")
        try:
            return self._decode(value.removeprefix(BOM) if self.name == "json" else value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise DecodeError(not_the_format(self._format, error, value, self.name)) from error

    def read_all(self, values: Sequence[bytes], headers: Sequence[Headers]) -> list[Any]:
        """Return the plain values of n records, all or nothing."""
        decode = self._decode
        return [decode(v) for v in (without_marks(values) if self.name == "json" else values)]


class JsonValues(_StructuredValues):
    """JSON (RFC 8259), UTF-8; a byte order mark is skipped."""

    def __init__(self) -> None:
        super().__init__("json", "JSON", msgspec.json.Decoder())


class MsgpackValues(_StructuredValues):
    """MessagePack."""

    def __init__(self) -> None:
        super().__init__("msgpack", "MessagePack", msgspec.msgpack.Decoder())


class ImageValues:
    """The bytes of a picture's file: the value is the picture itself."""

    name = "image"

    def read(self, value: bytes, headers: Headers) -> Any:
        """Return the bytes. Only the first of them are checked; no pixel is decoded."""
        if not value:
            raise EmptyValueError(f"the value has no bytes: expected {DECODED_TEXT}")
        if not image_content_type(value):
            raise DecodeError(why_not_decoded(value, "the value"))
        return value

    def read_all(self, values: Sequence[bytes], headers: Sequence[Headers]) -> list[Any]:
        """Return the bytes of n pictures."""
        return [self.read(value, ()) for value in values]


def not_the_format(format: str, error: Exception, value: bytes, codec: str) -> str:
    """Return the message for bytes that are not in a format, with the name of what they are in."""
    frame = describe_frame(value, codec)
    return f"not {format}: {error}" + (f": {frame}" if frame else "")


#: Each format that can be read without an event type. Formats with a schema registry come from
#: the pipeline.
VALUE_CODECS: dict[str, type[JsonValues] | type[MsgpackValues] | type[ImageValues]] = {
    "json": JsonValues,
    "msgpack": MsgpackValues,
    "image": ImageValues,
}
