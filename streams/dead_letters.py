"""Builds dead letters: the original record, and headers that say why it was refused."""

from __future__ import annotations

import time

from schemas import DeadLetter, InputError, Origin
from schemas.cloudevents import event_headers, type_name
from streams.predicting import ModelFailedError
from streams.records import OutputRecord, RecordBatch

#: Kafka's default `message.max.bytes` is 1,048,588; the rest is room for the batch's own header.
MAX_BYTES = 1_000_000
#: A longer explanation is cut.
_MAX_MESSAGE_CHARS = 2_000
#: Upper bound of what Kafka adds to a record, and to each header.
_RECORD_OVERHEAD, _HEADER_OVERHEAD = 128, 10


def make_dead_letter(
    agent: str, batch: RecordBatch, row: int, error: InputError, max_bytes: int = MAX_BYTES
) -> OutputRecord:
    """Return the dead letter of one row: its key, value and headers, then ours.

    One that would be larger than `max_bytes` is cut: the value first, then the original's
    headers, then the key; the headers say so and give the value's full size.
    """
    key, value, original = batch.keys[row], batch.values[row] or b"", list(batch.headers[row])
    origin = Origin(*batch.tp, batch.offsets[row])
    own = _headers(agent, origin, error, full_bytes=-1)
    room = max_bytes - _size(key, original, own)
    if len(value) <= room:
        return OutputRecord(key, value, original + own)
    own = _headers(agent, origin, error, full_bytes=len(value))
    if _size(key, original, own) > max_bytes:
        original = []
        own.append(("__penstock.errors.cut", b"value, headers"))
    if _size(key, original, own) > max_bytes:
        key = None
        own[-1] = ("__penstock.errors.cut", b"value, headers, key")
    room = max_bytes - _size(key, original, own)
    return OutputRecord(key, value[: max(room, 0)], original + own)


def _headers(
    agent: str, origin: Origin, error: InputError, full_bytes: int
) -> list[tuple[str, bytes]]:
    now_ms = time.time_ns() // 1_000_000
    cause = error.__cause__
    letter = DeadLetter(
        origin=origin,
        agent=agent,
        reason=error.reason,
        message=str(error)[:_MAX_MESSAGE_CHARS],
        exception=type(cause if isinstance(error, ModelFailedError) and cause else error).__name__,
        attempts=getattr(error, "attempts", 1),
        failed_at_ms=now_ms,
        full_bytes=full_bytes,
    )
    event_id = f"{origin.topic}:{origin.partition}:{origin.offset}:{agent}:dead_letter:0"
    return letter.to_headers() + event_headers(
        event_id=event_id,
        type_name=type_name(DeadLetter),
        source=f"penstock/{agent}",
        time_ms=now_ms,
        content_type="application/octet-stream",
    )


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
