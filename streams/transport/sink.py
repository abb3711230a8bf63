"""Send results as whole producer batches, with one future a batch.

Source of the batch interface: aiokafka's `AIOKafkaProducer.create_batch` and `send_batch`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from aiokafka.errors import (
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from streams.protocols import Output, ProduceError, RecordTooLargeError, Rows
from streams.transport.broker_retry import find_partitions, send_batch_until_queued
from streams.transport.encoded_batch import EncodedBatch

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

    from streams.records import PackedRecords

_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
#: Errors with which a topic rejects a batch permanently; see `explain`.
REFUSED = (
    *_TOO_LARGE,
    TopicAuthorizationFailedError,
    InvalidTopicError,
    UnknownTopicOrPartitionError,
)


class KafkaSink:
    """Writes output records through one aiokafka producer (idempotent, acks=all)."""

    def __init__(self, producer: Callable[[], AIOKafkaProducer]) -> None:
        self._producer = producer

    async def num_partitions(self, topic: str) -> int:
        """Return how many partitions a topic has, from the client's cached metadata."""
        return await num_partitions(self._producer(), topic)

    async def send(self, rows: Rows, outputs: Sequence[Output]) -> Awaitable[None]:
        """Queue output records in order; the awaitable ends when the broker has all of them."""
        producer = self._producer()
        acknowledgements: list[tuple[str, asyncio.Future[Any]]] = []
        for topic, partition, records in outputs:
            for batch in producer_batches(producer, records):
                try:
                    future = await send_batch_until_queued(producer, batch, topic, partition)
                except KafkaError as error:
                    raise explain(error, topic) from error
                acknowledgements.append((topic, future))
        return _all_acknowledged(acknowledgements)


async def num_partitions(producer: AIOKafkaProducer, topic: str) -> int:
    """Return how many partitions a topic has, from the client's cached metadata.

    Raises:
        ProduceError: the topic does not exist, or its metadata can't be read.
    """
    try:
        return await find_partitions(producer, topic)
    except UnknownTopicOrPartitionError as error:
        raise ProduceError(
            f"output topic {topic} does not exist: create it with `penstock topics create`"
        ) from error
    except KafkaError as error:
        raise ProduceError(f"can't read the metadata of output topic {topic}: {error!r}") from error


def producer_batches(producer: AIOKafkaProducer, records: PackedRecords) -> Iterator[EncodedBatch]:
    """Yield records as batches for `producer.send_batch`, in order."""
    is_transactional = producer._txn_manager.transactional_id is not None
    now_ms = time.time_ns() // 1_000_000
    for batch in records.batches:
        yield EncodedBatch(batch, now_ms, is_transactional)


async def _all_acknowledged(sent: Sequence[tuple[str, asyncio.Future[Any]]]) -> None:
    done = await asyncio.gather(*(future for _, future in sent), return_exceptions=True)
    for (topic, _), result in zip(sent, done, strict=True):
        if isinstance(result, KafkaError):
            raise explain(result, topic) from result
        if isinstance(result, BaseException):
            raise result


def explain(error: KafkaError, topic: str) -> ProduceError:
    """Return the `ProduceError` for a permanent client error: too large, or rejected."""
    if isinstance(error, _TOO_LARGE):
        return RecordTooLargeError(f"a record is too large for topic {topic}: {error}")
    return ProduceError(f"topic {topic} rejected results: {error!r}")
