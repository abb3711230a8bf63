"""Decide which partition gets the state of each source, and from which snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from models.keyed_state import KeyedState


@dataclass(frozen=True)
class PartitionPlan:
    """What happens to the state of one partition."""

    holders: Mapping[str, int]
    """Each source that belongs here, and the partition whose state of it is used."""
    leaving: frozenset[str] = frozenset()
    """Sources that it knows and that belong elsewhere."""

    def arriving(self, partition: int) -> list[str]:
        """Return the sources whose state comes from another partition."""
        return [name for name, holder in self.holders.items() if holder != partition]


@dataclass
class NewStates:
    """The states to store, in this order; a crash in between loses nothing.

    First every partition gets what arrives, and keeps what leaves; then what leaves is removed.
    """

    first: dict[int, bytes] = field(default_factory=dict)
    then: dict[int, bytes] = field(default_factory=dict)

    def final(self, partition: int) -> bytes | None:
        """Return a partition's state in the end; None if it does not change."""
        return self.then.get(partition, self.first.get(partition))


def plan_moves(
    learned: Sequence[Mapping[str, int]], partition_of: Callable[[bytes], int]
) -> list[PartitionPlan]:
    """Assign each source to a partition.

    Where several partitions know a source, the state that has learned most is used: usually that
    of the partition which had the source before, rather than of the one where it began anew. Of
    equal ones it is that of the source's own partition: a run that was interrupted is continued.

    Args:
        learned: for each partition of the topic, its sources and how much each has learned.
        partition_of: the partition of a key.
    """
    homes: list[dict[str, int]] = [{} for _ in learned]
    for name in sorted({name for sources in learned for name in sources}):
        home = partition_of(name.encode())
        amounts = [(sources.get(name, -1), p == home, -p) for p, sources in enumerate(learned)]
        homes[home][name] = -max(amounts)[2]
    return [
        PartitionPlan(holders, frozenset(learned[partition].keys() - holders.keys()))
        for partition, holders in enumerate(homes)
    ]


def new_states(
    model: KeyedState, states: Sequence[bytes | None], plans: Sequence[PartitionPlan]
) -> NewStates:
    """Return the states of the partitions that change.

    Args:
        model: with the options of the pipeline file.
        states: of each partition; None where there is none.
        plans: of each partition.

    Raises:
        ModelError: a state can't be read.
    """
    made = NewStates()
    for partition, plan in enumerate(plans):
        if not plan.leaving and not plan.arriving(partition):
            continue
        final = _merged(model, states, plan.holders)
        if plan.arriving(partition):
            both = {**plan.holders, **dict.fromkeys(plan.leaving, partition)}
            made.first[partition] = _merged(model, states, both)
        if plan.leaving:
            made.then[partition] = final
    return made


def _merged(model: KeyedState, states: Sequence[bytes | None], holders: Mapping[str, int]) -> bytes:
    parts = []
    for holder, state in enumerate(states):
        if state is not None:
            chosen = {name for name, each in holders.items() if each == holder}
            parts.append(model.select_sources(state, chosen))
    return model.merge_sources(parts)
