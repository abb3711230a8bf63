"""A broker that is away is waited for: at the start, while results are to be sent, not at the end.

Nothing is lost by any of it: what is not acknowledged is not committed, and is read again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaConnectionError, RequestTimedOutError

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

logger = logging.getLogger(__name__)

_FIRST_BACK_OFF_SECONDS, _LAST_BACK_OFF_SECONDS = 0.5, 10.0


async def start_patiently(start: Callable[[], Awaitable[None]]) -> None:
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


def never_expire(producer: AIOKafkaProducer) -> None:
    """Let results wait for their broker for ever.

    aiokafka gives up a batch that has waited for a request's timeout while its partition has no
    leader, and has spent a sequence number on it by then, so that the next batch is refused too.
    Memory is bounded all the same: by what the intake lets be under way.
    """
    producer._message_accumulator._batch_ttl = float("inf")


async def stop_in_time(producer: AIOKafkaProducer, seconds: float) -> None:
    """Stop a producer, giving up what no broker takes within some seconds."""
    stopped = asyncio.ensure_future(producer.stop())
    done, _ = await asyncio.wait([stopped], timeout=seconds)
    if not done:
        logger.warning("the broker takes no results: what it has not taken will be read again")
        await producer._sender.close()
        stopped.cancel()
        await asyncio.gather(stopped, return_exceptions=True)
        await producer.client.close()
