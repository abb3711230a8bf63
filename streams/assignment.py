"""How much of each partition a worker takes on, and who is told when partitions come and go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Protocol

from streams.health.metrics import Metrics
from streams.offsets import OffsetTracker
from streams.records import TopicPartition
from streams.settings import IntakeSettings

logger = logging.getLogger(__name__)

#: Partitions of a stock agent's topics, which no pipeline file describes.
_STOCK = IntakeSettings()


class Keeper(Protocol):
    """What restores and stores the state of one agent's models."""

    async def begin(self, positions: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Restore; return the offsets to read from."""
        ...

    async def on_revoked(self) -> None:
        """Store."""
        ...


class AssignedPartitions:
    """One worker's intake: limits by topic, the tracker, and the partitions it holds."""

    def __init__(self, limits: Mapping[str, IntakeSettings], metrics: Metrics) -> None:
        self.batch_topics = frozenset(limits)
        """Topics whose agents take whole record batches."""
        self.tracker = OffsetTracker()
        self.num_held = 0
        """Partitions that the group has given this worker."""
        self._waiting: set[TopicPartition] = set()
        self._limits = dict(limits)
        self._metrics = metrics
        self._given_up: list[Callable[[], None]] = []
        self._assigned: list[Callable[[set[Hashable]], None]] = []
        self._keepers: list[tuple[frozenset[str], Keeper]] = []
        self.learning_topics: frozenset[str] = frozenset()
        """Topics whose agents learn: reading starts where `begin` says, and not before."""

    def is_full(self, tp: TopicPartition) -> bool:
        """Whether as much of a partition is under way as may be; if so it is not fetched from."""
        if tp.topic in self.learning_topics and self.tracker.committed_offset(tp) is None:
            return True  # its model is not restored yet
        limits = self._limits.get(tp.topic, _STOCK)
        num_records, num_bytes = self.tracker.under_way(tp)
        return num_records >= limits.max_records or num_bytes >= limits.max_bytes

    def on_change(
        self, given_up: Callable[[], None], assigned: Callable[[set[Hashable]], None]
    ) -> None:
        """Call back when partitions were given up, and with all that are held after a rebalance."""
        self._given_up.append(given_up)
        self._assigned.append(assigned)

    def keep_state(self, topics: Iterable[str], keeper: Keeper) -> None:
        """Have a keeper restore and store the state of these topics' models."""
        self.learning_topics |= frozenset(topics)
        self._keepers.append((frozenset(topics), keeper))

    async def begin(self, positions: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Restore the state of partitions of learning topics.

        Args:
            positions: the offsets from which their records are to be answered.

        Returns:
            The offsets to read from: at the position or below.
        """
        starts: dict[TopicPartition, int] = {}
        for topics, keeper in self._keepers:
            own = {tp: offset for tp, offset in positions.items() if tp.topic in topics}
            starts |= await keeper.begin(own)
        for tp, position in positions.items():
            self.tracker.begin(tp, position, starts[tp])
        return starts

    async def on_revoked(self) -> None:
        """Store the state of every model, after the last commit before partitions may move."""
        await asyncio.gather(*(keeper.on_revoked() for _, keeper in self._keepers))

    def give_up(self, partitions: Iterable[TopicPartition]) -> None:
        """Let partitions go: whatever of them is unfinished is another worker's now."""
        gone = list(partitions)
        self.tracker.give_up(gone)
        for callback in self._given_up:
            callback()
        for topic, partition in gone:
            # A gauge of a partition that is another worker's would go on alerting for ever.
            self._metrics.forget_lag(topic, partition)
        self._waiting.difference_update(gone)
        self.num_held = 0

    def assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """Note what the group has given out; each partition starts at its committed offset."""
        held: set[Hashable] = set(partitions)
        logger.info("holding %d partitions", len(held))
        for callback in self._assigned:
            callback(held)
        self.num_held = len(held)

    def observe_lag(self, tp: TopicPartition, num_records: int, is_waiting: bool) -> None:
        """Export how far behind a partition is, and note whether it has records to be fetched."""
        self._metrics.lag.labels(tp.topic, str(tp.partition)).set(num_records)
        (self._waiting.add if is_waiting else self._waiting.discard)(tp)

    def has_waiting(self, topics: Sequence[str]) -> bool:
        """Whether any of these topics has records to be fetched."""
        return any(tp.topic in topics for tp in self._waiting)
