"""Read an agent's input: which records there are to answer."""

from __future__ import annotations

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

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
        oldest_ms = min(time_ms_of(message) for message in messages)
        if 0 <= oldest_ms < ledger.oldest_ms:
            ledger.oldest_ms = oldest_ms
        on_read(len(messages))
    ledger.end = bounds.end
    # Retention may have removed records before they could be read here.
    ledger.oldest = max(bounds.low, reader.bounds_of(topic, ledger.partition).low)
    ledger.seal()


def time_ms_of(message: Message) -> int:
    """Return Kafka's timestamp of a record, milliseconds since 1970; -1: none."""
    kind, time_ms = message.timestamp()
    return -1 if kind == TIMESTAMP_NOT_AVAILABLE else time_ms


def _flags(message: Message) -> int:
    flags = TOMBSTONE if message.value() is None else 0
    if message.key() is None:
        flags |= KEYLESS
    headers = headers_of(message)
    if headers and ORIGIN_HEADER in dict(headers) and Replay.from_headers(headers):
        flags |= REPLAY
    return flags
