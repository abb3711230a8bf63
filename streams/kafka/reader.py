"""Read topics without joining a consumer group and without committing offsets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Self

from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from streams.kafka.clients import make_consumer
from streams.kafka.errors import BrokerError
from streams.kafka.message_headers import headers_of
from streams.kafka.positions import CommittedPosition, position_of
from streams.kafka.settings import Kafka

#: Limit of one request for offsets.
REQUEST_SECONDS = 10.0
#: Reading fails if a partition returns no record for this long before its end.
_QUIET_SECONDS = 30.0
#: A read returns at most this many records, and waits this long for that many.
_MAX_RECORDS, _WAIT_SECONDS = 10_000, 0.2
#: The same while following a topic: `stop` is checked this often.
_FOLLOW_MAX_RECORDS, _FOLLOW_WAIT_SECONDS = 1_000, 0.1
_RETRY_SECONDS = 0.05
_SETTINGS: dict[str, str | int | float | bool] = {
    "enable.partition.eof": True,
    # At the end of a partition the broker delays its answer, and with it the next partition's.
    "fetch.wait.max.ms": 10,
    "queued.max.messages.kbytes": 32_768,  # limits how far librdkafka reads ahead
}

#: Errors of a cluster that is still electing the group's coordinator.
_COORDINATOR_MISSING = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
)
#: Errors that waiting does not change.
_REFUSALS = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError._AUTHENTICATION)
#: Errors after which the client continues by itself.
_TRANSIENT = (
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._AUTO_OFFSET_RESET,
    KafkaError.GROUP_AUTHORIZATION_FAILED,  # no group is joined
)


class Bounds(NamedTuple):
    """The offsets that a partition holds: low, low + 1 ... end - 1."""

    low: int
    """The oldest offset that retention has left."""
    end: int
    """One above the newest."""


@dataclass(frozen=True)
class KafkaRecord:
    """One record of a topic."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    """Kafka's timestamp, milliseconds since 1970; -1: none."""
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def record_of(message: Message) -> KafkaRecord:
    """Convert a message that is not an error."""
    kind, timestamp_ms = message.timestamp()
    return KafkaRecord(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        timestamp_ms=-1 if kind == TIMESTAMP_NOT_AVAILABLE else timestamp_ms,
        key=message.key(),
        value=message.value(),
        headers=headers_of(message),
    )


def bounds_of(
    consumer: Consumer, topic: str, partition: int, seconds: float = REQUEST_SECONDS
) -> Bounds:
    """Return the bounds of a partition; waits while it has no leader.

    A topic is listed a moment before each of its partitions has a leader.

    Args:
        consumer: decides by its `isolation.level` whether open transactions count.
        topic: must exist.
        partition: of the topic.
        seconds: to wait at most.

    Raises:
        BrokerError: the broker refuses, or does not answer in time.
    """
    place = TopicPartition(topic, partition)
    deadline = time.monotonic() + seconds
    reason = "no answer"
    while (left := deadline - time.monotonic()) > 0:
        try:
            low_and_end = consumer.get_watermark_offsets(place, timeout=max(left / 4, 0.1))
        except KafkaException as error:
            reason = error.args[0].str()
            if error.args[0].code() in _REFUSALS:
                break
            time.sleep(_RETRY_SECONDS)
            continue
        if low_and_end is not None:
            return Bounds(*low_and_end)
    raise BrokerError(f"{topic}[{partition}]: can't read the end offset: {reason}")


