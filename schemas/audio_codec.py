"""The `audio` codec: the value is the sound, everything else is in headers, never base64.

Headers of events and results alike: `audio_encoding`, `sample_rate_hz`, `num_channels`, `sequence`,
`is_end`, `schema_version`. A result has one more, `penstock_result`: JSON of all its fields but the
sound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args

import msgspec

from schemas.audio import AudioChunk, AudioEncoding, SpokenAudio
from schemas.audio_formats import CONTENT_TYPES, DECODED_TEXT, file_encoding, why_not_read
from schemas.errors import DecodeError, EmptyValueError, InputError, SchemaError
from schemas.event import Event, check_versions
from schemas.header_values import int_header

#: The header that holds a result's fields except the sound.
RESULT_HEADER = "penstock_result"
_ENCODINGS: tuple[AudioEncoding, ...] = get_args(AudioEncoding)
_FLAGS = {b"0": False, b"1": True}


class AudioCodec:
    """Bare samples or a sound file as the value; the other fields are in the headers."""

    name = "audio"
    content_type = "application/octet-stream"

    def __init__(self, event_type: type[Event] = AudioChunk) -> None:
        if event_type is not Event and not issubclass(event_type, AudioChunk):
            raise InputError(
                f"the audio codec reads AudioChunk, not {event_type.__name__}: use json or msgpack"
            )
        self._event_type = cast(type[AudioChunk], AudioChunk if event_type is Event else event_type)

    def encode(self, message: Any) -> bytes:
        """Return the sound of a chunk or a result.

        Raises:
            TypeError: it has no sound.
        """
        if not isinstance(message, AudioChunk | SpokenAudio):
            raise TypeError(f"the audio codec writes sound, and {type(message).__name__} has none")
        return message.audio

    def headers_of(self, message: AudioChunk | SpokenAudio) -> list[tuple[str, bytes]]:
        """Return the headers that hold what the value can't."""
        headers = [
            ("audio_encoding", message.encoding.encode()),
            ("sample_rate_hz", b"%d" % message.sample_rate_hz),
            ("num_channels", b"%d" % message.num_channels),
            ("sequence", b"%d" % message.sequence),
            ("is_end", b"1" if message.is_end else b"0"),
            ("schema_version", b"%d" % message.schema_version),
        ]
        if isinstance(message, SpokenAudio):
            bare = msgspec.structs.replace(message, audio=b"")
            headers.append((RESULT_HEADER, msgspec.json.encode(bare)))
        return headers

    def decode(self, value: bytes, headers: Mapping[str, bytes]) -> Event:
        """Return the chunk. No sample is decoded.

        Args:
            value: the sound; empty only with the header `is_end`.
            headers: `audio_encoding` may be absent where the value is a WAV, FLAC or Opus file.

        Raises:
            InputError: no sound that is read, or a header is wrong.
        """
        is_end = _flag(headers, "is_end")
        if not value and not is_end:
            raise EmptyValueError(f"the value has no bytes: expected {DECODED_TEXT}")
        chunk = self._event_type(
            audio=value,
            encoding=_encoding(value, headers),
            sample_rate_hz=int_header(headers, "sample_rate_hz", 0),
            num_channels=int_header(headers, "num_channels", 1),
            sequence=int_header(headers, "sequence", -1),
            is_end=is_end,
            schema_version=int_header(headers, "schema_version", 1),
            event_id=_event_id_of_result(headers),
        )
        check_versions([chunk], self._event_type.VERSIONS)
        _check_ranges(chunk)
        chunk.validate()
        return chunk

    def decode_all(self, values: Sequence[bytes]) -> list[Event]:
        """Return the chunks of values that have no headers: files."""
        return [self.decode(value, {}) for value in values]


def content_type_of_audio(message: AudioChunk | SpokenAudio) -> str:
    """Return the media type of a chunk's or a result's sound."""
    return CONTENT_TYPES[message.encoding]


def read_result(value: bytes, headers: Mapping[str, bytes]) -> SpokenAudio:
    """Return a result that the codec has written.

    Raises:
        msgspec.MsgspecError: the header is not a result.
        KeyError: there is no such header.
    """
    result = msgspec.json.decode(headers[RESULT_HEADER], type=SpokenAudio)
    result.audio = value
    return result


class _Identified(msgspec.Struct):
    event_id: str = ""


def _event_id_of_result(headers: Mapping[str, bytes]) -> str:
    """Return the id of the event that a result answers; "" for a chunk that is no result.

    As with JSON, where the result's own field is read: so answers to results keep the first id.
    """
    try:
        return msgspec.json.decode(headers.get(RESULT_HEADER, b"{}"), type=_Identified).event_id
    except msgspec.MsgspecError:
        return ""


def _encoding(value: bytes, headers: Mapping[str, bytes]) -> AudioEncoding:
    raw = headers.get("audio_encoding")
    if raw is None:
        if not value:  # the end of a stream
            return "s16le"
        found = file_encoding(value)
        if found is None:
            raise DecodeError(why_not_read(value))
        return found
    name = raw.decode("utf-8", "replace")
    for encoding in _ENCODINGS:
        if encoding == name:
            return encoding
    raise SchemaError(f"header audio_encoding is {name[:40]!r}: expected {', '.join(_ENCODINGS)}")


def _flag(headers: Mapping[str, bytes], name: str) -> bool:
    raw = headers.get(name, b"0")
    if raw not in _FLAGS:
        raise SchemaError(f"header {name} is {raw[:40]!r}: expected 0 or 1")
    return _FLAGS[raw]


def _check_ranges(chunk: AudioChunk) -> None:
    """Check the limits that msgspec checks in JSON and MessagePack.

    Raises:
        SchemaError: a number is out of its range.
    """
    limits = {"sample_rate_hz": (0, 384_000), "num_channels": (1, 32), "sequence": (-1, 2**53 - 1)}
    for name, (low, high) in limits.items():
        value = getattr(chunk, name)
        if not low <= value <= high:
            raise SchemaError(f"header {name} is {value}: expected {low} to {high}")
