"""A broker that is away is waited for: at the start, while results are to be sent, not at the end.

Nothing is lost by any of it: what is not acknowledged is not committed, and is read again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from aiokafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    RequestTimedOutError,
    UnknownTopicOrPartitionError,
)

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

logger = logging.getLogger(__name__)

#: What is given up may take this long to notice.
_CANCEL_SECONDS = 1.0
_FIRST_BACK_OFF_SECONDS, _LAST_BACK_OFF_SECONDS = 0.5, 10.0


async def start_with_retry(start: Callable[[], Awaitable[None]]) -> None:
    """Start a client; while no broker can be reached try again, ever more slowly.

    Raises:
        Exception: whatever `start` raises for any other reason.
    """
    back_off = _FIRST_BACK_OFF_SECONDS
    while True:
        try:
            await start()
            return
        except (KafkaConnectionError, RequestTimedOutError) as error:
            if back_off == _FIRST_BACK_OFF_SECONDS:
                logger.warning("no broker can be reached (%s): waiting for one", error)
            await asyncio.sleep(back_off)
            back_off = min(2 * back_off, _LAST_BACK_OFF_SECONDS)


async def send_batch_until_queued(
    producer: AIOKafkaProducer, batch: Any, topic: str, partition: int
) -> asyncio.Future[Any]:
    """Queue a producer batch behind that before it, however long the broker takes for that one.

    Raises:
        KafkaError: it can't be queued, for any reason but the time that it took.
    """
    while True:
        try:
            future: asyncio.Future[Any] = await producer.send_batch(
                batch, topic, partition=partition
            )
        except KafkaTimeoutError:  # a request's timeout has passed; it was not queued
            continue
        return future


async def find_partitions(producer: AIOKafkaProducer, topic: str) -> int:
    """Return how many partitions a topic has, waiting for a broker that can say.

    Raises:
        UnknownTopicOrPartitionError: a broker answered, and has no such topic.
        KafkaError: the topic can't be seen for another reason.
    """
    while True:
        try:
            return len(await producer.partitions_for(topic))
        except UnknownTopicOrPartitionError:
            has_answered = await producer.client.force_metadata_update()
            if has_answered and producer.client.cluster.partitions_for_topic(topic) is None:
                raise


def never_expire(producer: AIOKafkaProducer) -> None:
    """Let results wait for their broker for ever.

    aiokafka gives up a batch that has waited for a request's timeout while its partition has no
    leader, and has spent a sequence number on it by then, so that the next batch is refused too.
    Memory is bounded all the same: by what the intake lets be under way.
    """
    producer._message_accumulator._batch_ttl = float("inf")


async def within(seconds: float, work: Coroutine[Any, Any, Any]) -> bool:
    """Do something, but give it up after some seconds; return whether it ended before.

    Raises:
        Exception: what the work raised; that something it waited for was cancelled is no error.
    """
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait([task], timeout=seconds)
    if done:
        if not task.cancelled():
            task.result()
        return True
    task.cancel()
    await asyncio.wait([task], timeout=_CANCEL_SECONDS)
    return False


async def stop_in_time(producer: AIOKafkaProducer, seconds: float) -> None:
    """Stop a producer, giving up what no broker takes within some seconds."""
    if not await within(max(seconds, _CANCEL_SECONDS), producer.stop()):
        logger.warning("the broker takes no results: what it has not taken will be read again")
        # Not its own `close`, which waits for the requests under way.
        if (sending := producer._sender.sender_task) is not None:
            sending.cancel()
        await producer.client.close()
