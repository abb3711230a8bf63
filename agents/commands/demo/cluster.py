"""The cluster of a run: a broker of our own or the user's, and where its topics end."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from confluent_kafka import Consumer, KafkaException, TopicPartition

from agents.pipeline.topics import plan_topics
from streams.kafka.admin import create_topics, probe
from streams.kafka.clients import make_admin, make_consumer
from streams.kafka.errors import BrokerError
from streams.kafka.reader import bounds_of
from streams.kafka.settings import Kafka
from streams.settings import PipelineSettings

EMBEDDED, KAFKA = "embedded", "kafka"
_TIMEOUT_SECONDS = 15.0
_EMBEDDED_FETCH_WAIT_MS = 50

#: Topic and partition -> the offset that the next record will have.
Ends = dict[tuple[str, int], int]


def is_own(broker: str) -> bool:
    """Return whether the demo starts the broker itself."""
    return broker in (EMBEDDED, KAFKA)


def client_settings(broker: str, servers: str) -> dict[str, str | int]:
    """Return the `kafka:` settings that a broker asks for."""
    if broker != EMBEDDED:
        return {"bootstrap.servers": servers}
    # It answers a waiting fetch only once the wait is over, however soon records come.
    return {"bootstrap.servers": servers, "fetch.wait.max.ms": _EMBEDDED_FETCH_WAIT_MS}


def prepare_topics(settings: PipelineSettings) -> Ends:
    """Make the topics that are absent, and start the run's group where all of them end.

    So what an earlier run left on a topic is no part of this one.

    Raises:
        BrokerError: the cluster can't be reached, or refuses a topic.
    """
    wanted = {planned.topic: planned.wanted for planned in plan_topics(settings, {})}
    probe(settings.kafka)  # sooner than a request for topics would, it tells that nobody answers
    create_topics(settings.kafka, wanted)
    existing = probe(settings.kafka).topics
    consumer = make_consumer(settings.kafka)
    try:
        ends = _ends(consumer, {topic: existing[topic] for topic in wanted})
        _start_group_at(
            consumer, ends, {topic for agent in settings.agents.values() for topic in agent.inputs}
        )
    except (KafkaException, KeyError) as error:
        raise BrokerError(f"can't ask for the ends of the topics: {error}") from error
    finally:
        consumer.close()
    return ends


def _ends(consumer: Consumer, topics: dict[str, int]) -> Ends:
    return {
        (topic, partition): bounds_of(consumer, topic, partition, _TIMEOUT_SECONDS).end
        for topic, num_partitions in topics.items()
        for partition in range(num_partitions)
    }


def _start_group_at(consumer: Consumer, ends: Ends, inputs: Iterable[str]) -> None:
    # `auto.offset.reset: latest` would not do: a worker finds "latest" at its first fetch, and
    # what was published before that would be skipped.
    starts = [TopicPartition(t, p, end) for (t, p), end in ends.items() if t in inputs and end]
    if starts:
        consumer.commit(offsets=starts, asynchronous=False)


def forget_group(kafka: Kafka) -> None:
    """Delete the run's consumer group from a cluster that stays; what fails there is let be."""
    # The broker deletes idle groups by itself after `offsets.retention.minutes`.
    with suppress(KafkaException):
        admin = make_admin(kafka)
        for done in admin.delete_consumer_groups([str(kafka["group.id"])]).values():
            done.result(_TIMEOUT_SECONDS)
