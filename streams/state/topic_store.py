"""Snapshots in a compacted Kafka topic, beside the offsets that they cover.

A snapshot is cut into numbered parts, since a record holds about a megabyte. Each key has two
slots, written in turn, and a part's record key is its slot and number: compaction then keeps two
whole snapshots, and a worker that dies while it writes one leaves the other as it was. A snapshot
is whole when all of its parts are there and bear the same mark.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Iterator, Mapping

import msgspec
from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from streams.kafka.admin import BrokerError, Kafka, bootstrap_servers
from streams.kafka.clients import make_consumer, make_producer
from streams.kafka.reader import bounds_of
from streams.state.snapshot import StateKey, StateStoreError

#: Bytes of a part: under Kafka's default `message.max.bytes`, with room for keys and headers.
PART_BYTES = 900_000
_NUM_SLOTS = 2
#: Records looked at first, from the end backwards; each further look is at more.
_FIRST_LOOK, _NEXT_LOOK = 64, 8
_TIMEOUT_SECONDS = 30.0
_POLL_SECONDS = 0.1
_CONSUMER_SETTINGS: dict[str, str | int | float | bool] = {
    "enable.partition.eof": True,
    "isolation.level": "read_uncommitted",
    "queued.max.messages.kbytes": 16 * 1024,
}
_PRODUCER_SETTINGS: dict[str, str | int | float | bool] = {
    "acks": "all",
    "enable.idempotence": True,
    "message.timeout.ms": int(_TIMEOUT_SECONDS * 1000),
}

#: How a topic for snapshots is made. Small segments, since compaction passes the open one by.
TOPIC_CONFIG = {"cleanup.policy": "compact", "segment.bytes": str(128 * 1024 * 1024)}


class _Part(msgspec.Struct, frozen=True, array_like=True):
    """The value of one record."""

    mark: bytes
    """The same in every part of one snapshot, and in no other."""
    count: int
    """Parts of the snapshot."""
    data: bytes


class TopicStore:
    """Keeps one pipeline's snapshots, each agent's in a topic of its own."""

    def __init__(self, kafka: Kafka, topics: Mapping[str, str]) -> None:
        """Say where; nothing is connected yet.

        Args:
            kafka: client settings by librdkafka's names.
            topics: each agent's topic for snapshots.
        """
        self._kafka = kafka
        self._topics = topics
        self._part_bytes = min(PART_BYTES, int(kafka.get("message.max.bytes", 10**9)) * 9 // 10)
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self._places: dict[str, int] = {}

    def saved(self, key: StateKey) -> Iterator[bytes]:
        """Yield the whole snapshots of a key, the latest first."""
        try:
            yield from self._saved(key)
        except (KafkaException, BrokerError) as error:
            raise self._failed(key, "can't be read", error.args[0]) from error

    def _saved(self, key: StateKey) -> Iterator[bytes]:
        place = self._place(key)
        with self._consumer() as consumer:
            low, end = bounds_of(consumer, place.topic, place.partition, _TIMEOUT_SECONDS)
            seen: set[bytes] = set()
            look = _FIRST_LOOK
            while low < end:
                start = max(low, end - look)
                slots = _Slots(key)
                for message in _read(consumer, place, start, end):
                    slots.add(message)
                for mark, encoded in slots.whole():
                    if mark not in seen:
                        seen.add(mark)
                        yield encoded
                if start == low or len(seen) >= _NUM_SLOTS:
                    return
                look *= _NEXT_LOOK

    def save(self, key: StateKey, sequence: int, encoded: bytes) -> None:
        """Write a snapshot's parts; returns when the broker has all of them."""
        starts = range(0, max(len(encoded), 1), self._part_bytes)
        mark = uuid.uuid4().bytes
        slot = sequence % _NUM_SLOTS
        records: list[tuple[bytes, bytes | None]] = [
            (
                _record_key(key, slot, number),
                msgspec.msgpack.encode(
                    _Part(mark, len(starts), encoded[start : start + self._part_bytes])
                ),
            )
            for number, start in enumerate(starts)
        ]
        self._write(key, records)

    def delete(self, key: StateKey) -> int:
        """Write a tombstone over each part of a key."""
        try:
            with self._consumer() as consumer:
                place = self._place(key)
                low, end = bounds_of(consumer, place.topic, place.partition, _TIMEOUT_SECONDS)
                slots = _Slots(key)
                for message in _read(consumer, place, low, end):
                    slots.add(message)
        except (KafkaException, BrokerError) as error:
            raise self._failed(key, "can't be read", error.args[0]) from error
        self._write(key, [(record_key, None) for record_key in slots.record_keys])
        return len(slots.whole())

    def close(self) -> None:
        """Nothing is under way between calls."""
        self._producer = None

    def _place(self, key: StateKey) -> TopicPartition:
        """Return where a key's snapshots stand: the partition with the input's number."""
        topic = self._topics[key.agent]
        with self._lock:
            if self._producer is None:
                self._producer = make_producer(
                    {"compression.type": "lz4", **self._kafka}, _PRODUCER_SETTINGS
                )
            if topic not in self._places:
                found = self._producer.list_topics(topic, timeout=_TIMEOUT_SECONDS).topics[topic]
                if found.error is not None or not found.partitions:
                    raise StateStoreError(
                        f"the broker has no topic {topic}: `penstock topics create` makes it"
                    )
                self._places[topic] = len(found.partitions)
        return TopicPartition(topic, key.partition % self._places[topic])

    @contextlib.contextmanager
    def _consumer(self) -> Iterator[Consumer]:
        consumer = make_consumer(self._kafka, _CONSUMER_SETTINGS)
        try:
            yield consumer
        finally:
            consumer.close()

    def _write(self, key: StateKey, records: list[tuple[bytes, bytes | None]]) -> None:
        errors: list[KafkaError] = []
        num_done = 0

        def delivered(error: KafkaError | None, message: Message) -> None:
            nonlocal num_done
            num_done += 1
            if error is not None:
                errors.append(error)

        try:
            place = self._place(key)
            producer = self._producer
            assert producer is not None
            for record_key, value in records:
                producer.produce(
                    place.topic, value, record_key, place.partition, on_delivery=delivered
                )
            deadline = time.monotonic() + 2 * _TIMEOUT_SECONDS
            while num_done < len(records) and time.monotonic() < deadline:
                producer.poll(_POLL_SECONDS)
        except (KafkaException, BrokerError, BufferError) as error:
            raise self._failed(key, "can't be written", error.args[0]) from error
        if errors or num_done < len(records):
            raise self._failed(key, "can't be written", errors[0] if errors else "no answer")

    def _failed(self, key: StateKey, what: str, error: object) -> StateStoreError:
        reason = error.str() if isinstance(error, KafkaError) else str(error)
        hint = ""
        if isinstance(error, KafkaError) and error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            hint = (
                f": raise its max.message.bytes above {self._part_bytes:,}, or keep state in a "
                "folder (state.store)"
            )
        servers = bootstrap_servers(self._kafka)
        return StateStoreError(
            f"state in topic {self._topics[key.agent]} at {servers} {what}: {reason}{hint}"
        )


