"""Codecs convert events from and to bytes; the pipeline file names one for each topic."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

import msgspec

from schemas.audio_codec import AudioCodec
from schemas.errors import DecodeError, EmptyValueError, InputError, SchemaError
from schemas.event import Event, check_versions
from schemas.frame import VideoFrame
from schemas.header_values import int_header
from schemas.image_formats import DECODED_TEXT, image_content_type, why_not_decoded
from schemas.lenient import lenient_type
from schemas.mapping.frames import describe_envelope, describe_frame

#: UTF-8's byte order mark, which Windows programs write before JSON.
BOM = b"\xef\xbb\xbf"


def without_marks(values: Sequence[bytes]) -> Sequence[bytes]:
    """Return JSON values without byte order marks.

    Only the first is looked at: a producer writes the mark always or never. Where it is wrong, the
    batch can't be decoded as a whole, and each value is looked at alone.
    """
    if values and values[0].startswith(BOM):
        return [value.removeprefix(BOM) for value in values]
    return values


class Encoder(Protocol):
    """Encodes structs."""

    name: str
    content_type: str

    def encode(self, message: Any) -> bytes:
        """Return the bytes of a struct, dict or list.

        Raises:
            Exception: of any type, if it can't be encoded.
        """
        ...


@runtime_checkable
class HeaderEncoder(Encoder, Protocol):
    """Encodes structs partly into headers."""

    def headers_of(self, message: Any) -> list[tuple[str, bytes]]:
        """Return the headers of a struct, for the record whose value `encode` returns."""
        ...


class Codec(Encoder, Protocol):
    """Decodes one event type; encodes any struct."""

    def decode(self, value: bytes, headers: Mapping[str, bytes]) -> Event:
        """Return the validated event.

        Args:
            value: the record's bytes, not null.
            headers: the record's headers; of several with one name, the last.

        Raises:
            InputError: the bytes are not a valid event; the message says what was expected.
        """
        ...

    def decode_all(self, values: Sequence[bytes]) -> list[Event]:
        """Return the validated events of values that need no headers, all or nothing.

        Raises:
            Exception: of any type, if a value is not a valid event; `decode` finds out which.
        """
        ...


class _StructCodec:
    """The part that JSON and MessagePack share: a msgspec decoder and its errors' mapping."""

    format: ClassVar[str]
    """The format's name in messages."""

    name: str

    def __init__(self, event_type: type[Event], protocol: Any) -> None:
        self._event_type = event_type
        self._decode = protocol.Decoder(event_type).decode
        self._decode_plain = protocol.Decoder().decode
        self._lenient = lenient_type(event_type)
        self._decode_twin = protocol.Decoder(self._lenient.type).decode if self._lenient else None
        self.encode = protocol.Encoder().encode

    def decode(self, value: bytes, headers: Mapping[str, bytes]) -> Event:
        """Return the validated event."""
        if not value:
            raise EmptyValueError(
                f"the value has no bytes: expected {self._event_type.__name__} "
                "(a null value is a tombstone)"
            )
        if self.name == "json":
            value = value.removeprefix(BOM)
        try:
            event = self._decode_one(value)
        except msgspec.ValidationError as error:
            reason = self._explain(value) or _name_finite_bounds(str(error))
            raise SchemaError(f"not a {self._event_type.__name__}: {reason}") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            frame = describe_frame(value, self.name)
            hint = f": {frame}" if frame else ""
            raise DecodeError(f"not {self.format}: {error}{hint}") from error
        check_versions([event], self._event_type.VERSIONS)
        event.validate()
        return event

    def _decode_one(self, value: bytes) -> Event:
        try:
            event: Event = self._decode(value)
        except msgspec.ValidationError:
            if self._lenient is None or self._decode_twin is None:
                raise
            event = self._lenient.to_event(self._decode_twin(value))
        return event

    def _explain(self, value: bytes) -> str:
        """Return what is wrong with a value that is well-formed, or "" to leave it to msgspec."""
        try:
            plain = self._decode_plain(value)
        except Exception:  # it may be broken beyond the place that the first error is about
            return describe_frame(value, self.name)
        channel = self._lenient.explain(plain) if self._lenient else ""
        if not isinstance(plain, dict):
            return describe_frame(value, self.name)
        return channel or describe_envelope(plain)

    def decode_all(self, values: Sequence[bytes]) -> list[Event]:
        """Return the validated events of values, all or nothing."""
        events = self._decode_each(values)
        check_versions(events, self._event_type.VERSIONS)
        if self._event_type.validate is not Event.validate:
            for event in events:
                event.validate()
        return events

    def _decode_each(self, values: Sequence[bytes]) -> list[Event]:
        decode, lenient, decode_twin = self._decode, self._lenient, self._decode_twin
        if self.name == "json":
            values = without_marks(values)
        try:
            return [decode(value) for value in values]
        except msgspec.ValidationError:
            if lenient is None or decode_twin is None:
                raise
            return [lenient.to_event(decode_twin(value)) for value in values]


