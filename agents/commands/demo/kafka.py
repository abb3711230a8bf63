"""The Kafka side of a run: client settings, topics, and the consumer group's start."""

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

_TIMEOUT_SECONDS = 15.0
_EMBEDDED_FETCH_WAIT_MS = 50

#: Topic and partition -> the offset of the next record.
Ends = dict[tuple[str, int], int]


def starts_broker(broker: str) -> bool:
    """Return whether the demo starts the broker itself."""
    return broker in ("embedded", "kafka")


def client_settings(broker: str, servers: str) -> dict[str, str | int]:
    """Return the `kafka:` settings for a broker."""
    if broker != "embedded":
        return {"bootstrap.servers": servers}
    # The embedded broker answers a fetch only after its full wait, even if records arrive sooner.
    return {"bootstrap.servers": servers, "fetch.wait.max.ms": _EMBEDDED_FETCH_WAIT_MS}


def prepare_topics(settings: PipelineSettings) -> Ends:
    """Create missing topics, and make the run's group start at the present ends.

    So records of an earlier run are not part of this one.

    Raises:
        BrokerError: the cluster can't be reached, or refuses a topic.
    """
    wanted = {planned.topic: planned.wanted for planned in plan_topics(settings, {})}
    probe(settings.kafka)  # reports an unreachable broker sooner than a request for topics would
    create_topics(settings.kafka, wanted)
    existing = probe(settings.kafka).topics
    inputs = {topic for agent in settings.agents.values() for topic in agent.inputs}
    consumer = make_consumer(settings.kafka)
    try:
        ends = _ends(consumer, {topic: existing[topic] for topic in wanted})
        _start_group_at(consumer, ends, inputs)
    except (KafkaException, KeyError) as error:
        raise BrokerError(f"can't read the ends of the topics: {error}") from error
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
    # `auto.offset.reset: latest` does not work here: a worker looks up "latest" at its first
    # fetch, and would skip records published before that.
    starts = [TopicPartition(t, p, end) for (t, p), end in ends.items() if t in inputs and end]
    if starts:
        consumer.commit(offsets=starts, asynchronous=False)


def delete_group(kafka: Kafka) -> None:
    """Delete the run's consumer group from the user's cluster; ignores failures."""
    # The broker deletes idle groups by itself after `offsets.retention.minutes`.
    with suppress(KafkaException):
        deletions = make_admin(kafka).delete_consumer_groups([str(kafka["group.id"])])
        for deletion in deletions.values():
            deletion.result(_TIMEOUT_SECONDS)
