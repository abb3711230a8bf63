"""Reading a topic without being noticed: no group, no commits."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from streams.kafka.admin import probe
from streams.kafka.errors import BrokerError, BrokerSettingsError, or_hidden
from streams.kafka.settings import Kafka, confluent_config
from streams.message_headers import headers_of

#: How long one look for a record takes at most, seconds; so long a request to stop may wait.
_POLL_SECONDS = 0.1
#: librdkafka demands a group's name even of a consumer that never joins one.
_UNUSED_GROUP = "penstock-tail"
_OURS: dict[str, str | int | float | bool] = {
    "group.id": _UNUSED_GROUP,
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",
    "allow.auto.create.topics": False,
}

_silent = logging.getLogger("penstock.tailing.librdkafka")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


@dataclass(frozen=True)
class TailedRecord:
    """One record as it stands on its topic."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    """Kafka's, milliseconds since 1970; -1: none."""
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def tail_topic(
    kafka: Kafka,
    topic: str,
    *,
    from_beginning: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[TailedRecord]:
    """Yield the records of all partitions as they come, for ever.

    Args:
        kafka: client settings by librdkafka's names.
        topic: must exist.
        from_beginning: start at the oldest record rather than after the newest.
        stop: asked at least every tenth of a second; true ends it.

    Raises:
        BrokerError: no broker, no such topic, or a client setting that is wrong.
    """
    topics = probe(kafka).topics
    if topic not in topics:
        known = (
            ", ".join(difflib.get_close_matches(topic, topics)) or "penstock topics plan -c FILE"
        )
        where = kafka["bootstrap.servers"]
        raise BrokerError(f"no topic {topic!r} on {where}{or_hidden(kafka)}: look at {known}")
    start = OFFSET_BEGINNING if from_beginning else OFFSET_END
    consumer = _consumer(kafka)
    try:
        consumer.assign([TopicPartition(topic, p, start) for p in range(topics[topic])])
        while not stop():
            message = consumer.poll(_POLL_SECONDS)
            if message is not None and not _concerns_a_group(message):
                yield _record(message)
    finally:
        consumer.close()


def _consumer(kafka: Kafka) -> Consumer:
    try:
        return Consumer({**confluent_config(kafka, "consumer"), **_OURS}, logger=_silent)
    except KafkaException as error:
        raise BrokerSettingsError(f"kafka: {error.args[0].str()}") from None


def _concerns_a_group(message: Message) -> bool:
    """Return whether a message tells that the user may not use the group: none is needed."""
    error = message.error()
    return error is not None and error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED


def _record(message: Message) -> TailedRecord:
    if error := message.error():
        raise BrokerError(f"can't read {message.topic() or 'the topic'}: {error.str()}")
    return record_of(message)


def record_of(message: Message) -> TailedRecord:
    """Return a message that is no error as a record."""
    kind, timestamp_ms = message.timestamp()
    return TailedRecord(
        topic=message.topic(),
        partition=message.partition(),
        offset=message.offset(),
        timestamp_ms=-1 if kind == TIMESTAMP_NOT_AVAILABLE else timestamp_ms,
        key=message.key(),
        value=message.value(),
        headers=headers_of(message),
    )
