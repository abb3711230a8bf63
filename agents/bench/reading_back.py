"""Reading a topic back, all of it."""

from __future__ import annotations

from collections.abc import Iterator

from confluent_kafka import Consumer, Message
from confluent_kafka import TopicPartition as At

from agents.bench.topics import ends_of

_READ_SECONDS = 20.0
_READ_AT_ONCE = 10_000


class ReadError(Exception):
    """A topic could not be read to its end."""


def read_all(servers: str, topic: str, partitions: int) -> Iterator[Message]:
    """Read a topic from its beginning to its present end, each partition in order.

    Raises:
        ReadError: records can't be read, or none came for a while.
    """
    ends = ends_of(servers, topic, partitions)
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": "penstock-bench", "enable.auto.commit": False,
         "log_level": 0}
    )  # fmt: skip
    try:
        consumer.assign([At(topic, partition, 0) for partition, end in enumerate(ends) if end])
        left = sum(ends)
        while left:
            # Returns as soon as it has so many: to ask for more than there are is to wait.
            messages = consumer.consume(min(left, _READ_AT_ONCE), timeout=_READ_SECONDS)
            if not messages:
                raise ReadError(f"{topic}: {left} of {sum(ends)} records can't be read back")
            for message in messages:
                if message.error() is not None:
                    raise ReadError(f"{topic}: {message.error()}")
                left -= 1
                yield message
    finally:
        consumer.close()
