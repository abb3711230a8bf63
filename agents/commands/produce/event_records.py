"""Encode events as Kafka records: key, value and CloudEvents headers."""

from __future__ import annotations

import secrets
from typing import NamedTuple

from schemas import AudioChunk, AudioCodec, Event, InputError, VideoFrame, make_codec
from schemas.audio_codec import content_type_of_audio
from schemas.cloudevents import event_headers, type_name
from schemas.image_formats import image_content_type, why_not_decoded


class EventRecord(NamedTuple):
    """The record of one event."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]

    @property
    def num_bytes(self) -> int:
        """Bytes of key and value."""
        return len(self.key) + len(self.value)


class EventEncoder:
    """Encodes the events of one topic; gives an id to events without one.

    Args:
        event_type: of the topic's events.
        codec: `json`, `msgpack`, `image` (video frames only: the value is the image itself) or
            `audio` (chunks of sound only: the value is the sound).

    Raises:
        ValueError: there is no such codec, or it can't encode events of that type.
    """

    def __init__(self, event_type: type[Event], codec: str) -> None:
        self._codec = make_codec(codec, event_type)
        self._type_name = type_name(event_type)
        # Unique over runs: a consumer that drops repeated ids must not drop the next run's events.
        self._run = secrets.token_hex(8)
        self._sequence = 0

    def encode(self, event: Event) -> EventRecord:
        """Return the event's record.

        Raises:
            InputError: the codec is `image`, and the frame's bytes are not an image.
        """
        is_image = self._codec.name == "image"
        self._sequence += 1
        headers = event_headers(
            event_id=event.event_id or f"{self._run}-{self._sequence}",
            type_name=self._type_name,
            source=event.source_id or "penstock",
            time_ms=event.event_time_ms,
            content_type=self._content_type(event),
        )
        if is_image and isinstance(event, VideoFrame):
            headers.append(("frame_index", str(event.frame_index).encode()))
            headers.append(("schema_version", str(event.schema_version).encode()))
            return EventRecord(event.source_id.encode(), event.image, headers)
        if isinstance(self._codec, AudioCodec) and isinstance(event, AudioChunk):
            headers += self._codec.headers_of(event)
        return EventRecord(event.source_id.encode(), self._codec.encode(event), headers)

    def _content_type(self, event: Event) -> str:
        if self._codec.name == "image":
            return _image_type(event)
        if self._codec.name == "audio" and isinstance(event, AudioChunk):
            return content_type_of_audio(event)
        return self._codec.content_type


def _image_type(event: Event) -> str:
    image = event.image if isinstance(event, VideoFrame) else b""
    if content_type := image_content_type(image):
        return content_type
    raise InputError(why_not_decoded(image))
