"""Builds dead letters: the original record, and headers that say why it was refused."""

from __future__ import annotations

import time

from msgspec.structs import replace

from schemas import DeadLetter, InputError, Origin, Replay
from schemas.cloudevents import event_headers, type_name
from schemas.errors import ModelFailedError
from streams.records import OutputRecord, RecordBatch
from streams.settings import DeadLetterPayload

#: Kafka's default `message.max.bytes` is 1,048,588; the rest is room for the batch's own header.
MAX_BYTES = 1_000_000
#: A longer explanation is cut.
_MAX_MESSAGE_CHARS = 2_000
#: Upper bound of what Kafka adds to a record, and to each header.
_RECORD_OVERHEAD, _HEADER_OVERHEAD = 128, 10


def make_dead_letter(
    agent: str,
    batch: RecordBatch,
    row: int,
    error: InputError,
    max_bytes: int = MAX_BYTES,
    payload: DeadLetterPayload = "full",
) -> OutputRecord:
    """Return the dead letter of one row: its key, value and headers, then ours.

    One that would be larger than `max_bytes` is cut: the value first, then the original's
    headers, then the key; the headers say so and give the value's full size. With a payload of
    `none` nothing that the producer wrote is in it, nor a message that might quote it: only which
    record it was, and the kind of reason.
    """
    key, value, original = batch.keys[row], batch.values[row] or b"", list(batch.headers[row])
    letter = _letter(agent, batch, row, error)
    if payload == "none":
        message = "not told: dead_letter_payload is none"
        letter = replace(
            letter, message=message, full_bytes=len(value), cut="value, headers, key, message"
        )
        return OutputRecord(None, b"", _replay_headers(original) + _headers(letter))
    room = max_bytes - _size(key, original, _headers(letter))
    if len(value) <= room:
        return OutputRecord(key, value, original + _headers(letter))
    letter = replace(letter, full_bytes=len(value), cut="value")
    if _size(key, original, _headers(letter)) > max_bytes:
        original = _replay_headers(original)
        letter = replace(letter, cut="value, headers")
    if _size(key, original, _headers(letter)) > max_bytes:
        key = None
        letter = replace(letter, cut="value, headers, key")
    room = max_bytes - _size(key, original, _headers(letter))
    return OutputRecord(key, value[: max(room, 0)], original + _headers(letter))


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


def _headers(letter: DeadLetter) -> list[tuple[str, bytes]]:
    origin, agent = letter.origin, letter.agent
    event_id = f"{origin.topic}:{origin.partition}:{origin.offset}:{agent}:dead_letter:0"
    return letter.to_headers() + event_headers(
        event_id=event_id,
        type_name=type_name(DeadLetter),
        source=f"penstock/{agent}",
        time_ms=letter.failed_at_ms,
        content_type="application/octet-stream",
    )


def _replay_headers(original: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Return what must survive a cut: which record this one stands for, and how often."""
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
