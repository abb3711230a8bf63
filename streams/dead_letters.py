"""Builds dead letters: the original record, with headers that give the reason of the failure."""

from __future__ import annotations

import time
from typing import Any, NamedTuple, Protocol

from msgspec.structs import replace

from schemas import DeadLetter, InputError, Origin, Replay
from schemas.cloudevents import event_headers, type_name
from schemas.errors import ModelFailedError
from schemas.registry.letters import DeadLetterRecord, move_schema_header
from streams.kafka.positions import result_id
from streams.output_records import OutputRecord
from streams.records import RecordBatch
from streams.settings import DeadLetterPayload

#: Kafka's default `message.max.bytes` is 1,048,588; the rest is room for the batch header.
MAX_BYTES = 1_000_000
#: Longer messages are cut.
_MAX_MESSAGE_CHARS = 2_000
#: Upper bound of the bytes that Kafka adds to a record, and to each header.
_RECORD_OVERHEAD, _HEADER_OVERHEAD = 128, 10
#: Upper bound of the bytes by which a value's length is longer than the length of an empty value.
_LENGTH_BYTES = 8

Headers = list[tuple[str, bytes]]


class LetterCodec(Protocol):
    """Encodes the values of dead letters by a schema of a registry."""

    name: str
    content_type: str

    def encode(self, message: Any) -> bytes:
        """Return the framed bytes of a `DeadLetterRecord`."""
        ...


def make_dead_letter(
    agent: str,
    batch: RecordBatch,
    row: int,
    error: InputError,
    max_bytes: int = MAX_BYTES,
    payload: DeadLetterPayload = "full",
    codec: LetterCodec | None = None,
) -> OutputRecord:
    """Return the dead letter of one row: its key, value and headers, then the reason's headers.

    A dead letter larger than `max_bytes` is cut: first the value, then the original headers, then
    the key. Its headers name the parts that were cut and give the full size of the value. With a
    payload of `none` it contains nothing that the producer wrote and no error message, which might
    quote the record: only the record's position and the kind of failure.
    """
    key, value, original = batch.keys[row], batch.values[row] or b"", list(batch.headers[row])
    letter, topic_id = _letter(agent, batch, row, error), batch.topic_id
    if codec is not None:
        letter = replace(letter, value_codec=codec.name)
        original = move_schema_header(original)
    form = _Form(topic_id, max_bytes, codec)
    if payload == "none":
        message = "left out: dead_letter_payload is none"
        letter = replace(
            letter, message=message, full_bytes=len(value), cut="value, headers, key, message"
        )
        return form.record(letter, None, b"", _replay_headers(original))
    if len(value) <= form.room(letter, key, original):
        return form.record(letter, key, value, original)
    letter = replace(letter, full_bytes=len(value), cut="value")
    if form.room(letter, key, original) < 0:
        original = _replay_headers(original)
        letter = replace(letter, cut="value, headers")
    if form.room(letter, key, original) < 0:
        key = None
        letter = replace(letter, cut="value, headers, key")
    room = form.room(letter, key, original)
    return form.record(letter, key, value[: max(room, 0)], original)


class _Form(NamedTuple):
    """How a letter is written."""

    topic_id: str
    max_bytes: int
    codec: LetterCodec | None

    def room(self, letter: DeadLetter, key: bytes | None, original: Headers) -> int:
        """Return how many bytes of the original's value fit beside the rest."""
        room = self.max_bytes - _size(key, original, self._headers(letter))
        if self.codec is None:
            return room
        room -= len(self._value(letter, key, b"")) + _LENGTH_BYTES
        # JSON has bytes in base64: 4 of its bytes hold 3.
        return room * 3 // 4 if self.codec.name == "json_schema" else room

    def record(
        self, letter: DeadLetter, key: bytes | None, value: bytes, original: Headers
    ) -> OutputRecord:
        return OutputRecord(key, self._value(letter, key, value), original + self._headers(letter))

    def _value(self, letter: DeadLetter, key: bytes | None, value: bytes) -> bytes:
        if self.codec is None:
            return value
        return self.codec.encode(DeadLetterRecord.of(letter, key, value))

    def _headers(self, letter: DeadLetter) -> Headers:
        kind = self.codec.content_type if self.codec else "application/octet-stream"
        return _headers(letter, self.topic_id, kind)


def _letter(agent: str, batch: RecordBatch, row: int, error: InputError) -> DeadLetter:
    cause = error.__cause__
    return DeadLetter(
        origin=Origin(*batch.tp, batch.offsets[row]),
        agent=agent,
        reason=error.reason,
        message=str(error)[:_MAX_MESSAGE_CHARS],
        exception=type(cause if isinstance(error, ModelFailedError) and cause else error).__name__,
        attempts=getattr(error, "attempts", 1),
        failed_at_ms=time.time_ns() // 1_000_000,
        timestamp_ms=batch.timestamps_ms[row],
    )


def _headers(letter: DeadLetter, topic_id: str, content_type: str) -> Headers:
    origin, agent = letter.origin, letter.agent
    event_id = result_id(
        origin.topic, topic_id, origin.partition, origin.offset, agent, "dead_letter", 0
    )
    return letter.to_headers() + event_headers(
        event_id=event_id,
        type_name=type_name(DeadLetter),
        source=f"penstock/{agent}",
        time_ms=letter.failed_at_ms,
        content_type=content_type,
    )


def _replay_headers(original: Headers) -> Headers:
    """Return the headers that a cut must keep: the replayed record's origin and the attempt."""
    replay = Replay.from_headers(original)
    return [] if replay is None else replay.to_headers()


def _size(key: bytes | None, *header_lists: Headers) -> int:
    return (
        _RECORD_OVERHEAD
        + len(key or b"")
        + sum(
            len(name.encode()) + len(value or b"") + _HEADER_OVERHEAD
            for headers in header_lists
            for name, value in headers
        )
    )
