"""Read a topic back from its beginning to its end."""

from __future__ import annotations

import time
from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, Message
from confluent_kafka import TopicPartition as At

from benchmarks.harness.topics import ends_of

_READ_SECONDS = 20.0
_WAIT_SECONDS = 0.5
_READ_AT_ONCE = 10_000


class ReadError(Exception):
    """A topic could not be read to its end."""


def read_all(servers: str, topic: str, partitions: int) -> Iterator[Message]:
    """Yield a topic's committed records, from its beginning to its present end.

    The records of a partition come in order. There may be fewer records than end offsets say:
    the markers of transactions have offsets, too.

    Raises:
        ReadError: records can't be read, or none came for a while.
    """
    ends = ends_of(servers, topic, partitions)
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": "penstock-bench", "enable.auto.commit": False,
         "enable.partition.eof": True, "isolation.level": "read_committed", "log_level": 0}
    )  # fmt: skip
    try:
        ahead = {partition for partition, end in enumerate(ends) if end}
        consumer.assign([At(topic, partition, 0) for partition in ahead])
        deadline = time.monotonic() + _READ_SECONDS
        while ahead:
            messages = consumer.consume(_READ_AT_ONCE, timeout=_WAIT_SECONDS)
            if messages:
                deadline = time.monotonic() + _READ_SECONDS
            elif time.monotonic() > deadline:
                raise ReadError(f"{topic}: partitions {ahead} can't be read to their ends")
            for message in messages:
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    ahead.discard(message.partition() or 0)
                else:
                    raise ReadError(f"{topic}: {error}")
    finally:
        consumer.close()
