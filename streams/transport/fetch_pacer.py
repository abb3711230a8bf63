"""Lets records gather after a small fetch.

aiokafka sends the next fetch once all of the last has been taken. A fetch costs both sides about
as much whether it brings one record or a hundred of a partition, and so do the requests that its
results cause. So at a live rate the number of fetches decides what a record costs, and with many
partitions the number of partitions in each.

The request waits, not its response: what arrives meanwhile comes with the same response, and a
record that arrives after a pause is fetched at once. A fetch that leaves records behind delays
nothing: it was small because of a limit in bytes, not because few records arrive.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from aiokafka.protocol.fetch import FetchRequest

from streams.transport.client_requests import Send

#: A fetch of fewer records than this is small.
_FEW_RECORDS = 250
#: From a small fetch to the next, at least: this, or so long for each partition in it.
_PAUSE_SECONDS, _PAUSE_SECONDS_PER_PARTITION = 0.008, 0.0003
#: At most.
_LONGEST_PAUSE_SECONDS = 0.02


class FetchPacer:
    """Keeps a consumer from fetching too often: a layer of its client's requests."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_fetch = 0.0

    def seconds_left(self) -> float:
        """Return how long until the next fetch may be sent; 0: now."""
        return max(self._next_fetch - self._clock(), 0.0)

    async def send(self, send: Send, node_id: Any, request: Any, **kwargs: Any) -> Any:
        """Send a request; a fetch waits until it may go."""
        if isinstance(request, FetchRequest) and (seconds := self.seconds_left()):
            await asyncio.sleep(seconds)
        return await send(node_id, request, **kwargs)

    def took(self, num_records: int, num_partitions: int, has_more: bool) -> None:
        """Note that so many records of so many partitions were taken just now.

        Args:
            num_records: the number of records.
            num_partitions: the number of partitions that they are of.
            has_more: whether the broker had more records of these partitions.
        """
        if 0 < num_records < _FEW_RECORDS and not has_more:
            by_partitions = num_partitions * _PAUSE_SECONDS_PER_PARTITION
            pause = min(max(_PAUSE_SECONDS, by_partitions), _LONGEST_PAUSE_SECONDS)
            self._next_fetch = self._clock() + pause
