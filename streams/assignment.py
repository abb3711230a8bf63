"""The partitions that a worker holds, with their limits and the callbacks when they change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import Protocol

from streams.health.metrics import Metrics
from streams.input_buffer import Room
from streams.offsets import OffsetTracker
from streams.records import TopicPartition
from streams.settings import IntakeSettings, PipelineSettings

logger = logging.getLogger(__name__)

#: Limits for topics of plain Faust agents, which are not in the pipeline file.
_DEFAULT_LIMITS = IntakeSettings()


class Keeper(Protocol):
    """Restores and stores the state of one agent's models."""

    async def begin(
        self, positions: Mapping[TopicPartition, int], committed: Collection[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """Restore the state and return the offsets to read from."""
        ...

    async def on_revoked(self) -> None:
        """Store the state."""
        ...


class AssignedPartitions:
    """The partitions of one worker, their offset tracker, and the limits of each topic."""

    def __init__(
        self,
        limits: Mapping[str, IntakeSettings],
        metrics: Metrics,
        max_bytes: int = PipelineSettings.input_buffer_max_bytes // 2,
    ) -> None:
        """Hold no partition yet.

        Args:
            limits: of each partition, by topic.
            metrics: of the worker.
            max_bytes: of the records in work of all partitions.
        """
        self.batch_topics = frozenset(limits)
        """Topics whose agents receive whole record batches."""
        self.tracker = OffsetTracker()
        self.num_held = 0
        """Number of partitions that the group has assigned to this worker."""
        self._held: frozenset[TopicPartition] = frozenset()
        self._waiting: set[TopicPartition] = set()
        self._limits, self._max_bytes = dict(limits), max_bytes
        self._metrics = metrics
        self._is_flow_stopped = False
        metrics.show_input_buffer("in_work", lambda: sum(self.tracker.bytes_under_way().values()))
        self._on_given_up: list[Callable[[], None]] = []
        self._on_assigned: list[Callable[[set[Hashable]], None]] = []
        self._keepers: list[tuple[frozenset[str], Keeper]] = []
        self.learning_topics: frozenset[str] = frozenset()
        """Topics whose agents learn: reading starts at the offsets that `begin` returns."""

    def show_fetched(self, num_bytes: Callable[[], int]) -> None:
        """Export the bytes that are fetched and wait in the Kafka client."""
        self._metrics.show_input_buffer("fetched", num_bytes)

    def is_full(self, tp: TopicPartition) -> bool:
        """Whether a partition has reached its limit of records in work, so must not be fetched."""
        if self._is_unrestored(tp):
            return True
        limits = self._limits.get(tp.topic, _DEFAULT_LIMITS)
        num_records, num_bytes = self.tracker.under_way(tp)
        return num_records >= limits.max_records or num_bytes >= limits.max_bytes

    def room(self) -> Room[Hashable]:
        """Return what each partition may take until its records in work take too many bytes."""
        return Room(self.tracker.bytes_under_way(), self.num_held, self._max_bytes)

    def _is_unrestored(self, tp: TopicPartition) -> bool:
        """Whether a partition's model learns and is not restored yet."""
        return tp.topic in self.learning_topics and self.tracker.committed_offset(tp) is None

    def num_unrestored(self) -> int:
        """Return how many held partitions wait for their model's state; thread-safe."""
        return sum(map(self._is_unrestored, self._held))

    def on_change(
        self, on_given_up: Callable[[], None], on_assigned: Callable[[set[Hashable]], None]
    ) -> None:
        """Add callbacks for changes of the assignment.

        Args:
            on_given_up: called after partitions were given up.
            on_assigned: called after a rebalance with all partitions that the worker holds.
        """
        self._on_given_up.append(on_given_up)
        self._on_assigned.append(on_assigned)

    def keep_state(self, topics: Iterable[str], keeper: Keeper) -> None:
        """Set the keeper that restores and stores the state of these topics' models."""
        self.learning_topics |= frozenset(topics)
        self._keepers.append((frozenset(topics), keeper))

    async def begin(
        self,
        positions: Mapping[TopicPartition, int],
        committed: Collection[TopicPartition] = (),
    ) -> dict[TopicPartition, int]:
        """Restore the state of partitions of learning topics.

        Args:
            positions: for each partition, the offset of the first record to answer.
            committed: those of which the group has committed this position.

        Returns:
            For each partition, the offset to read from: its position, or lower to catch up.
        """
        starts: dict[TopicPartition, int] = {}
        for topics, keeper in self._keepers:
            kept = {tp: offset for tp, offset in positions.items() if tp.topic in topics}
            starts |= await keeper.begin(kept, committed)
        for tp, position in positions.items():
            self.tracker.begin(tp, position, starts[tp])
        return starts

    async def on_revoked(self) -> None:
        """Store the state of every model; called after the last commit before partitions move."""
        await asyncio.gather(*(keeper.on_revoked() for _, keeper in self._keepers))

    def give_up(self, partitions: Iterable[TopicPartition]) -> None:
        """Give up partitions; another worker will process their unfinished records."""
        given_up = list(partitions)
        self.tracker.give_up(given_up)
        for callback in self._on_given_up:
            callback()
        for topic, partition in given_up:
            # Otherwise this worker would report the partition's last lag until it ends.
            self._metrics.forget_lag(topic, partition)
        self._waiting.difference_update(given_up)
        self._held, self.num_held = frozenset(), 0

    def assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """Record the partitions that the group has assigned to this worker."""
        held: set[Hashable] = set(partitions)
        logger.info("holding %d partitions", len(held))
        self._metrics.rebalances.inc()
        for callback in self._on_assigned:
            callback(held)
        self._held, self.num_held = frozenset(held), len(held)  # type: ignore[arg-type]

    def flow_stopped(self) -> None:
        """Count the time from now on as lost to a rebalance."""
        if not self._is_flow_stopped:
            self._is_flow_stopped = True
            self._metrics.rebalance_seconds.of().start()

    def flow_resumed(self) -> None:
        """End the time that a rebalance has cost."""
        if self._is_flow_stopped:
            self._is_flow_stopped = False
            self._metrics.rebalance_seconds.of().stop()

    def observe_lag(self, tp: TopicPartition, num_records: int, is_waiting: bool) -> None:
        """Export a partition's lag, and record whether it has records to fetch."""
        self._metrics.lag.labels(tp.topic, str(tp.partition)).set(num_records)
        oldest_ms = self.tracker.oldest_timestamp_ms(tp)
        self._metrics.lag_seconds.observe(tp, oldest_ms, is_waiting)
        (self._waiting.add if is_waiting else self._waiting.discard)(tp)

    def has_waiting(self, topics: Sequence[str]) -> bool:
        """Whether any of these topics has records to fetch."""
        return any(tp.topic in topics for tp in self._waiting)