class _Slots:
    """One key's parts, as compaction would leave them."""

    def __init__(self, key: StateKey) -> None:
        self._prefix = _record_key(key)
        self._parts: dict[bytes, tuple[int, _Part]] = {}

    def add(self, message: Message) -> None:
        """Take in the next record of the partition, whosever it is."""
        record_key, value = message.key(), message.value()
        if not isinstance(record_key, bytes) or not record_key.startswith(self._prefix):
            return
        if not value:
            self._parts.pop(record_key, None)
            return
        with contextlib.suppress(msgspec.DecodeError):
            self._parts[record_key] = (
                message.offset() or 0,
                msgspec.msgpack.decode(value, type=_Part),
            )

    @property
    def record_keys(self) -> list[bytes]:
        """The keys of all parts."""
        return list(self._parts)

    def whole(self) -> list[tuple[bytes, bytes]]:
        """Return marks and bytes of the snapshots that have all their parts, the latest first."""
        found = []
        for slot in range(_NUM_SLOTS):
            first = self._parts.get(self._prefix + b"%d/0" % slot)
            if first is None:
                continue
            mark, count = first[1].mark, first[1].count
            parts = [self._parts.get(self._prefix + b"%d/%d" % (slot, n)) for n in range(count)]
            own = [part for part in parts if part is not None and part[1].mark == mark]
            if len(own) == count:
                found.append((own[-1][0], mark, b"".join(part.data for _, part in own)))
        return [(mark, encoded) for _, mark, encoded in sorted(found, reverse=True)]


def _record_key(key: StateKey, *numbers: int) -> bytes:
    words = [key.agent, key.topic, str(key.partition), *map(str, numbers)]
    return "/".join(words).encode() + (b"" if numbers else b"/")


def _read(consumer: Consumer, place: TopicPartition, start: int, end: int) -> Iterator[Message]:
    """Yield the records of a partition at offsets [start, end).

    Raises:
        KafkaException: the broker refuses, or does not answer in time.
    """
    consumer.assign([TopicPartition(place.topic, place.partition, start)])
    offset = start
    while offset < end:
        message = consumer.poll(_TIMEOUT_SECONDS)
        if message is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        if (error := message.error()) is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                return
            raise KafkaException(error)
        offset = (message.offset() or 0) + 1
        if offset <= end:
            yield message
