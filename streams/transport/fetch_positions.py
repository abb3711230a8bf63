"""Where fetching stands: the position behind all returned records, and the end of what can be read.

A position counts offsets, not records: transaction markers, records of aborted transactions and
records removed by compaction have offsets too. aiokafka moves the position past them when it finds
them. So the position, not the last record, says what has been read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from faust.types import TP


class Fetched(NamedTuple):
    """How far a partition was fetched, and how far it can be."""

    position: int
    """The offset to fetch next; records below it were returned."""
    end: int
    """The end offset; with read_committed, where the oldest open transaction begins."""


def fetched_of(consumer: Any, tp: TP) -> Fetched | None:
    """Return a partition's position and readable end; None while either is not known.

    Args:
        consumer: an `AIOKafkaConsumer`.
        tp: the partition.
    """
    state = partition_state(consumer, tp)
    if state is None or state.highwater is None or not state.has_valid_position:
        return None
    has_stable_end = _reads_committed(consumer) and state.lso is not None
    end = min(state.highwater, state.lso) if has_stable_end else state.highwater
    return Fetched(state.position, end)


def leaves_records(consumer: Any, partitions: Iterable[TP]) -> bool:
    """Return whether the broker had more records of these partitions than were returned."""
    places = (fetched_of(consumer, tp) for tp in partitions)
    return any(place is not None and place.position < place.end for place in places)


def _reads_committed(consumer: Any) -> bool:
    return bool(consumer._isolation_level == "read_committed")


def partition_state(consumer: Any, tp: TP) -> Any:
    """Return aiokafka's state of an assigned partition; None if it is not assigned."""
    subscription = consumer._subscription.subscription
    assignment = None if subscription is None else subscription.assignment
    return None if assignment is None else assignment.state_value(tp)


class NotedPositions:
    """The positions behind all records that were returned, noted on the consumer's thread."""

    def __init__(self) -> None:
        self.noted: Mapping[TP, int] = MappingProxyType({})
        """Of the last fetch, for some of its partitions."""
        self.are_wanted = False
        """Whether the next fetch also notes the partitions of which it returns no record."""

    def clear(self) -> None:
        """Forget the last fetch."""
        self.noted = MappingProxyType({})

    def note(self, consumer: Any, active: Iterable[TP], fetched: Iterable[TP]) -> None:
        """Note positions right after a fetch, before another one can move them.

        A transaction's marker usually comes with its records: noted together, they need one
        commit. Other partitions are noted when an offset may be committed, not at each fetch.

        Args:
            consumer: an `AIOKafkaConsumer`.
            active: the partitions that were fetched from.
            fetched: those of them that returned records.
        """
        if self.are_wanted:
            self.are_wanted = False
            self.noted = _positions(consumer, active)
        elif _reads_committed(consumer):
            self.noted = _positions(consumer, fetched)


def _positions(consumer: Any, partitions: Iterable[TP]) -> dict[TP, int]:
    states = {tp: partition_state(consumer, tp) for tp in partitions}
    return {
        tp: state.position
        for tp, state in states.items()
        if state is not None and state.has_valid_position
    }
