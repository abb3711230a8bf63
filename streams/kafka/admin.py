"""Talking to a cluster before any record flows: is it there, what topics has it, make them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec

from streams.kafka.clients import make_admin
from streams.kafka.errors import (
    BrokerError,
    BrokerLoginError,
    BrokerSettingsError,
    BrokerTlsError,
    BrokerUnreachableError,
    ClientErrors,
)
from streams.kafka.settings import (
    aiokafka_arguments,
    bootstrap_servers,
    confluent_config,
    redacted,
)
from streams.kafka.tls import Kafka
from streams.settings import TopicSettings

__all__ = [
    "BrokerError",
    "BrokerLoginError",
    "BrokerSettingsError",
    "BrokerTlsError",
    "BrokerUnreachableError",
    "ClusterInfo",
    "Kafka",
    "aiokafka_arguments",
    "bootstrap_servers",
    "confluent_config",
    "create_topics",
    "num_members",
    "probe",
    "redacted",
    "topic_configs",
]

#: How long one metadata request may block before errors seen meanwhile are looked at.
_POLL_SECONDS = 0.25


@dataclass(frozen=True)
class ClusterInfo:
    """What a cluster said of itself."""

    cluster_id: str
    num_brokers: int
    topics: Mapping[str, int]
    """Topic to its number of partitions, Kafka's internal topics included."""

    @property
    def is_embedded(self) -> bool:
        """Whether this is librdkafka's mock cluster, which answers no admin requests."""
        return self.cluster_id.startswith("mockCluster")


def probe(kafka: Kafka, timeout: float = 5.0) -> ClusterInfo:
    """Ask the cluster for its topics; makes none.

    Args:
        kafka: client settings by librdkafka's names.
        timeout: seconds, > 0; a refused login and a failed handshake are told sooner.

    Raises:
        BrokerError: the cluster can't be reached or used.
        BrokerSettingsError: a setting is missing or of a wrong value.
    """
    errors = ClientErrors()
    admin = make_admin(kafka, errors.add)
    return _metadata(admin, errors, bootstrap_servers(kafka), timeout)


def _metadata(
    admin: AdminClient, errors: ClientErrors, servers: str, timeout: float
) -> ClusterInfo:
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        try:
            # Without a topic name: naming one would make it, where the broker allows that.
            found = admin.list_topics(timeout=min(left, _POLL_SECONDS))
        except KafkaException:
            admin.poll(0)
            errors.raise_conclusive(servers)
            continue
        topics = {name: len(topic.partitions) for name, topic in found.topics.items()}
        return ClusterInfo(found.cluster_id or "", len(found.brokers), topics)
    raise errors.unreachable(servers)


def create_topics(
    kafka: Kafka, topics: Mapping[str, TopicSettings], timeout: float = 15.0
) -> list[str]:
    """Make the topics that are absent, and wait until the cluster lists them.

    The embedded broker knows no CreateTopics request: there, a topic is made by asking for it,
    with 4 partitions whatever its settings say.

    Args:
        kafka: client settings by librdkafka's names.
        topics: by name; ones that exist are left as they are.
        timeout: seconds, > 0, of each request.

    Returns:
        The names of those that were made, in order.

    Raises:
        BrokerError: the cluster can't be reached, or refuses a topic.
        BrokerSettingsError: a setting is missing or of a wrong value.
    """
    errors = ClientErrors()
    admin = make_admin(kafka, errors.add)
    servers = bootstrap_servers(kafka)
    cluster = _metadata(admin, errors, servers, timeout)
    absent = [name for name in topics if name not in cluster.topics]
    if cluster.is_embedded:
        for name in absent:
            admin.list_topics(name, timeout=timeout)
        return absent
    made = _request(admin, {name: topics[name] for name in absent}, timeout)
    deadline = time.monotonic() + timeout
    while not set(made) <= set(_metadata(admin, errors, servers, timeout).topics):
        # The controller has the topic before every broker has heard of it.
        if time.monotonic() > deadline:
            raise BrokerError(f"Kafka at {servers} made {', '.join(made)} but does not list them")
        time.sleep(0.02)
    return made


def _request(admin: AdminClient, topics: Mapping[str, TopicSettings], timeout: float) -> list[str]:
    if not topics:
        return []
    wanted = [
        NewTopic(name, t.partitions, t.replication_factor, config=dict(t.config))
        for name, t in topics.items()
    ]
    made = []
    for name, future in admin.create_topics(wanted, request_timeout=timeout).items():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                continue
            raise BrokerError(f"can't create topic {name}: {error.args[0].str()}") from None
        made.append(name)
    return made


def topic_configs(
    kafka: Kafka, topics: Sequence[str], timeout: float = 5.0
) -> dict[str, dict[str, str]]:
    """Return the settings of each topic, such as `cleanup.policy`, by Kafka's names.

    The embedded broker tells none, and neither does a cluster that forbids the question.

    Args:
        kafka: client settings by librdkafka's names.
        topics: must exist.
        timeout: seconds, > 0.

    Raises:
        BrokerError: the cluster can't be reached.
    """
    errors = ClientErrors()
    admin = make_admin(kafka, errors.add)
    if _metadata(admin, errors, bootstrap_servers(kafka), timeout).is_embedded:
        return {topic: {} for topic in topics}
    asked = {topic: ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in topics}
    futures = admin.describe_configs(list(asked.values()), request_timeout=timeout)
    configs = {}
    for topic, resource in asked.items():
        try:
            entries = futures[resource].result()
        except KafkaException:  # not authorised
            entries = {}
        configs[topic] = {name: entry.value for name, entry in entries.items()}
    return configs


def ends(
    kafka: Kafka, topics: Mapping[str, int], timeout: float = 5.0
) -> dict[tuple[str, int], int]:
    """Return the offset at which each partition's next record will be, transactions included.

    Args:
        kafka: client settings by librdkafka's names.
        topics: name to number of partitions; must exist.
        timeout: seconds, > 0.

    Raises:
        BrokerError: the cluster can't be reached, or a partition has no leader.
    """
    wanted = {
        TopicPartition(name, partition): OffsetSpec.latest()
        for name, partitions in topics.items()
        for partition in range(partitions)
    }
    admin = make_admin(kafka)
    try:
        found = admin.list_offsets(wanted, request_timeout=timeout)
        return {(tp.topic, tp.partition): int(f.result().offset) for tp, f in found.items()}
    except KafkaException as error:
        raise BrokerError(f"can't read the end offsets: {error.args[0].str()}") from None


def num_members(kafka: Kafka, group: str, timeout: float = 10.0) -> int:
    """Return how many members a consumer group has; 0 if the broker can't tell (the embedded one).

    Raises:
        BrokerError: the cluster can't be reached or used.
    """
    errors = ClientErrors()
    admin = make_admin(kafka, errors.add)
    if _metadata(admin, errors, bootstrap_servers(kafka), timeout).is_embedded:
        return 0
    try:
        described = admin.describe_consumer_groups([group], request_timeout=timeout)[group]
        return len(described.result().members)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return 0
        raise BrokerError(f"group {group} can't be looked at: {error.args[0].str()}") from None
