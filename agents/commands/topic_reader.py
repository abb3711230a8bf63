"""Reading partitions from an offset to an offset, without joining a group or committing."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams.kafka.errors import BrokerError, BrokerSettingsError
from streams.kafka.settings import Kafka, confluent_config

#: Of one request for offsets.
_REQUEST_SECONDS = 10.0
#: A partition that gives nothing for so long is not read on.
_QUIET_SECONDS = 30.0
#: What one look for records returns at most, and how long it waits for that many.
_RECORDS_AT_ONCE, _WAIT_SECONDS = 10_000, 0.2
_OURS: dict[str, str | int | float | bool] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    # What retention removes while it is being read is passed over, not an error.
    "auto.offset.reset": "earliest",
    "allow.auto.create.topics": False,
    # At a partition's end the broker holds the answer back, and the next partition with it.
    "fetch.wait.max.ms": 10,
    # librdkafka reads ahead: bounded here, in KiB.
    "queued.max.messages.kbytes": 32_768,
}

_silent = logging.getLogger("penstock.topic_reader.librdkafka")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


class Bounds(NamedTuple):
    """What a partition held when it was asked."""

    low: int
    """The oldest offset that retention has left."""
    end: int
    """One above the newest."""


class TopicReader:
    """Reads partitions one after the other. One caller at a time.

    Args:
        kafka: client settings by librdkafka's names.
        group: whose committed offsets `committed` tells; it is never joined.
        isolation: `read_uncommitted`, or `read_committed`: then aborted records are left out and
            a partition ends where the oldest open transaction begins.

    Raises:
        BrokerSettingsError: a client setting is missing or of a wrong value.
    """

    def __init__(
        self, kafka: Kafka, group: str = "penstock-audit", isolation: str = "read_uncommitted"
    ) -> None:
        config = {**confluent_config(kafka, "consumer"), **_OURS}
        config |= {"group.id": group, "isolation.level": isolation}
        try:
            self._consumer = Consumer(config, logger=_silent)
        except KafkaException as error:
            raise BrokerSettingsError(f"kafka: {error.args[0].str()}") from None

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
        """Return what each partition holds now.

        Raises:
            BrokerError: the broker does not tell.
        """
        return [self.bounds_of(topic, p) for p in range(partitions)]

    def bounds_of(self, topic: str, partition: int) -> Bounds:
        """Return what one partition holds now.

        Raises:
            BrokerError: the broker does not tell.
        """
        at = TopicPartition(topic, partition)
        deadline = time.monotonic() + _REQUEST_SECONDS
        why = "no answer"
        while time.monotonic() < deadline:
            try:
                found = self._consumer.get_watermark_offsets(at, timeout=_REQUEST_SECONDS / 4)
            except KafkaException as error:  # a leader is elected a moment after a topic is made
                why = error.args[0].str()
                time.sleep(0.05)
                continue
            if found is not None:
                return Bounds(*found)
        raise BrokerError(f"{at.topic}[{at.partition}]: the broker does not tell its ends: {why}")

    def committed(self, topic: str, partitions: int) -> list[int]:
        """Return the group's committed offset of each partition; -1 where there is none.

        Raises:
            BrokerError: the broker does not tell.
        """
        wanted = [TopicPartition(topic, p) for p in range(partitions)]
        deadline = time.monotonic() + _REQUEST_SECONDS
        while True:
            try:
                found = self._consumer.committed(wanted, timeout=_REQUEST_SECONDS / 2)
            except KafkaException as error:
                # A broker that has just started is still finding out who coordinates the group.
                if error.args[0].code() in _ELECTING and time.monotonic() < deadline:
                    time.sleep(0.1)
                    continue
                raise BrokerError(
                    f"{topic}: the broker does not tell what is committed: {error.args[0].str()}"
                ) from None
            return [max(at.offset, -1) for at in found]

    def since(self, topic: str, bounds: Sequence[Bounds], time_ms: int) -> list[Bounds]:
        """Return bounds that begin with each partition's first record from a moment on.

        Args:
            topic: must exist.
            bounds: of its partitions, in order.
            time_ms: milliseconds since 1970, held against the records' timestamps.

        Raises:
            BrokerError: the broker does not tell.
        """
        wanted = [TopicPartition(topic, p, time_ms) for p in range(len(bounds))]
        try:
            found = self._consumer.offsets_for_times(wanted, timeout=_REQUEST_SECONDS)
        except KafkaException as error:
            raise BrokerError(
                f"{topic}: the broker finds no offsets by time: {error.args[0].str()}"
            ) from None
        return [
            Bounds(b.end if at.offset < 0 else max(at.offset, b.low), b.end)
            for at, b in zip(found, bounds, strict=True)
        ]

    def read(self, topic: str, partition: int, bounds: Bounds) -> Iterator[list[Message]]:
        """Yield a partition's records, some thousands at a time, in order.

        Args:
            topic: must exist.
            partition: of the topic.
            bounds: the first offset, and the one to stop before. Records of a log may be absent
                (compaction, transaction markers).

        Raises:
            BrokerError: it can't be read, or nothing came for a while.
        """
        position = bounds.low
        if position >= bounds.end:
            return
        self._consumer.assign([TopicPartition(topic, partition, position)])
        heard = time.monotonic()
        try:
            while position < bounds.end:
                wanted = min(bounds.end - position, _RECORDS_AT_ONCE)
                found = self._consumer.consume(wanted, timeout=_WAIT_SECONDS)
                records, position = _sorted_out(found, position, bounds.end)
                if found:
                    heard = time.monotonic()
                elif time.monotonic() - heard > _QUIET_SECONDS:
                    raise BrokerError(
                        f"{topic}[{partition}]: no record for {_QUIET_SECONDS:g} seconds, although "
                        f"it should hold offsets {position} to {bounds.end - 1}: is the broker up?"
                    )
                if records:
                    yield records
        finally:
            self._consumer.unassign()


def _sorted_out(found: list[Message], position: int, end: int) -> tuple[list[Message], int]:
    """Return the records below the end, and the offset to go on at."""
    records = []
    for message in found:
        error = message.error()
        if error is None:
            position = (message.offset() or 0) + 1
            if position <= end:
                records.append(message)
        elif error.code() == KafkaError._PARTITION_EOF:
            position = max(position, message.offset() or 0)
        elif error.code() not in _PASSING:
            raise BrokerError(f"can't read {message.topic()}: {error.str()}")
    return records, position


#: Errors of a cluster that is about to have a coordinator for the group.
_ELECTING = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
)
#: Errors after which the client goes on by itself.
_PASSING = (
    *(KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._AUTO_OFFSET_RESET),
    KafkaError.GROUP_AUTHORIZATION_FAILED,  # none is joined
)
