"""What a workload's input is, and what is right as an answer to each of its records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from confluent_kafka import KafkaError, Message, Producer

from benchmarks.harness.topics import make_topics, num_partitions

#: Keys a partition: enough that order per key means something.
KEYS_PER_PARTITION = 16


class InputRecord(NamedTuple):
    """One record to load."""

    key: bytes
    value: bytes
    timestamp_ms: int


class Input(Protocol):
    """A workload's records by their index, 0 to `num_records` - 1.

    Record i lies in partition i % P at offset i // P, whatever its key.
    """

    num_records: int
    kind: str
    """Of the results: their `ce_type`."""

    def records(self) -> Iterator[InputRecord]:
        """Make all records, in the order of their index."""
        ...

    def key(self, index: int) -> bytes:
        """Return the key of a record."""
        ...

    def event_time_ms(self, index: int) -> int:
        """Return the event time of a record, milliseconds since 1970."""
        ...

    def event_id(self, index: int) -> str:
        """Return the producer's id of a record; "" where it has none."""
        ...

    def fault(self, index: int, value: bytes) -> str:
        """Return what is wrong with a result's own fields as a record's answer; "": nothing."""
        ...


def load(servers: str, topic: str, partitions: int, source: Input) -> int:
    """Make a topic and fill it.

    Returns:
        How many partitions it has.

    Raises:
        BrokerError: the broker refuses the topic.
        RuntimeError: the broker refused a record.
    """
    make_topics(servers, [topic], partitions)
    partitions = num_partitions(servers, topic)
    loader = _Loader(servers)
    for index, record in enumerate(source.records()):
        loader.send(topic, index % partitions, record)
    loader.finish()
    return partitions


class _Loader:
    def __init__(self, servers: str) -> None:
        self._failure = ""
        self._producer = Producer(
            {
                "bootstrap.servers": servers,
                "acks": "all",
                "enable.idempotence": True,  # order and number are what offsets are reckoned by
                "linger.ms": 20,
                "queue.buffering.max.messages": 500_000,
                "log_level": 0,
            }
        )

    def send(self, topic: str, partition: int, record: InputRecord) -> None:
        while True:
            try:
                self._producer.produce(
                    topic,
                    record.value,
                    record.key,
                    partition,
                    timestamp=record.timestamp_ms,
                    on_delivery=self._delivered,
                )
                return
            except BufferError:
                self._producer.poll(0.1)

    def finish(self) -> None:
        left = self._producer.flush(120)
        if left or self._failure:
            raise RuntimeError(
                f"the input could not be loaded: {self._failure or f'{left} records are left'}"
            )

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failure = error.str()
