"""Store snapshots in a compacted Kafka topic.

A snapshot is split into numbered parts, since a record holds about a megabyte. Each key has two
slots for chains of snapshots (`streams/state/chain.py`), written in turn. A part's record key is
its slot and number; that of changes also has their place in the chain. So compaction keeps two
chains, and a worker that dies while it writes one leaves the other unchanged. The changes of the
chain that a whole snapshot replaces get tombstones with it. A snapshot is complete if all of its
parts are there and have the same mark.
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

from streams.kafka.clients import make_consumer, make_producer
from streams.kafka.errors import BrokerError
from streams.kafka.reader import bounds_of
from streams.kafka.settings import Kafka, bootstrap_servers
from streams.state.snapshot import StateKey, StateStoreError
from streams.state.topic_parts import CHANGES, NUM_SLOTS, Found, Part, Slots, record_key_of

#: Bytes of a part: under Kafka's default `message.max.bytes`, with room for keys and headers.
PART_BYTES = 900_000
#: Records that are read first, from the end of the partition; each further read is longer.
_FIRST_READ, _NEXT_READ_FACTOR = 64, 8
_TIMEOUT_SECONDS = 30.0
_POLL_SECONDS = 0.1
#: How long the number of a topic's partitions is not asked for again.
_COUNT_SECONDS = 10.0
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

#: Settings of a snapshot topic. Small segments, since compaction skips the active one.
TOPIC_CONFIG = {"cleanup.policy": "compact", "segment.bytes": str(128 * 1024 * 1024)}


class TopicStore:
    """The snapshots of one pipeline, with a topic per agent."""

    def __init__(self, kafka: Kafka, topics: Mapping[str, str]) -> None:
        """Connect nothing yet.

        Args:
            kafka: client settings by librdkafka's names.
            topics: the snapshot topic of each agent.
        """
        self._kafka = kafka
        self._topics = topics
        self._part_bytes = min(PART_BYTES, int(kafka.get("message.max.bytes", 10**9)) * 9 // 10)
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self._num_partitions: dict[str, int] = {}
        self._counted: dict[str, float] = {}
        """When each topic's partitions were last counted; more may be added at any time."""
        self._changes: dict[tuple[StateKey, int], set[bytes]] = {}
        """The record keys of the changes in a slot, once they are known."""

    def saved(self, key: StateKey, is_expected: bool = True) -> Iterator[bytes]:
        """Yield the complete snapshots of a key, the latest first.

        If the topic was given more partitions, the earlier ones are in the partition that was the
        key's then; they are looked for if the present one has none and there should be one: that
        takes a request for each partition of the topic.
        """
        has_whole = False
        try:
            with self._consumer() as consumer:
                for place in self._places_of(key, is_expected):
                    for found in self._saved_at(consumer, key, place):
                        # Changes alone: what they follow was written while there were fewer.
                        has_whole |= not found.is_changes
                        yield found.encoded
                    if has_whole:
                        return
        except (KafkaException, BrokerError) as error:
            raise self._failed(key, "can't be read", error.args[0]) from error

    def _places_of(self, key: StateKey, has_earlier: bool = True) -> Iterator[TopicPartition]:
        """Yield the key's partition, then those that it had while the topic had fewer of them."""
        place = self._place(key)
        yield place
        if not has_earlier:
            return
        num_partitions = self._num_partitions[place.topic]
        earlier = {key.partition % fewer for fewer in range(1, num_partitions)}
        for partition in sorted(earlier - {place.partition}, reverse=True):
            yield TopicPartition(place.topic, partition)

    def _saved_at(
        self, consumer: Consumer, key: StateKey, place: TopicPartition
    ) -> Iterator[Found]:
        low, end = bounds_of(consumer, place.topic, place.partition, _TIMEOUT_SECONDS)
        seen: set[bytes] = set()
        num_chains = 0
        num_records = _FIRST_READ
        while low < end:
            start = max(low, end - num_records)
            slots = Slots(key)
            for message in _read(consumer, place, start, end):
                slots.add(message)
            for found in slots.complete():
                if found.mark not in seen:
                    seen.add(found.mark)
                    num_chains += not found.is_changes
                    yield found
            if start == low or num_chains >= NUM_SLOTS:
                return
            num_records *= _NEXT_READ_FACTOR

    def save(self, key: StateKey, sequence: int, encoded: bytes, base: int | None = None) -> None:
        """Write a snapshot's parts; return when the broker has acknowledged all of them."""
        starts = range(0, max(len(encoded), 1), self._part_bytes)
        mark = uuid.uuid4().bytes
        slot = (sequence if base is None else base) % NUM_SLOTS
        words = [slot] if base in (None, sequence) else [slot, f"{CHANGES}{sequence - base}"]
        records: list[tuple[bytes, bytes | None]] = [
            (
                record_key_of(key, *words, number),
                msgspec.msgpack.encode(
                    Part(mark, len(starts), encoded[start : start + self._part_bytes])
                ),
            )
            for number, start in enumerate(starts)
        ]
        try:
            place = self._place(key)
        except (KafkaException, BrokerError) as error:
            raise self._failed(key, "can't be written", error.args[0]) from error
        if base is None:
            self._write(key, place, records)
        elif base < sequence:
            known = self._changes.get((key, slot))
            if known is not None:
                known.update(record_key for record_key, _ in records)
            self._write(key, place, records)
        else:
            old = self._changes_in(key, place, slot)
            self._write(key, place, [*((record_key, None) for record_key in old), *records])
            self._changes[key, slot] = set()

    def _changes_in(self, key: StateKey, place: TopicPartition, slot: int) -> set[bytes]:
        """Return the record keys of the changes in a slot.

        They are known of chains that this store has written; of others the partition is read.
        """
        if (key, slot) not in self._changes:
            prefix = record_key_of(key, slot, CHANGES)
            every = self._all_parts(key, place).record_keys
            self._changes[key, slot] = {each for each in every if each.startswith(prefix)}
        return self._changes[key, slot]

    def delete(self, key: StateKey) -> int:
        """Write a tombstone for each part of a key, wherever it is."""
        return sum(self._delete_at(key, place) for place in list(self._places_of(key)))

    def _delete_at(self, key: StateKey, place: TopicPartition) -> int:
        slots = self._all_parts(key, place)
        self._write(key, place, [(record_key, None) for record_key in slots.record_keys])
        return len(slots.complete())

    def _all_parts(self, key: StateKey, place: TopicPartition) -> Slots:
        """Read all of a partition."""
        slots = Slots(key)
        try:
            with self._consumer() as consumer:
                low, end = bounds_of(consumer, place.topic, place.partition, _TIMEOUT_SECONDS)
                for message in _read(consumer, place, low, end):
                    slots.add(message)
        except (KafkaException, BrokerError) as error:
            raise self._failed(key, "can't be read", error.args[0]) from error
        return slots

    def close(self) -> None:
        """Drop the producer; no records are queued between calls."""
        self._producer = None

    def _place(self, key: StateKey) -> TopicPartition:
        """Return the partition of a key's snapshots: the one with the input partition's number."""
        topic = self._topics[key.agent]
        with self._lock:
            if self._producer is None:
                self._producer = make_producer(
                    {"compression.type": "lz4", **self._kafka}, _PRODUCER_SETTINGS
                )
            if time.monotonic() - self._counted.get(topic, -_COUNT_SECONDS) >= _COUNT_SECONDS:
                metadata = self._producer.list_topics(topic, timeout=_TIMEOUT_SECONDS).topics[topic]
                if metadata.error is not None or not metadata.partitions:
                    raise StateStoreError(
                        f"the broker has no topic {topic}: create it with `penstock topics create`"
                    )
                self._num_partitions[topic] = len(metadata.partitions)
                self._counted[topic] = time.monotonic()
        return TopicPartition(topic, key.partition % self._num_partitions[topic])

    @contextlib.contextmanager
    def _consumer(self) -> Iterator[Consumer]:
        consumer = make_consumer(self._kafka, _CONSUMER_SETTINGS)
        try:
            yield consumer
        finally:
            consumer.close()

    def _write(
        self, key: StateKey, place: TopicPartition, records: list[tuple[bytes, bytes | None]]
    ) -> None:
        errors: list[KafkaError] = []
        num_done = 0

        def delivered(error: KafkaError | None, message: Message) -> None:
            nonlocal num_done
            num_done += 1
            if error is not None:
                errors.append(error)

        try:
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


def _read(consumer: Consumer, place: TopicPartition, start: int, end: int) -> Iterator[Message]:
    """Yield the records of a partition at offsets [start, end).

    Raises:
        KafkaException: the broker rejects the request, or does not answer in time.
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
