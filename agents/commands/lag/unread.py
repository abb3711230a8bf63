"""Read the first unread offsets, to count only those that hold a record.

An offset between a group's position and the end of a partition may be a transaction marker, an
aborted record, or one that compaction has removed: no offset request says which. A consumer that
reads as the pipeline does passes over them. So each partition is read from the group's position to
its first record, whose timestamp is the age of what waits; or to its end, and then nothing waits.
Where few offsets are left, their records are counted one by one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaError, Message, TopicPartition

from streams.kafka.clients import make_consumer
from streams.kafka.errors import BrokerError
from streams.kafka.group_offsets import Place
from streams.kafka.reader import Bounds, record_of
from streams.kafka.settings import Kafka

#: Up to this many offsets, and this many bytes, the records of a partition are counted one by one.
MAX_COUNTED_OFFSETS = 1_000
MAX_COUNTED_BYTES = 1_000_000
_POLL_SECONDS = 0.1
_MAX_MESSAGES = 500
_SETTINGS: dict[str, str | int | float | bool] = {
    "enable.partition.eof": True,
    "fetch.wait.max.ms": 50,
    # Only the begin of each partition is wanted; little is read ahead.
    "fetch.message.max.bytes": 65_536,
    "queued.max.messages.kbytes": 16_384,
    "queued.min.messages": 1,
}
_TRANSIENT = (
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._AUTO_OFFSET_RESET,
    KafkaError.GROUP_AUTHORIZATION_FAILED,  # no group is joined
)


@dataclass(slots=True)
class Unread:
    """What was found in one partition behind the group's position."""

    position: int
    """Read so far: the offset after the last record that was seen, or after what holds none."""
    first_offset: int | None = None
    """Of the oldest readable record; None if none was found."""
    first_timestamp_ms: int = -1
    """Its Kafka timestamp, milliseconds since 1970; -1: none."""
    num_records: int = 0
    """Readable records counted up to `position`."""
    num_bytes: int = 0
    is_finished: bool = False
    """Whether enough was read: the first record, or everything if that is little."""

    def lag(self, end: int) -> tuple[int, bool]:
        """Return how many records wait up to an end offset, and whether that is exact."""
        rest = max(end - self.position, 0)
        return self.num_records + rest, rest == 0


class UnreadReader:
    """Reads the begin of what waits in many partitions at once. One caller at a time."""

    def __init__(self, kafka: Kafka, isolation: str, timeout: float = 5.0) -> None:
        """Connect in the background.

        Args:
            kafka: client settings by librdkafka's names.
            isolation: `read_committed` or `read_uncommitted`, as the pipeline reads.
            timeout: seconds that one reading may take, > 0.

        Raises:
            BrokerSettingsError: a client setting is missing or has a wrong value.
        """
        self._consumer = make_consumer(kafka, {**_SETTINGS, "isolation.level": isolation})
        self._timeout = timeout

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def read(self, ranges: Mapping[Place, Bounds]) -> dict[Place, Unread]:
        """Read each partition from `low` until its first record is found, or to `end`.

        A partition that was not reached in time is left as it is; `position` says how far it got.

        Args:
            ranges: the group's position and the end of each partition, `low` < `end`.

        Raises:
            BrokerError: a partition can't be read.
        """
        found = {place: Unread(bounds.low) for place, bounds in ranges.items()}
        waiting = set(ranges)
        deadline = time.monotonic() + self._timeout
        self._consumer.assign([TopicPartition(*p, bounds.low) for p, bounds in ranges.items()])
        try:
            while waiting and time.monotonic() < deadline:
                messages = self._consumer.consume(_MAX_MESSAGES, timeout=_POLL_SECONDS)
                self._take(messages, ranges, found)
                done = {place for place in waiting if found[place].is_finished}
                self._leave(done)
                waiting -= done
        finally:
            self._consumer.unassign()
        return found

    def _take(
        self,
        messages: Iterable[Message],
        ranges: Mapping[Place, Bounds],
        found: Mapping[Place, Unread],
    ) -> None:
        for message in messages:
            place = (message.topic() or "", message.partition() or 0)
            unread = found.get(place)
            if unread is None or unread.is_finished:
                continue
            if message.error() is None:
                _count(unread, message, ranges[place])
            elif _is_end(message):
                unread.position, unread.is_finished = ranges[place].end, True

    def _leave(self, done: Iterable[Place]) -> None:
        if places := [TopicPartition(*place) for place in done]:
            self._consumer.incremental_unassign(places)


def _count(unread: Unread, message: Message, bounds: Bounds) -> None:
    record = record_of(message)
    if record.offset >= bounds.end:  # written after the end was read
        unread.position, unread.is_finished = bounds.end, True
        return
    if unread.first_offset is None:
        unread.first_offset, unread.first_timestamp_ms = record.offset, record.timestamp_ms
    unread.num_records += 1
    unread.num_bytes += len(record.key or b"") + len(record.value or b"")
    unread.position = record.offset + 1
    unread.is_finished = (
        unread.position >= bounds.end
        or bounds.end - unread.first_offset > MAX_COUNTED_OFFSETS
        or unread.num_bytes > MAX_COUNTED_BYTES
    )


def _is_end(message: Message) -> bool:
    """Return whether an error only says that its partition has no more records now.

    Raises:
        BrokerError: the partition can't be read.
    """
    error = message.error()
    if error is None or error.code() in _TRANSIENT:
        return False
    if error.code() == KafkaError._PARTITION_EOF:
        return True
    raise BrokerError(f"can't read {message.topic() or 'the topic'}: {error.str()}")
