"""Results leave as whole producer batches per partition; one future a batch.

Source of the batch interface: aiokafka's `AIOKafkaProducer.create_batch` and `send_batch`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    UnknownTopicOrPartitionError,
)

from streams.protocols import ProduceError, RecordTooLargeError
from streams.records import OutputRecord

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)


class KafkaSink:
    """Writes output records through one aiokafka producer (idempotent, acks=all)."""

    def __init__(self, producer: Callable[[], AIOKafkaProducer]) -> None:
        self._producer = producer

    async def num_partitions(self, topic: str) -> int:
        """Return how many partitions a topic has, from the client's cached metadata."""
        try:
            partitions = await self._producer().partitions_for(topic)
        except UnknownTopicOrPartitionError as error:
            raise ProduceError(
                f"output topic {topic} does not exist: make it with `penstock topics create`"
            ) from error
        except KafkaError as error:
            raise ProduceError(f"output topic {topic} can't be seen: {error!r}") from error
        return len(partitions)

    async def send(
        self, topic: str, partition: int, records: Sequence[OutputRecord]
    ) -> Awaitable[None]:
        """Queue records in order, in as many producer batches as their bytes need."""
        producer = self._producer()
        acknowledgements = []
        for batch in _build(producer, records):
            try:
                future = await producer.send_batch(batch, topic, partition=partition)
            except KafkaError as error:
                raise _explain(error, topic) from error
            acknowledgements.append(future)
        return _all_acknowledged(acknowledgements, topic)


def _build(producer: AIOKafkaProducer, records: Sequence[OutputRecord]) -> list[Any]:
    batches: list[Any] = []
    batch = None
    for record in records:
        fields = {"key": record.key, "value": record.value, "headers": record.headers}
        if batch is None or batch.append(timestamp=None, **fields) is None:
            batch = producer.create_batch()
            batches.append(batch)
            batch.append(timestamp=None, **fields)  # the first record of a batch always fits
    for batch in batches:
        batch.close()
    return batches


async def _all_acknowledged(futures: Sequence[asyncio.Future[Any]], topic: str) -> None:
    done = await asyncio.gather(*futures, return_exceptions=True)
    for result in done:
        if isinstance(result, KafkaError):
            raise _explain(result, topic) from result
        if isinstance(result, BaseException):
            raise result


def _explain(error: KafkaError, topic: str) -> ProduceError:
    if isinstance(error, _TOO_LARGE):
        return RecordTooLargeError(f"a record is too large for topic {topic}: {error}")
    return ProduceError(f"topic {topic} refused results: {error!r}")
