"""Measures what a rebalance costs: partitions that move, and how long each has no result."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise

import msgspec
from confluent_kafka import ConsumerGroupState, KafkaException

from streams.kafka.admin import ends
from streams.kafka.clients import make_admin
from streams.kafka.errors import BrokerError
from streams.kafka.reader import Bounds, TopicReader
from streams.kafka.settings import Kafka

#: The group is described this often, so that partitions that move and come back are counted twice.
_LOOK_SECONDS = 0.2
_REQUEST_SECONDS = 5.0
#: A rebalance is over by then: all sessions of a testbed are shorter.
_SETTLE_SECONDS = 90.0

Owners = dict[int, str]
"""Partition of the input -> client id of the worker that has it."""


class RebalanceRow(msgspec.Struct, kw_only=True):
    """What the rebalances of one kind have cost."""

    kind: str
    """`steady` (none, for comparison), `join`, `leave` or `rolling restart`."""
    rebalances: int
    """Joins, leaves, or restarts of one worker."""
    partitions: int
    """Of the input topic."""
    most_moved: int
    """Changes of a partition's worker at one of them, at most."""
    kept_stall_seconds: float
    """Longest time without a result in a partition whose worker had it all the time."""
    moved_stall_seconds: float
    """The same of the others: their worker changed, or was the one that restarted."""

    def add(self, other: RebalanceRow) -> None:
        """Take up another rebalance of the same kind."""
        self.rebalances += other.rebalances
        self.most_moved = max(self.most_moved, other.most_moved)
        self.kept_stall_seconds = max(self.kept_stall_seconds, other.kept_stall_seconds)
        self.moved_stall_seconds = max(self.moved_stall_seconds, other.moved_stall_seconds)


class Moves:
    """Follows from a thread which worker has which partition.

    Args:
        kafka: client settings by librdkafka's names.
        group: the consumer group, of which each member has a client id of its own.
        partitions: of its only topic.
    """

    def __init__(self, kafka: Kafka, group: str, partitions: int) -> None:
        self._admin, self._group, self._partitions = make_admin(kafka), group, partitions
        self.num_moved = 0
        """Changes of a partition's worker so far."""
        self.moved: set[int] = set()
        """The partitions that changed their worker."""
        self._owners = self.settled()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="moves", daemon=True)
        self._thread.start()

    def settled(self, gone: Collection[str] = ()) -> Owners:
        """Return the owners once the group is stable, without workers that are gone.

        Raises:
            BrokerError: that takes too long.
        """
        deadline = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < deadline:
            owners = self._look()
            if owners is not None and not set(gone) & set(owners.values()):
                return owners
            time.sleep(_LOOK_SECONDS)
        raise BrokerError(f"group {self._group} did not settle in {_SETTLE_SECONDS:g} seconds")

    def of(self, workers: Collection[str]) -> set[int]:
        """Return the partitions that these workers have."""
        return {partition for partition, owner in self._owners.items() if owner in workers}

    def settle(self, gone: Collection[str] = ()) -> None:
        """Count the last moves, once the group is stable and without workers that are gone."""
        self.stop()
        self._note(self.settled(gone))

    def stop(self) -> None:
        """Stop to follow."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            if (owners := self._look()) is not None:
                self._note(owners)

    def _note(self, owners: Owners) -> None:
        changed = {each for each, owner in owners.items() if owner != self._owners[each]}
        self.num_moved += len(changed)
        self.moved |= changed
        self._owners = owners

    def _look(self) -> Owners | None:
        """Return who has which partition; None while the group rebalances."""
        future = self._admin.describe_consumer_groups(
            [self._group], request_timeout=_REQUEST_SECONDS
        )[self._group]
        try:
            group = future.result()
        except KafkaException:
            return None
        if group.state != ConsumerGroupState.STABLE:
            return None
        owners = {
            tp.partition: member.client_id
            for member in group.members
            if member.assignment
            for tp in member.assignment.topic_partitions
        }
        return owners if len(owners) == self._partitions else None


class Rebalances:
    """Measures rebalances of a testbed's group, one after the other.

    Args:
        kafka: client settings by librdkafka's names.
        group: as for `Moves`.
        outputs: output topic -> its number of partitions, which is that of the input; brokers set
            the timestamps of their records.
    """

    def __init__(self, kafka: Kafka, group: str, outputs: Mapping[str, int]) -> None:
        self._kafka, self._group, self._outputs = kafka, group, outputs
        self._partitions = max(outputs.values())
        self._rows: dict[str, RebalanceRow] = {}

    @property
    def rows(self) -> list[RebalanceRow]:
        """One row for each kind."""
        return list(self._rows.values())

    @contextmanager
    def measured(
        self, kind: str, restarted: Collection[str] = (), gone: Collection[str] = ()
    ) -> Iterator[None]:
        """Measure what happens in a `with` block, until each partition has results again.

        Args:
            kind: of the row.
            restarted: client ids of workers that are restarted in the block.
            gone: client ids of workers that leave in the block.
        """
        moves = Moves(self._kafka, self._group, self._partitions)
        first = moves.of(restarted)
        before = ends(self._kafka, self._outputs, _REQUEST_SECONDS)
        try:
            yield
            moves.settle(gone)
        finally:
            moves.stop()
        stalls = self._stalls(before)
        touched = moves.moved | first
        row = RebalanceRow(
            kind=kind,
            rebalances=1,
            partitions=self._partitions,
            most_moved=moves.num_moved,
            kept_stall_seconds=_longest(stalls, set(stalls) - touched),
            moved_stall_seconds=_longest(stalls, touched),
        )
        if kind in self._rows:
            self._rows[kind].add(row)
        else:
            self._rows[kind] = row

    def _stalls(self, before: Mapping[tuple[str, int], int]) -> dict[int, float]:
        """Return the longest time without a result in each partition since some end offsets.

        Waits until each partition has a later result, so that every stall is over.
        """
        times: dict[int, list[int]] = {partition: [] for partition in range(self._partitions)}
        earlier: dict[int, int] = {}
        self._await_results()
        now = ends(self._kafka, self._outputs, _REQUEST_SECONDS)
        with TopicReader(self._kafka) as reader:
            for (topic, partition), start in before.items():
                bounds = Bounds(max(start - 1, 0), now[topic, partition])
                for messages in reader.read(topic, partition, bounds):
                    for message in messages:
                        time_ms = message.timestamp()[1]
                        if (message.offset() or 0) >= start:
                            times[partition].append(time_ms)
                        else:
                            # The latest of all topics: dead letters are rare.
                            earlier[partition] = max(time_ms, earlier.get(partition, 0))
        for partition, time_ms in earlier.items():
            times[partition].append(time_ms)  # the first stall may begin there
        return {partition: _longest_gap(sorted(each)) for partition, each in times.items()}

    def _await_results(self) -> None:
        start = ends(self._kafka, self._outputs, _REQUEST_SECONDS)
        deadline = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < deadline:
            now = ends(self._kafka, self._outputs, _REQUEST_SECONDS)
            new = {partition for (topic, partition), end in now.items()
                   if end > start[topic, partition]}  # fmt: skip
            if len(new) == self._partitions:
                return
            time.sleep(_LOOK_SECONDS)
        raise BrokerError(f"some partitions have had no result for {_SETTLE_SECONDS:g} seconds")


def _longest_gap(times_ms: Sequence[int]) -> float:
    return max((later - earlier for earlier, later in pairwise(times_ms)), default=0) / 1000


def _longest(stalls: Mapping[int, float], partitions: Collection[int]) -> float:
    return round(max((stalls[partition] for partition in partitions), default=0.0), 2)
