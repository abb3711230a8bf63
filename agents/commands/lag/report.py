"""The lag of a pipeline, as read from the broker at one moment."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class PartitionLag(msgspec.Struct, frozen=True, kw_only=True):
    """What waits in one partition of an agent's input."""

    agent: str
    topic: str
    partition: int
    lag_records: int
    """Records that can be read and are not committed; see `is_exact`."""
    lag_seconds: float | None
    """Age of the oldest of them by its Kafka timestamp, >= 0; 0 if none waits; None: not known."""
    is_exact: bool
    """Whether every record was counted. If not, `lag_records` counts offsets from the oldest
    readable record to the end: transaction markers, aborted and compacted records among them."""
    committed: int | None
    """The group's position; None if it has none in this topic."""
    end: int
    """The end offset; with read_committed, where the oldest open transaction begins."""
    removed: int = 0
    """Offsets that the topic no longer has although the group had not committed them."""
    is_other_topic: bool = False
    """Whether the committed offset belongs to an earlier topic of this name: it is no position."""


class MemberReport(msgspec.Struct, frozen=True, kw_only=True):
    """A member of the consumer group."""

    client_id: str
    host: str
    partitions: int
    """Assigned to it now."""


class LagReport(msgspec.Struct, frozen=True, kw_only=True):
    """The lag of all partitions at one moment."""

    group: str
    isolation: str
    """`read_committed` or `read_uncommitted`: what the pipeline reads."""
    num_members: int | None
    """Members of the group; None if the broker does not list them (the embedded broker)."""
    members: list[MemberReport]
    partitions: list[PartitionLag]
    missing_topics: list[str]
    """Input topics that the broker does not have."""

    def of_agent(self, agent: str) -> list[PartitionLag]:
        """Return the partitions of one agent."""
        return [partition for partition in self.partitions if partition.agent == agent]


def total_records(partitions: Iterable[PartitionLag]) -> int:
    """Return how many records wait in some partitions."""
    return sum(partition.lag_records for partition in partitions)


def oldest_seconds(partitions: Iterable[PartitionLag]) -> float | None:
    """Return the age of the oldest waiting record; None if it is known of no partition."""
    known = [p.lag_seconds for p in partitions if p.lag_seconds is not None]
    return max(known, default=None)
