"""Results leave as whole producer batches per partition; one future a batch.

Source of the batch interface: aiokafka's `AIOKafkaProducer.create_batch` and `send_batch`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    UnknownTopicOrPartitionError,
)

from streams.protocols import ProduceError, RecordTooLargeError
from streams.records import OutputRecords

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

    async def send(self, topic: str, partition: int, records: OutputRecords) -> Awaitable[None]:
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


def _build(producer: AIOKafkaProducer, records: OutputRecords) -> list[Any]:
    """Return producer batches that hold the records in order."""
    batches: list[Any] = []
    row, now_ms = 0, time.time_ns() // 1_000_000
    while row < len(records):
        batch = producer.create_batch()
        row = _fill(batch, records, row, now_ms)
        batches.append(batch)
    return batches


def _fill(batch: Any, records: OutputRecords, start: int, timestamp_ms: int) -> int:
    """Append records from row `start` on until the batch is full; return the next row.

    Goes past `BatchBuilder.append`, which costs more than the record itself, to aiokafka's C
    builder, and keeps the count that it would have kept. The first record of a batch always fits.
    """
    append = batch._builder.append
    row = start
    for row in range(start, len(records)):
        offset = row - start
        fields = records.keys[row], records.values[row], records.headers[row]
        if append(offset, timestamp_ms, *fields) is None:
            break
    else:
        row = len(records)
    batch._relative_offset = row - start
    batch.close()
    return row


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
