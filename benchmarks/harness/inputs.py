"""The input of a workload, and the check of the answers to its records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from benchmarks.harness.topics import create_bench_topics, num_partitions
from streams.kafka.publisher import Publisher

#: Keys in each partition: enough for a check of the order per key.
KEYS_PER_PARTITION = 16
_FLUSH_SECONDS = 120.0
#: With acks=all and idempotence, the publisher's defaults: offsets follow from the order.
_PRODUCER_SETTINGS: dict[str, str | int | float | bool] = {
    "linger.ms": 20,
    "queue.buffering.max.messages": 500_000,
    "delivery.timeout.ms": 300_000,
}


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
    publisher = Publisher({"bootstrap.servers": servers}, _PRODUCER_SETTINGS)
    for index, record in enumerate(source.records()):
        publisher.send(
            topic,
            record.value,
            record.key,
            partition=index % partitions,
            timestamp_ms=record.timestamp_ms,
        )
    left = publisher.flush(_FLUSH_SECONDS)
    failure = publisher.deliveries.first_failure or (
        f"{left} records were not sent" if left else ""
    )
    if failure:
        raise RuntimeError(f"can't load the input: {failure}")
    return partitions
