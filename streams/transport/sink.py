"""Send results as whole producer batches, with one future a batch.

Source of the batch interface: aiokafka's `AIOKafkaProducer.create_batch` and `send_batch`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from aiokafka.errors import (
    InvalidTimestampError,
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from streams.sink import Output, ProduceError, RecordTooLargeError, Rows
from streams.transport.broker_retry import find_partitions, send_batch_until_queued
from streams.transport.encoded_batch import EncodedBatch

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

    from streams.output_records import PackedRecords

_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
#: Errors with which a topic rejects a batch permanently; see `explain`.
REFUSED = (
    *_TOO_LARGE,
    TopicAuthorizationFailedError,
    InvalidTopicError,
    UnknownTopicOrPartitionError,
)
#: What `InvalidTimestampError` means. Brokers from 4.0 on allow an hour ahead of their own clock.
CLOCK_REFUSED = (
    "the broker refuses the time of results, which is this machine's: check its clock, and the "
    "topic's message.timestamp.after.max.ms and message.timestamp.before.max.ms"
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

    Waits while the topic does not exist.

    Raises:
        ProduceError: its metadata can't be read.
    """
    try:
        return await find_partitions(producer, topic)
    except KafkaError as error:
        raise ProduceError(f"can't read the metadata of output topic {topic}: {error!r}") from error


def producer_batches(producer: AIOKafkaProducer, records: PackedRecords) -> Iterator[EncodedBatch]:
    """Yield records as batches for `producer.send_batch`, in order."""
    is_transactional = producer._txn_manager.transactional_id is not None
    now_ms = time.time_ns() // 1_000_000
    for batch in records.batches:
        yield EncodedBatch(batch, now_ms, is_transactional)


def _all_acknowledged(sent: Sequence[tuple[str, asyncio.Future[Any]]]) -> asyncio.Future[None]:
    """Return a future that is done when all of `sent` are, with the first's error that has one."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    num_open = len(sent)

    def on_acknowledged(_: asyncio.Future[Any]) -> None:
        nonlocal num_open
        num_open -= 1
        if num_open or done.done():
            return
        errors = ((future.exception(), topic) for topic, future in sent if not future.cancelled())
        error, topic = next(((e, topic) for e, topic in errors if e is not None), (None, ""))
        if isinstance(error, KafkaError):
            refused = explain(error, topic)
            refused.__cause__ = error
            done.set_exception(refused)
        elif error is not None:
            done.set_exception(error)
        elif any(future.cancelled() for _, future in sent):
            done.cancel()
        else:
            done.set_result(None)

    for _, future in sent:
        future.add_done_callback(on_acknowledged)
    if not sent:
        done.set_result(None)
    return done


def explain(error: KafkaError, topic: str) -> ProduceError:
    """Return the `ProduceError` for a permanent client error: too large, or rejected."""
    if isinstance(error, _TOO_LARGE):
        return RecordTooLargeError(f"a record is too large for topic {topic}: {error}")
    if isinstance(error, InvalidTimestampError):
        return ProduceError(f"topic {topic}: {CLOCK_REFUSED}")
    return ProduceError(f"topic {topic} rejected results: {error!r}")
