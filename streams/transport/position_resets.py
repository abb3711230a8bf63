"""Go on where a partition no longer has the offset that is to be read.

Records were removed by retention, or the log was cut by an unclean election. What is passed over,
or read again, is reported as lost. Runs on the consumer's thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from aiokafka.structs import TopicPartition as KafkaTopicPartition

from streams.kafka.position_reset import LostReason, PositionReset, no_reset, reset_position
from streams.kafka.positions import UNKNOWN_EPOCH
from streams.records import TopicPartition
from streams.transport.leader_epochs import LeaderEpochs

if TYPE_CHECKING:
    from streams.transport.consumer_thread import ConsumerThread

#: Wait after a partition was asked to be taken over again.
_RESTART_SECONDS = 1.0


class PositionResets:
    """Resets the positions of one consumer's partitions."""

    def __init__(
        self,
        thread: ConsumerThread,
        epochs: LeaderEpochs,
        still_read: Callable[[Iterable[str]], Awaitable[set[str]]],
    ) -> None:
        """Reset nothing yet.

        Args:
            thread: the consumer's thread.
            epochs: of the records that were fetched.
            still_read: returns those topics that are still the ones that are being read.
        """
        self._thread = thread
        self._app = thread.app
        self._epochs = epochs
        self._still_read = still_read

    async def on_out_of_range(self, gone: Mapping[TopicPartition, int]) -> None:
        """Let partitions go on where they still have records; report what is passed over."""
        consumer = self._thread._ensure_consumer()
        # Offsets of an earlier topic of this name are reported by the topic watch.
        current = await self._still_read({tp.topic for tp in gone})
        partitions = [tp for tp in gone if tp.topic in current]
        first = await consumer.beginning_offsets(partitions)
        end = await consumer.end_offsets(partitions)
        policy = self._app.reset_policy
        for tp in partitions:
            reset = reset_position(gone[tp], first[tp], end[tp], policy)
            if reset is None:
                # The leader does not know the leader epoch of the record below the offset.
                if self._epochs.below(tp, gone[tp]) != UNKNOWN_EPOCH:
                    self._app.lost.unknown_epoch(tp, gone[tp])
                self._epochs.forget([tp])
                continue
            await self._reset(tp, gone[tp], reset)

    async def on_diverged(self, diverged: Mapping[TopicPartition, tuple[int, int]]) -> None:
        """Read partitions again from where their log was cut."""
        for tp, (position, end) in diverged.items():
            start = min(position, end)
            cut = PositionReset(LostReason.TRUNCATED, start, start, position - start)
            await self._reset(tp, position, cut)

    async def _reset(self, tp: TopicPartition, position: int, reset: PositionReset) -> None:
        self._app.lost.position_reset(tp, reset, self._app.reset_policy)
        if self._app.reset_policy == "none":
            await self._thread.on_main_loop(self._app.stop_for(no_reset(tp, position)))
        elif reset.reason is LostReason.REMOVED or await self._may_go_back(tp, reset.start):
            self._epochs.forget([tp])
            self._thread._ensure_consumer().seek(KafkaTopicPartition(*tp), reset.start)

    async def _may_go_back(self, tp: TopicPartition, offset: int) -> bool:
        """Whether a partition may be read again from a lower offset without a rebalance."""
        may_seek: bool = await self._thread.on_main_loop(self._thread.consumer.go_back(tp, offset))
        if not may_seek:
            await asyncio.sleep(_RESTART_SECONDS)
        return may_seek
