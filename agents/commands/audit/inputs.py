"""Read an agent's input: which records there are to answer."""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message

from agents.commands.audit.ledger import KEYLESS, REPLAY, TOMBSTONE, Ledger, OnRead
from schemas import Replay
from schemas.replay import ORIGIN_HEADER
from streams.kafka.message_headers import headers_of
from streams.kafka.reader import Bounds, TopicReader


def read_input(
    reader: TopicReader, ledger: Ledger, topic: str, bounds: Bounds, on_read: OnRead
) -> None:
    """Enter every record of one input partition into its ledger.

    Raises:
        BrokerError: it can't be read.
    """
    for messages in reader.read(topic, ledger.partition, bounds):
        keys = [message.key() for message in messages]
        flags = [_flags(message) for message in messages]
        ledger.add([message.offset() or 0 for message in messages], list(map(hash, keys)), flags)
        for message, flag in zip(messages, flags, strict=True):
            if flag & REPLAY and (replay := Replay.from_headers(headers_of(message))):
                ledger.replays.append((message.offset() or 0, replay))
        _note_times(ledger, messages)
        on_read(len(messages))
    ledger.end = bounds.end
    # Retention may have removed records before they could be read here.
    ledger.oldest = max(bounds.low, reader.bounds_of(topic, ledger.partition).low)
    ledger.seal()


def _note_times(ledger: Ledger, messages: Sequence[Message]) -> None:
    kinds, times_ms = zip(*(message.timestamp() for message in messages), strict=True)
    ledger.oldest_ms = min(ledger.oldest_ms, min(times_ms))
    ledger.is_broker_time = all(kind == TIMESTAMP_LOG_APPEND_TIME for kind in kinds)


def _flags(message: Message) -> int:
    flags = TOMBSTONE if message.value() is None else 0
    if message.key() is None:
        flags |= KEYLESS
    headers = headers_of(message)
    if headers and ORIGIN_HEADER in dict(headers) and Replay.from_headers(headers):
        flags |= REPLAY
    return flags
