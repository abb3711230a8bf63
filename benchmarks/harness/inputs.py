"""The input of a workload, and the check of the answers to its records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from confluent_kafka import KafkaError, Message, Producer

from benchmarks.harness.topics import create_bench_topics, num_partitions

#: Keys in each partition: enough for a check of the order per key.
KEYS_PER_PARTITION = 16


class InputRecord(NamedTuple):
    """One record to load."""

    key: bytes
    value: bytes
    timestamp_ms: int


class Input(Protocol):
    """A workload's records by their index, 0 to `num_records` - 1.

    Record i is in partition i % P at offset i // P, whatever its key.
    """

    num_records: int
    kind: str
    """Of the results: their `ce_type`."""

    def records(self) -> Iterator[InputRecord]:
        """Yield all records in the order of their index."""
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
        """Return what is wrong with the model's fields in a result, "" if they are right."""
        ...


def load(servers: str, topic: str, partitions: int, source: Input) -> int:
    """Create a topic and fill it.

    Returns:
        How many partitions it has.

    Raises:
        BrokerError: the broker refuses the topic.
        RuntimeError: the broker refused a record.
    """
    create_bench_topics(servers, [topic], partitions)
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
                "enable.idempotence": True,  # a record's offset follows from its index
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
                f"can't load the input: {self._failure or f'{left} records were not sent'}"
            )

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failure = error.str()
