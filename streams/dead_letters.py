"""Builds dead letters: the original record, with headers that give the reason of the failure."""

from __future__ import annotations

import time

from msgspec.structs import replace

from schemas import DeadLetter, InputError, Origin, Replay
from schemas.cloudevents import event_headers, type_name
from schemas.errors import ModelFailedError
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


def make_dead_letter(
    agent: str,
    batch: RecordBatch,
    row: int,
    error: InputError,
    max_bytes: int = MAX_BYTES,
    payload: DeadLetterPayload = "full",
) -> OutputRecord:
    """Return the dead letter of one row: its key, value and headers, then the reason's headers.

    A dead letter larger than `max_bytes` is cut: first the value, then the original headers, then
    the key. Its headers name the parts that were cut and give the full size of the value. With a
    payload of `none` it contains nothing that the producer wrote and no error message, which might
    quote the record: only the record's position and the kind of failure.
    """
    key, value, original = batch.keys[row], batch.values[row] or b"", list(batch.headers[row])
    letter, topic_id = _letter(agent, batch, row, error), batch.topic_id
    if payload == "none":
        message = "left out: dead_letter_payload is none"
        letter = replace(
            letter, message=message, full_bytes=len(value), cut="value, headers, key, message"
        )
        return OutputRecord(None, b"", _replay_headers(original) + _headers(letter, topic_id))
    room = max_bytes - _size(key, original, _headers(letter, topic_id))
    if len(value) <= room:
        return OutputRecord(key, value, original + _headers(letter, topic_id))
    letter = replace(letter, full_bytes=len(value), cut="value")
    if _size(key, original, _headers(letter, topic_id)) > max_bytes:
        original = _replay_headers(original)
        letter = replace(letter, cut="value, headers")
    if _size(key, original, _headers(letter, topic_id)) > max_bytes:
        key = None
        letter = replace(letter, cut="value, headers, key")
    room = max_bytes - _size(key, original, _headers(letter, topic_id))
    return OutputRecord(key, value[: max(room, 0)], original + _headers(letter, topic_id))


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


def _headers(letter: DeadLetter, topic_id: str) -> list[tuple[str, bytes]]:
    origin, agent = letter.origin, letter.agent
    event_id = result_id(
        origin.topic, topic_id, origin.partition, origin.offset, agent, "dead_letter", 0
    )
    return letter.to_headers() + event_headers(
        event_id=event_id,
        type_name=type_name(DeadLetter),
        source=f"penstock/{agent}",
        time_ms=letter.failed_at_ms,
        content_type="application/octet-stream",
    )


def _replay_headers(original: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Return the headers that a cut must keep: the replayed record's origin and the attempt."""
    replay = Replay.from_headers(original)
    return [] if replay is None else replay.to_headers()


def _size(key: bytes | None, *header_lists: list[tuple[str, bytes]]) -> int:
    return (
        _RECORD_OVERHEAD
        + len(key or b"")
        + sum(
            len(name.encode()) + len(value or b"") + _HEADER_OVERHEAD
            for headers in header_lists
            for name, value in headers
        )
    )
