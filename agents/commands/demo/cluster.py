"""The cluster of a run: a broker of our own or the user's, and where its topics end."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from agents.commands.broker import embedded_broker, kafka_broker
from agents.pipeline.topics import plan_topics
from streams.kafka.admin import create_topics, probe
from streams.kafka.errors import BrokerError
from streams.kafka.settings import Kafka, confluent_config
from streams.settings import PipelineSettings

EMBEDDED, KAFKA = "embedded", "kafka"
_TIMEOUT_SECONDS = 15.0
_RETRY_SECONDS = 0.1
_EMBEDDED_FETCH_WAIT_MS = 50

#: Topic and partition -> the offset that the next record will have.
Ends = dict[tuple[str, int], int]

_silent = logging.getLogger("penstock.demo.librdkafka")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


def is_own(broker: str) -> bool:
    """Return whether the demo starts the broker itself."""
    return broker in (EMBEDDED, KAFKA)


@contextmanager
def run_broker(broker: str) -> Iterator[str]:
    """Have a broker for the length of a `with` block; yields its bootstrap servers.

    Args:
        broker: `embedded`, `kafka` (on the local JVM), or the address of a cluster that runs.

    Raises:
        BrokerError: it did not start.
    """
    if not is_own(broker):
        yield broker
        return
    with embedded_broker() if broker == EMBEDDED else kafka_broker() as running:
        yield running.bootstrap_servers


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


def make_consumer(kafka: Kafka, **options: Any) -> Consumer:
    """Return a consumer that commits nothing by itself.

    Raises:
        BrokerError: a client setting is wrong.
    """
    config = {**confluent_config(kafka, "consumer"), "enable.auto.commit": False, **options}
    try:
        return Consumer(config, logger=_silent)
    except KafkaException as error:
        raise BrokerError(f"kafka: {error.args[0].str()}") from None


def _ends(consumer: Consumer, topics: dict[str, int]) -> Ends:
    return {
        (topic, partition): _end(consumer, TopicPartition(topic, partition))
        for topic, num_partitions in topics.items()
        for partition in range(num_partitions)
    }


def _end(consumer: Consumer, place: TopicPartition) -> int:
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while True:
        try:
            _, end = consumer.get_watermark_offsets(place, timeout=_TIMEOUT_SECONDS)
        except KafkaException:
            # A topic is listed before each of its partitions has a leader.
            if time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return int(end)


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
        admin = AdminClient(confluent_config(kafka, "admin"), logger=_silent)
        for done in admin.delete_consumer_groups([str(kafka["group.id"])]).values():
            done.result(_TIMEOUT_SECONDS)
