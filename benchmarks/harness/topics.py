"""Create, watch and remove the bench's topics."""

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
    if is_embedded(servers):
        return
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    for future in admin.delete_topics(names, request_timeout=_TIMEOUT_SECONDS).values():
        try:
            future.result()
        except KafkaException:
            continue


class EndOffsets:
    """Polls the end offsets of a topic over one connection."""

    def __init__(self, servers: str, topic: str, partitions: int) -> None:
        self._consumer = Consumer(
            {"bootstrap.servers": servers, "group.id": "penstock-bench", "log_level": 0}
        )
        self._partitions = [At(topic, partition) for partition in range(partitions)]

    def of_each(self) -> list[int]:
        """Return the end offset of each partition.

        Raises:
            BrokerError: the broker does not answer.
        """
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        return [self._end_of(at, deadline) for at in self._partitions]

    def _end_of(self, at: At, deadline: float) -> int:
        reason = "no answer"
        while time.monotonic() < deadline:
            try:
                offsets = self._consumer.get_watermark_offsets(at, timeout=1.0)
            except KafkaException as error:
                # The partitions of a new topic have no leaders for a moment.
                reason = error.args[0].str()
                time.sleep(0.02)
            else:
                if offsets is not None:
                    return int(offsets[1])
        raise BrokerError(f"{at.topic}: can't read its end offsets: {reason}")

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
