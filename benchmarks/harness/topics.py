"""Create, watch and remove the bench's topics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing

from confluent_kafka import KafkaException, Message

from streams.kafka.admin import create_topics, probe
from streams.kafka.clients import make_admin, make_consumer
from streams.kafka.reader import TopicReader, bounds_of
from streams.settings import TopicSettings

_TIMEOUT_SECONDS = 10.0
#: Removed topics give their disk space back at once: a bench writes gigabytes.
_TOPIC_CONFIG = {"file.delete.delay.ms": "1000", "retention.ms": "-1"}


def create_bench_topics(
    servers: str, names: list[str], partitions: int, config: Mapping[str, str] | None = None
) -> None:
    """Create topics that are absent, and wait until they can be written to.

    Raises:
        BrokerError: the broker refuses.
    """
    wanted = TopicSettings(partitions=partitions, config={**_TOPIC_CONFIG, **(config or {})})
    create_topics({"bootstrap.servers": servers}, dict.fromkeys(names, wanted))
    for name in names:
        ends_of(servers, name, num_partitions(servers, name))  # answered once they have leaders


def num_partitions(servers: str, topic: str) -> int:
    """Return a topic's number of partitions: the embedded broker makes 4 whatever was asked."""
    return probe({"bootstrap.servers": servers}).topics[topic]


def is_embedded(servers: str) -> bool:
    """Return whether this is the embedded broker."""
    return probe({"bootstrap.servers": servers}).is_embedded


def remove_topics(servers: str, names: list[str]) -> None:
    """Remove topics; those that can't be removed are left: the embedded broker removes none."""
    if not names or is_embedded(servers):
        return
    admin = make_admin({"bootstrap.servers": servers})
    for future in admin.delete_topics(names, request_timeout=_TIMEOUT_SECONDS).values():
        try:
            future.result()
        except KafkaException:
            continue


class EndOffsets:
    """Polls the end offsets of a topic over one connection."""

    def __init__(self, servers: str, topic: str, partitions: int) -> None:
        self._consumer = make_consumer({"bootstrap.servers": servers})
        self._topic, self._num_partitions = topic, partitions

    def of_each(self) -> list[int]:
        """Return the end offset of each partition.

        Raises:
            BrokerError: the broker does not answer in time.
        """
        return [
            bounds_of(self._consumer, self._topic, partition, _TIMEOUT_SECONDS).end
            for partition in range(self._num_partitions)
        ]

    def total(self) -> int:
        """Return the number of records: the bench's topics begin at offset 0."""
        return sum(self.of_each())

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()


def ends_of(servers: str, topic: str, partitions: int) -> list[int]:
    """Return the end offset of each partition."""
    with closing(EndOffsets(servers, topic, partitions)) as ends:
        return ends.of_each()


def read_all(servers: str, topic: str, partitions: int) -> Iterator[Message]:
    """Yield a topic's committed records, from its beginning to its present end.

    The records of a partition come in order.

    Raises:
        BrokerError: the topic can't be read.
    """
    with TopicReader({"bootstrap.servers": servers}, isolation="read_committed") as reader:
        yield from reader.read_all(topic, partitions)