class TopicReader:
    """Reads partitions one after the other. One caller at a time.

    Args:
        kafka: client settings by librdkafka's names.
        group: the consumer group whose offsets `committed` returns; it is never joined.
        isolation: `read_uncommitted`, or `read_committed`: then records of aborted transactions
            are left out, and a partition ends where the oldest open transaction begins.

    Raises:
        BrokerSettingsError: a client setting is missing or has a wrong value.
    """

    def __init__(
        self, kafka: Kafka, group: str = "penstock", isolation: str = "read_uncommitted"
    ) -> None:
        settings = {**_SETTINGS, "group.id": group, "isolation.level": isolation}
        self._consumer = make_consumer(kafka, settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._consumer.close()

    def bounds(self, topic: str, partitions: int) -> list[Bounds]:
        """Return the present bounds of each partition.

        Raises:
            BrokerError: the broker does not answer in time.
        """
        return [self.bounds_of(topic, partition) for partition in range(partitions)]

    def bounds_of(self, topic: str, partition: int) -> Bounds:
        """Return the present bounds of one partition.

        Raises:
            BrokerError: the broker does not answer in time.
        """
        return bounds_of(self._consumer, topic, partition)

    def committed(self, topic: str, partitions: int) -> list[int]:
        """Return the group's committed offset of each partition; -1 where there is none.

        Raises:
            BrokerError: the broker refuses, or does not answer in time.
        """
        return [position.offset for position in self.committed_positions(topic, partitions)]

    def committed_positions(self, topic: str, partitions: int) -> list[CommittedPosition]:
        """Return what the group has committed for each partition; offset -1 where nothing.

        Raises:
            BrokerError: the broker refuses, or does not answer in time.
        """
        wanted = [TopicPartition(topic, partition) for partition in range(partitions)]
        deadline = time.monotonic() + REQUEST_SECONDS
        while True:
            try:
                places = self._consumer.committed(wanted, timeout=REQUEST_SECONDS / 2)
            except KafkaException as error:
                code = error.args[0].code()
                if code in _COORDINATOR_MISSING and time.monotonic() < deadline:
                    time.sleep(2 * _RETRY_SECONDS)
                    continue
                raise BrokerError(
                    f"{topic}: can't read the committed offsets: {error.args[0].str()}"
                ) from None
            return [position_of(place) for place in places]

    def since(self, topic: str, bounds: Sequence[Bounds], time_ms: int) -> list[Bounds]:
        """Return bounds that begin at each partition's first record at or after a moment.

        Args:
            topic: must exist.
            bounds: of its partitions, in order.
            time_ms: milliseconds since 1970, compared with the records' timestamps.

        Raises:
            BrokerError: the broker refuses, or does not answer in time.
        """
        wanted = [TopicPartition(topic, p, time_ms) for p in range(len(bounds))]
        try:
            places = self._consumer.offsets_for_times(wanted, timeout=REQUEST_SECONDS)
        except KafkaException as error:
            raise BrokerError(
                f"{topic}: can't find offsets by time: {error.args[0].str()}"
            ) from None
        return [
            Bounds(b.end if place.offset < 0 else max(place.offset, b.low), b.end)
            for place, b in zip(places, bounds, strict=True)
        ]

    def read(self, topic: str, partition: int, bounds: Bounds) -> Iterator[list[Message]]:
        """Yield the records of a partition in order, up to some thousands at a time.

        Args:
            topic: must exist.
            partition: of the topic.
            bounds: the first offset, and the one to stop before. Offsets in between may have no
                record (compaction, transaction markers).

        Raises:
            BrokerError: it can't be read, or no record came for 30 seconds.
        """
        position = bounds.low
        if position >= bounds.end:
            return
        self._consumer.assign([TopicPartition(topic, partition, position)])
        last_answer = time.monotonic()
        try:
            while position < bounds.end:
                wanted = min(bounds.end - position, _MAX_RECORDS)
                messages = self._consumer.consume(wanted, timeout=_WAIT_SECONDS)
                records, position = _records_below(bounds.end, messages, position)
                if messages:
                    last_answer = time.monotonic()
                elif time.monotonic() - last_answer > _QUIET_SECONDS:
                    raise BrokerError(
                        f"{topic}[{partition}]: no record for {_QUIET_SECONDS:g} seconds, although "
                        f"it should hold offsets {position} to {bounds.end - 1}: is the broker up?"
                    )
                if records:
                    yield records
        finally:
            self._consumer.unassign()

    def read_all(self, topic: str, partitions: int) -> Iterator[Message]:
        """Yield every record that the topic holds now, partition by partition.

        Raises:
            BrokerError: it can't be read.
        """
        for partition, bounds in enumerate(self.bounds(topic, partitions)):
            for messages in self.read(topic, partition, bounds):
                yield from messages


def follow(
    kafka: Kafka,
    starts: Mapping[tuple[str, int], int],
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[KafkaRecord]:
    """Yield the records of some partitions as they arrive, without end.

    Args:
        kafka: client settings by librdkafka's names.
        starts: the first offset of each topic and partition; may be confluent-kafka's
            `OFFSET_BEGINNING` or `OFFSET_END`.
        stop: checked every tenth of a second; ends the iteration when true.

    Raises:
        BrokerError: a partition can't be read.
        BrokerSettingsError: a client setting is missing or has a wrong value.
    """
    consumer = make_consumer(kafka)
    try:
        consumer.assign([TopicPartition(t, p, offset) for (t, p), offset in starts.items()])
        while not stop():
            for message in consumer.consume(_FOLLOW_MAX_RECORDS, timeout=_FOLLOW_WAIT_SECONDS):
                if _is_record(message):
                    yield record_of(message)
    finally:
        consumer.close()


def _records_below(
    end: int, messages: Sequence[Message], position: int
) -> tuple[list[Message], int]:
    """Return the records with offsets below `end`, and the offset to continue at."""
    records = []
    for message in messages:
        offset = message.offset() or 0
        if _is_record(message):
            position = offset + 1
            if position <= end:
                records.append(message)
        elif _code(message) == KafkaError._PARTITION_EOF:
            position = max(position, offset)
    return records, position


def _is_record(message: Message) -> bool:
    """Return True for a record, False for an event that the reader can ignore.

    Raises:
        BrokerError: the message is an error.
    """
    error = message.error()
    if error is None:
        return True
    if error.code() == KafkaError._PARTITION_EOF or error.code() in _TRANSIENT:
        return False
    raise BrokerError(f"can't read {message.topic() or 'the topic'}: {error.str()}")


def _code(message: Message) -> int | None:
    error = message.error()
    return None if error is None else error.code()