def _name_finite_bounds(message: str) -> str:
    """Replace the largest float in a message: NaN and infinity fail msgspec's check against it."""
    return re.sub(r"`float` [<>]= -?1\.79769\d+e\+308", "a finite number", message)


class JsonCodec(_StructCodec):
    """JSON objects (RFC 8259), UTF-8; bytes fields travel as base64."""

    name = "json"
    content_type = "application/json"
    format = "JSON"

    def __init__(self, event_type: type[Event]) -> None:
        super().__init__(event_type, msgspec.json)


class MsgpackCodec(_StructCodec):
    """MessagePack maps; bytes fields travel as they are."""

    name = "msgpack"
    content_type = "application/msgpack"
    format = "MessagePack"

    def __init__(self, event_type: type[Event]) -> None:
        super().__init__(event_type, msgspec.msgpack)


class ImageCodec:
    """The bytes of a picture's file; the other fields of a `VideoFrame` are in the headers.

    Results have no image form: `encode` writes JSON.
    """

    name = "image"
    content_type = "application/json"

    def __init__(self, event_type: type[Event] = VideoFrame) -> None:
        if not issubclass(event_type, VideoFrame):
            raise InputError(
                f"the image codec reads VideoFrame, not {event_type.__name__}: use json or msgpack"
            )
        self._event_type = event_type
        self.encode = msgspec.json.Encoder().encode

    def decode(self, value: bytes, headers: Mapping[str, bytes]) -> Event:
        """Return the frame. Only the first bytes of the image are checked; no pixel is decoded."""
        if not value:
            raise EmptyValueError(f"the value has no bytes: expected {DECODED_TEXT}")
        if not image_content_type(value):
            raise DecodeError(why_not_decoded(value, "the value"))
        frame = self._event_type(
            image=value,
            frame_index=int_header(headers, "frame_index", 0),
            schema_version=int_header(headers, "schema_version", 1),
        )
        check_versions([frame], self._event_type.VERSIONS)
        frame.validate()
        return frame

    def decode_all(self, values: Sequence[bytes]) -> list[Event]:
        """Return the frames of values that have no headers."""
        return [self.decode(value, {}) for value in values]


_CodecType: TypeAlias = type[JsonCodec] | type[MsgpackCodec] | type[ImageCodec] | type[AudioCodec]
CODECS: dict[str, _CodecType] = {
    codec.name: codec for codec in (JsonCodec, MsgpackCodec, ImageCodec, AudioCodec)
}
#: Codecs whose values are read together with their headers.
HEADER_CODECS = (ImageCodec.name, AudioCodec.name)


def make_codec(name: str, event_type: type[Event]) -> Codec:
    """Return a codec by its name, for one event type.

    Raises:
        ValueError: no such codec, or it can't encode that type.
    """
    if name not in CODECS:
        raise ValueError(f"no codec {name!r}: expected one of {', '.join(CODECS)}")
    return CODECS[name](event_type)
