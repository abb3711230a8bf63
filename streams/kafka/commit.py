"""Commit offsets for a consumer group from outside of it."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import KafkaException, TopicPartition

from streams.kafka.clients import make_consumer
from streams.kafka.errors import BrokerError
from streams.kafka.group_offsets import Place
from streams.kafka.positions import CommittedPosition, commit_metadata
from streams.kafka.settings import Kafka


def commit_positions(
    kafka: Kafka, group: str, positions: Mapping[Place, CommittedPosition]
) -> None:
    """Commit positions for a group that has no members.

    Raises:
        BrokerError: the broker refuses; it refuses while the group has members.
    """
    offsets = [
        TopicPartition(topic, partition, at.offset, _metadata(at))
        for (topic, partition), at in positions.items()
    ]
    consumer = make_consumer(kafka, {"group.id": group})
    try:
        for place in consumer.commit(offsets=offsets, asynchronous=False) or ():
            if place.error is not None:
                raise BrokerError(f"{place.topic}: can't commit offsets: {place.error.str()}")
    except KafkaException as error:
        raise BrokerError(f"can't commit offsets: {error.args[0].str()}") from None
    finally:
        consumer.close()


def _metadata(position: CommittedPosition) -> str:
    return commit_metadata(position.topic_id, position.leader_epoch, position.began_with)
