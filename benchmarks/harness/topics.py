"""The bench's topics: made, watched and removed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as At
from confluent_kafka.admin import AdminClient

from streams.kafka.admin import create_topics, probe
from streams.kafka.errors import BrokerError
from streams.settings import TopicSettings

_TIMEOUT_SECONDS = 10.0
#: Removed topics give their disk space back at once: a bench writes gigabytes.
_TOPIC_CONFIG = {"file.delete.delay.ms": "1000", "retention.ms": "-1"}


def make_topics(
    servers: str, names: list[str], partitions: int, config: Mapping[str, str] | None = None
) -> None:
    """Make topics that are absent, and wait until they can be written to.

    Raises:
        BrokerError: the broker refuses.
    """
    wanted = TopicSettings(partitions=partitions, config={**_TOPIC_CONFIG, **(config or {})})
    create_topics({"bootstrap.servers": servers}, dict.fromkeys(names, wanted))
    for name in names:
        ends_of(servers, name, num_partitions(servers, name))  # answered once they have leaders


def num_partitions(servers: str, topic: str) -> int:
    """Return how many partitions a topic has: the embedded broker gives 4 whatever was asked."""
    return probe({"bootstrap.servers": servers}).topics[topic]


def remove_topics(servers: str, names: list[str]) -> None:
    """Remove topics; ones that can't be are left: the embedded broker removes none."""
    if probe({"bootstrap.servers": servers}).is_embedded:
        return
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    for future in admin.delete_topics(names, request_timeout=_TIMEOUT_SECONDS).values():
        try:
            future.result()
        except KafkaException:
            continue


class EndOffsets:
    """How many records a topic holds, asked again and again over one connection."""

    def __init__(self, servers: str, topic: str, partitions: int) -> None:
        self._consumer = Consumer(
            {"bootstrap.servers": servers, "group.id": "penstock-bench", "log_level": 0}
        )
        self._partitions = [At(topic, partition) for partition in range(partitions)]

    def of_each(self) -> list[int]:
        """Return the end offset of each partition.

        Raises:
            BrokerError: the broker does not tell.
        """
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        return [self._end_of(at, deadline) for at in self._partitions]

    def _end_of(self, at: At, deadline: float) -> int:
        why = "no answer"
        while time.monotonic() < deadline:
            try:
                found = self._consumer.get_watermark_offsets(at, timeout=1.0)
            except KafkaException as error:
                # The leader of a topic's partition is elected a moment after the topic is made.
                why = error.args[0].str()
                time.sleep(0.02)
            else:
                if found is not None:
                    return int(found[1])
        raise BrokerError(f"{at.topic}: the broker does not tell how much it holds: {why}")

    def total(self) -> int:
        """Return the number of records: topics of the bench begin at offset 0."""
        return sum(self.of_each())

    def close(self) -> None:
        """Let the connection go."""
        self._consumer.close()


def ends_of(servers: str, topic: str, partitions: int) -> list[int]:
    """Return the end offset of each partition."""
    with closing(EndOffsets(servers, topic, partitions)) as ends:
        return ends.of_each()
