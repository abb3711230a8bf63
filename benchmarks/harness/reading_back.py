"""Read a topic back from its beginning to its end."""

from __future__ import annotations

from collections.abc import Iterator

from confluent_kafka import Message

from streams.kafka.reader import TopicReader


def read_all(servers: str, topic: str, partitions: int) -> Iterator[Message]:
    """Yield a topic's committed records, from its beginning to its present end.

    The records of a partition come in order. There may be fewer records than end offsets say:
    the markers of transactions have offsets, too.

    Raises:
        BrokerError: records can't be read, or none came for a while.
    """
    with TopicReader({"bootstrap.servers": servers}, isolation="read_committed") as reader:
        yield from reader.read_all(topic, partitions)
