"""Store moved states, and commit where reading goes on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from agents.commands.rekey.partition_states import PartitionState
from models.base import OnlineModel
from streams.kafka.commit import commit_positions
from streams.kafka.positions import CommittedPosition
from streams.kafka.settings import Kafka
from streams.state.snapshot import Snapshot, StateStore, encode_snapshot


def store_state(
    store: StateStore,
    found: PartitionState,
    model: OnlineModel[Any, Any],
    state: bytes,
    topic_id: str,
) -> None:
    """Store a partition's new state at its position.

    Raises:
        StateStoreError: it could not be stored.
    """
    found.sequence += 1
    snapshot = Snapshot(
        **found.key._asdict(),
        next_offset=found.position,
        sequence=found.sequence,
        model=model.name,
        model_version=model.version,
        learn_every=model.learn_every,
        saved_at_ms=time.time_ns() // 1_000_000,
        state=state,
        topic_id=topic_id,
    )
    store.save(found.key, found.sequence, encode_snapshot(snapshot))


def commit_moved(kafka: Kafka, group: str, found: Sequence[PartitionState], topic_id: str) -> None:
    """Commit where reading goes on, and that the group begins with all these partitions.

    So a worker reads a new partition from where its state was stored, whatever
    `auto.offset.reset` says.

    Raises:
        BrokerError: the broker refuses.
    """
    positions = {
        (s.key.topic, s.key.partition): CommittedPosition(
            s.position, topic_id, began_with=len(found)
        )
        for s in found
    }
    commit_positions(kafka, group, positions)
