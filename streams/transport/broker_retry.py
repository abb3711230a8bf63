"""Repeat requests of aiokafka's clients while no broker answers.

Nothing is lost while they wait: unacknowledged results are not committed, and are read again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiokafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    RequestTimedOutError,
    UnknownTopicOrPartitionError,
)

from streams.retry import retry

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

logger = logging.getLogger(__name__)

_FIRST_BACK_OFF_SECONDS, _LAST_BACK_OFF_SECONDS = 0.5, 10.0


async def start_with_retry(start: Callable[[], Awaitable[None]]) -> None:
    """Start a client; while no broker can be reached, retry with a growing back-off.

    Raises:
        Exception: any other error of `start`.
    """
    await retry(
        start,
        (KafkaConnectionError, RequestTimedOutError),
        _warn_once,
        wait_seconds=_FIRST_BACK_OFF_SECONDS,
        max_wait_seconds=_LAST_BACK_OFF_SECONDS,
    )


def _warn_once(error: Exception, num_failures: int) -> None:
    if num_failures == 1:
        logger.warning("no broker can be reached (%s): waiting for one", error)


async def send_batch_until_queued(
    producer: AIOKafkaProducer, batch: Any, topic: str, partition: int
) -> asyncio.Future[Any]:
    """Queue a producer batch behind the previous one; wait while the topic does not exist.

    Raises:
        KafkaError: the batch can't be queued, for any other reason.
    """
    while True:
        try:
            future: asyncio.Future[Any] = await producer.send_batch(
                batch, topic, partition=partition
            )
        except (KafkaTimeoutError, UnknownTopicOrPartitionError):  # not within the request timeout
            continue
        return future


async def find_partitions(producer: AIOKafkaProducer, topic: str) -> int:
    """Return a topic's number of partitions; wait until a broker answers and has the topic.

    The topic existed when the worker started. `TopicWatch` logs that it is missing now.

    Raises:
        KafkaError: the topic's metadata can't be read, for any other reason.
    """
    while True:
        try:
            return len(await producer.partitions_for(topic))
        except UnknownTopicOrPartitionError:
            await asyncio.sleep(_FIRST_BACK_OFF_SECONDS)
