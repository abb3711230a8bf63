"""How a partition's new owner begins where delivery is exactly once: fence, then seek, then read.

Faust seeks to the committed offsets after each rebalance, within a time limit, and now and then
twice. Here that happens once a generation and takes as long as the brokers take; until it is done
the partitions are not fetched from.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from aiokafka.errors import IllegalStateError
from faust.tables.recovery import RebalanceAgain
from faust.types import TP

from streams.exactly_once.transactions import Transactions
from streams.records import TopicPartition
from streams.transport.catch_up import seek_to_state

logger = logging.getLogger(__name__)


class Takeover:
    """Makes a consumer's partitions this worker's, and lets one go that was lost."""

    def __init__(self, consumer: Any, transactions: Transactions) -> None:
        """Say whose partitions.

        Args:
            consumer: `streams.transport.consumer.Consumer`.
            transactions: of its batch topics.
        """
        self._consumer = consumer
        self._transactions = transactions
        self._task: asyncio.Task[None] | None = None
        self._generation = -1
        transactions.on_lost = self._lost

    async def perform(self) -> None:
        """Take over everything that is assigned, once a generation.

        Raises:
            RebalanceAgain: the partitions were given out anew meanwhile. (Were it CancelledError,
                Faust's recovery, which waits for this, would end, and resume nothing ever after.)
        """
        generation = self._consumer.app.consumer_generation_id
        if self._task is None or self._generation != generation:
            self.cancel()
            self._generation = generation
            self._task = asyncio.ensure_future(self._take_over())
        task = self._task
        # Whoever waits may be interrupted; the work goes on.
        await asyncio.wait([task])
        if task.cancelled():
            raise RebalanceAgain
        task.result()

    def cancel(self) -> None:
        """Stop taking over: the partitions are someone else's, or about to be."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _take_over(self) -> None:
        assigned = [TopicPartition(*tp) for tp in self._consumer.assignment()]
        ours = [tp for tp in assigned if tp.topic in self._consumer.assigned.batch_topics]
        try:
            await self._transactions.release_all()
            await self._seek_stock([tp for tp in assigned if tp not in ours])
            await self._transactions.own(ours, self._begin)
        except IllegalStateError as error:
            # Not assigned any more: the next generation begins from the start.
            logger.info("partitions moved on while they were taken over: %s", error)
        except Exception as error:
            await self._transactions.on_failure(error)

    async def _begin(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Seek to what is committed; where models learn, to what their snapshots cover."""
        await self._seek(offsets)
        await seek_to_state(self._consumer)

    async def _seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        known = {TP(*tp): offset for tp, offset in offsets.items()}
        if known:
            await self._consumer.seek_wait(known)
        self._consumer._committed_offset.update(known)

    async def _seek_stock(self, partitions: list[TopicPartition]) -> None:
        """Seek partitions of stock agents, as ever: they are at least once."""
        if partitions:
            await self._seek(await self._consumer.committed_offsets(partitions))

    async def _lost(self, tp: TopicPartition) -> None:
        self._consumer.assigned.give_up([tp])
        await self._consumer.rejoin()
