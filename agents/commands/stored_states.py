"""What a pipeline has stored of its online models, for people who look after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from streams.kafka.reader import TopicReader
from streams.settings import PipelineSettings
from streams.state.snapshot import (
    StateKey,
    StateMismatchError,
    StateStore,
    decode_snapshot,
)


class StoredState(msgspec.Struct, frozen=True, kw_only=True):
    """One snapshot as it is stored, and how it stands to the group's offset."""

    agent: str
    topic: str
    partition: int
    sequence: int = -1
    covers: int = -1
    """The offset below which everything has been learned; -1: the snapshot is damaged."""
    committed: int
    """The group's offset; -1: none."""
    model: str = ""
    model_version: str = ""
    learn_every: int = 0
    saved_at_ms: int = 0
    num_bytes: int
    problem: str = ""

    @property
    def to_replay(self) -> int:
        """Offsets that a worker would read again to learn from, if it started now."""
        return max(self.committed - self.covers, 0) if self.covers >= 0 else 0


def partitions_of(
    settings: PipelineSettings, agents: Sequence[str], existing: dict[str, int]
) -> list[StateKey]:
    """Return every partition that these agents' models may have state of."""
    return [
        StateKey(agent, topic, partition)
        for agent in agents
        for topic in settings.agents[agent].inputs
        for partition in range(existing.get(topic, 0))
    ]


def stored_states(
    store: StateStore, keys: Sequence[StateKey], reader: TopicReader, latest_only: bool
) -> Iterator[StoredState]:
    """Yield what is stored of each partition, the latest first.

    Raises:
        StateStoreError: the store can't be read.
        BrokerError: the broker does not tell what is committed.
    """
    committed: dict[str, list[int]] = {}
    for topic in {key.topic for key in keys}:
        num_partitions = 1 + max(key.partition for key in keys if key.topic == topic)
        committed[topic] = reader.committed(topic, num_partitions)
    for key in keys:
        for encoded in store.saved(key):
            yield _described(key, encoded, committed[key.topic][key.partition])
            if latest_only:
                break


def _described(key: StateKey, encoded: bytes, committed: int) -> StoredState:
    try:
        found = decode_snapshot(encoded)
    except StateMismatchError as error:
        return StoredState(
            **key._asdict(), committed=committed, num_bytes=len(encoded), problem=str(error)
        )
    return StoredState(
        **key._asdict(),
        sequence=found.sequence,
        covers=found.next_offset,
        committed=committed,
        model=found.model,
        model_version=found.model_version,
        learn_every=found.learn_every,
        saved_at_ms=found.saved_at_ms,
        num_bytes=len(encoded),
    )
