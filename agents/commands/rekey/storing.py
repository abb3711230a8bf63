"""Store moved states, and commit where reading goes on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaException, TopicPartition

from agents.commands.rekey.partition_states import PartitionState
from models.base import OnlineModel
from streams.kafka.clients import make_consumer
from streams.kafka.errors import BrokerError
from streams.kafka.positions import commit_metadata
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


def commit_positions(
    kafka: Kafka, group: str, found: Sequence[PartitionState], topic_id: str
) -> None:
    """Commit where reading goes on, and that the group begins with all these partitions.

    So a worker reads a new partition from where its state was stored, whatever
    `auto.offset.reset` says.

    Raises:
        BrokerError: the broker refuses.
    """
    metadata = commit_metadata(topic_id, began_with=len(found))
    places = [TopicPartition(s.key.topic, s.key.partition, s.position, metadata) for s in found]
    consumer = make_consumer(kafka, {"group.id": group})
    try:
        for place in consumer.commit(offsets=places, asynchronous=False) or ():
            if place.error is not None:
                raise BrokerError(f"{place.topic}: can't commit offsets: {place.error.str()}")
    except KafkaException as error:
        raise BrokerError(f"can't commit offsets: {error.args[0].str()}") from None
    finally:
        consumer.close()
