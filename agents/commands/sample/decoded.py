"""Decode sampled records as a worker would, one by one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from agents.pipeline.parts import AgentParts, make_decoder
from schemas.errors import SourceAwayError
from streams.event_times import EventTimes
from streams.ingest import Ingest
from streams.kafka.reader import KafkaRecord
from streams.offsets import OffsetTracker
from streams.records import RecordBatch, TopicPartition
from streams.settings import AgentSettings


class SampledRecord(msgspec.Struct):
    """What one record would become."""

    partition: int
    offset: int
    raw: str
    """The value, as text where it is text."""
    outcome: str
    """`events`, `filtered`, `dead_letter`, or `waiting` for a picture's store that is away."""
    events: list[Any] = []
    reason: str = ""
    """Why it is filtered or a dead letter."""
    message: str = ""
    """Of the dead letter."""
    implausible: str = ""
    """A time that can't be right, in words."""


def decode_records(
    settings: AgentSettings, parts: AgentParts, records: Sequence[KafkaRecord]
) -> list[SampledRecord]:
    """Return what each record would become."""
    rule = settings.event_time.implausible
    ingest = Ingest(make_decoder(settings, parts), None, EventTimes(rule, time.time))
    return [_decode(ingest, record) for record in records]


def _decode(ingest: Ingest, record: KafkaRecord) -> SampledRecord:
    sampled = SampledRecord(record.partition, record.offset, raw_text(record.value), "events")
    try:
        (read,) = ingest.read([batch_of(record)])
    except SourceAwayError as away:
        sampled.outcome, sampled.message = "waiting", str(away)
        return sampled
    sampled.implausible = read.implausible.example if read.implausible else ""
    sampled.events = [msgspec.to_builtins(e, builtin_types=(bytes,)) for e in read.chunk.events]
    if read.tombstones:
        sampled.outcome, sampled.reason = "filtered", "tombstone"
    for reason, rows in read.filtered.items():
        if rows:
            sampled.outcome, sampled.reason = "filtered", reason
    for _, error in read.failed:
        sampled.outcome, sampled.reason = "dead_letter", error.reason
        sampled.message = str(error)
    sampled.events = [_short(event) for event in sampled.events]
    return sampled


def batch_of(record: KafkaRecord) -> RecordBatch:
    """Return a record batch of one record."""
    tp = TopicPartition(record.topic, record.partition)
    return RecordBatch(
        tp=tp,
        span=OffsetTracker().start(tp, [record.offset], len(record.value or b"")),
        timestamps_ms=[record.timestamp_ms],
        keys=[record.key],
        values=[record.value],
        headers=[record.headers],
        arrived=0.0,
    )


def raw_text(value: bytes | None) -> str:
    """Return a value as text, or its first bytes in hexadecimal digits."""
    if value is None:
        return "null"
    try:
        return value.decode("utf-8-sig")
    except UnicodeDecodeError:
        return f"{value[:24].hex(' ')} ... ({len(value):,} bytes)"


def _short(event: Any) -> Any:
    """Return an event without its defaults, and with pictures as their size."""
    return {k: f"<{len(v):,} bytes>" if isinstance(v, bytes) else v for k, v in event.items()}
