"""Keep what waits in the Kafka client within a limit of bytes.

aiokafka fetches from a broker again although partitions of it still have records that nobody has
taken: a worker with many partitions that are slow would hold `max.partition.fetch.bytes` of each.
Here such partitions are left out of the request, and its response is limited to what has room.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from aiokafka.protocol.fetch import FetchRequest

from streams.input_buffer import Room
from streams.records import TopicPartition
from streams.transport.client_requests import Send

#: While no partition may fetch: after this long the client asks again.
_FULL_SECONDS = 0.05
#: Each broker may answer with so much at least, so that none waits for another. A broker returns
#: one batch of records in any case.
_LEAST_BYTES = 65_536


class FetchBudget:
    """Limits the fetches of one aiokafka client: a layer of its requests.

    Args:
        max_bytes: of what waits in the client and what is on its way to it.
        waiting: returns the bytes of each partition that wait in the client.
        num_partitions: returns how many partitions the worker holds.
    """

    def __init__(
        self,
        max_bytes: int,
        waiting: Callable[[], Mapping[TopicPartition, int]],
        num_partitions: Callable[[], int],
    ) -> None:
        self._max_bytes = max_bytes
        self._waiting, self._num_partitions = waiting, num_partitions
        self._num_coming = 0
        """Bytes that the responses on their way may have."""

    async def send(self, send: Send, node_id: Any, request: Any, **kwargs: Any) -> Any:
        """Send a request; a fetch only of partitions with room, and of no more than has room."""
        if not isinstance(request, FetchRequest):
            return await send(node_id, request, **kwargs)
        waiting = self._waiting()
        room = Room(waiting, self._num_partitions(), self._max_bytes)
        topics = _without(request, room.full())
        if not topics:
            await asyncio.sleep(_FULL_SECONDS)
            return SimpleNamespace(API_VERSION=11, topics=[])
        left = self._max_bytes - sum(waiting.values()) - self._num_coming
        num_bytes = min(request._max_bytes, max(left, _LEAST_BYTES))
        self._num_coming += num_bytes
        try:
            return await send(node_id, _limited(request, topics, num_bytes), **kwargs)
        finally:
            self._num_coming -= num_bytes


def _without(request: FetchRequest, full: set[Any]) -> list[Any]:
    """Return a request's topics without some partitions."""
    kept = [
        (topic, [each for each in partitions if (topic, each[0]) not in full])
        for topic, partitions in request.topics
    ]
    return [(topic, partitions) for topic, partitions in kept if partitions]


def _limited(request: FetchRequest, topics: list[Any], max_bytes: int) -> FetchRequest:
    limits = request._max_wait_ms, request._min_bytes, max_bytes
    return FetchRequest(*limits, request._isolation_level, topics, request._rack_id)
