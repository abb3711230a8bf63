"""Balance partitions over the members of a group, and move as few as possible.

A partition stays with the member that holds it. Those that nobody holds go to the member with the
fewest. Then partitions move, one at a time, until the members are level: first within each topic,
since topics differ in load, then in all. So a member that joins gets its share and no other
partition moves, and when one leaves, only its partitions move.

It depends on nothing but its arguments: the same group gives the same assignment in each process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from streams.records import TopicPartition

#: Members are level if none has this many partitions more than another.
_UNEVEN = 2


class Reader(NamedTuple):
    """What a member of the group says about itself."""

    topics: frozenset[str]
    """The topics that it subscribes to."""
    held: Collection[TopicPartition] = ()
    """The partitions that it was last assigned."""
    generation: int = -1
    """The generation of the group in which it was assigned them."""


def assign(
    num_partitions: Mapping[str, int], readers: Mapping[str, Reader]
) -> dict[str, list[TopicPartition]]:
    """Return the partitions of each member, sorted.

    Where all members subscribe to the same topics, the numbers of partitions differ by at most one,
    in each topic and in all. A partition without a subscriber is left out.

    Args:
        num_partitions: topic -> its number of partitions, as far as it is known.
        readers: member id -> what the member says.
    """
    table = _Table(num_partitions, readers)
    table.keep()
    table.place()
    table.level_topics()
    table.level_totals()
    return {member: sorted(held) for member, held in table.held.items()}


class _Table:
    """Who has which partition, with the counts by which members are chosen."""

    def __init__(self, num_partitions: Mapping[str, int], readers: Mapping[str, Reader]) -> None:
        self._readers = readers
        self._members = sorted(readers)
        self._subscribers = {
            topic: [member for member in self._members if topic in readers[member].topics]
            for topic in sorted(num_partitions)
        }
        self._unplaced = {
            TopicPartition(topic, partition)
            for topic, subscribers in self._subscribers.items()
            if subscribers
            for partition in range(num_partitions[topic])
        }
        self.held: dict[str, set[TopicPartition]] = {member: set() for member in self._members}
        self._in_topic: Counter[tuple[str, str]] = Counter()
        """Partitions by member and topic."""
        self._with_number: Counter[tuple[str, int]] = Counter()
        """Partitions by member and partition number."""

    def keep(self) -> None:
        """Leave partitions where they are; of two members that name one, the later one has it."""
        by_generation = sorted(self._members, key=lambda member: -self._readers[member].generation)
        for member in by_generation:
            reader = self._readers[member]
            for tp in self._unplaced.intersection(reader.held):
                if tp.topic in reader.topics:
                    self._give(tp, member)

    def place(self) -> None:
        """Give partitions that nobody holds to the members with the fewest.

        Of those with equally many, one that has the same partition of another topic: what is keyed
        alike stays together.
        """
        for tp in sorted(self._unplaced):
            self._give(
                tp,
                min(
                    self._subscribers[tp.topic],
                    key=lambda member: (
                        *self._load(member, tp.topic),
                        -self._with_number[member, tp.partition],
                    ),
                ),
            )

    def level_topics(self) -> None:
        """Move partitions until the members of each topic have equally many, give or take one."""
        for topic, subscribers in self._subscribers.items():
            while subscribers:
                most = max(subscribers, key=lambda member: self._load(member, topic))
                least = min(subscribers, key=lambda member: self._load(member, topic))
                if self._in_topic[most, topic] - self._in_topic[least, topic] < _UNEVEN:
                    break
                self._move(topic, most, least)

    def level_totals(self) -> None:
        """Move partitions until the totals are level too, and leave the topics level.

        Each move makes two totals more equal, so this ends.
        """
        while (step := next(self._unequal(), None)) is not None:
            self._move(*step)

    def _unequal(self) -> Iterator[tuple[str, str, str]]:
        """Yield topics with a member that has too many partitions, and one that has too few."""
        by_total = sorted(self._members, key=lambda member: len(self.held[member]))
        for most in reversed(by_total):
            for least in by_total:
                if len(self.held[most]) - len(self.held[least]) < _UNEVEN:
                    break
                for topic in self._subscribers:
                    if (
                        topic in self._readers[least].topics
                        and self._in_topic[most, topic] > self._in_topic[least, topic]
                    ):
                        yield topic, most, least

    def _load(self, member: str, topic: str) -> tuple[int, int]:
        return self._in_topic[member, topic], len(self.held[member])

    def _move(self, topic: str, source: str, target: str) -> None:
        """Move the partition of a topic that fits best to what the target has of other topics."""
        tp = max(
            (tp for tp in self.held[source] if tp.topic == topic),
            key=lambda tp: (
                self._with_number[target, tp.partition] - self._with_number[source, tp.partition],
                tp.partition,
            ),
        )
        self._count(tp, source, -1)
        self.held[source].remove(tp)
        self._give(tp, target)

    def _give(self, tp: TopicPartition, member: str) -> None:
        self._unplaced.discard(tp)
        self.held[member].add(tp)
        self._count(tp, member, 1)

    def _count(self, tp: TopicPartition, member: str, by: int) -> None:
        self._in_topic[member, tp.topic] += by
        self._with_number[member, tp.partition] += by
