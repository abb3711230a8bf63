"""Inspect a cluster and create topics, with confluent-kafka's admin client."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec

from streams.kafka.clients import make_admin
from streams.kafka.errors import BrokerError, ClientErrors
from streams.kafka.positions import topic_id_of
from streams.kafka.settings import Kafka, bootstrap_servers
from streams.settings import TopicSettings

#: How long one metadata request may block before the client's errors are checked.
_POLL_SECONDS = 0.25
#: What a broker answers for a partition whose leader is not known everywhere yet.
_NO_LEADER = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
_LEADER_RETRY_SECONDS = 0.1


@dataclass(frozen=True)
class ClusterInfo:
    """A cluster's metadata."""

    cluster_id: str
    num_brokers: int
    topics: Mapping[str, int]
    """Number of partitions by topic, Kafka's internal topics included."""

    @property
    def is_embedded(self) -> bool:
        """Whether this is librdkafka's mock cluster, which supports no admin requests."""
        return self.cluster_id.startswith("mockCluster")


def probe(kafka: Kafka, timeout: float = 5.0) -> ClusterInfo:
    """Return the cluster's metadata; create no topic.

    Args:
        kafka: client settings by librdkafka's names.
        timeout: seconds, > 0; a rejected login or a failed handshake raises sooner.

    Raises:
        BrokerError: the cluster can't be reached or used.
        BrokerSettingsError: a setting is missing or of a wrong value.
    """
    errors = ClientErrors()
    admin = make_admin(kafka, errors.add)
    return read_cluster(admin, errors, bootstrap_servers(kafka), timeout)


def read_cluster(
    admin: AdminClient, errors: ClientErrors, servers: str, timeout: float
) -> ClusterInfo:
    """Return the cluster's metadata, for a caller that keeps its admin client.

    Args:
        admin: a client of `make_admin`.
        errors: receives the client's errors.
        servers: the bootstrap servers, for the message.
        timeout: seconds, > 0; a rejected login or a failed handshake raises sooner.

    Raises:
        BrokerError: the cluster can't be reached or used.
    """
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        try:
            # Without a topic name: a named topic might be created automatically.
            metadata = admin.list_topics(timeout=min(left, _POLL_SECONDS))
        except KafkaException:
            admin.poll(0)
            errors.raise_conclusive(servers)
            continue
        topics = {name: len(topic.partitions) for name, topic in metadata.topics.items()}
        return ClusterInfo(metadata.cluster_id or "", len(metadata.brokers), topics)
    raise errors.unreachable(servers)


def create_topics(
    kafka: Kafka, topics: Mapping[str, TopicSettings], timeout: float = 15.0
) -> list[str]:
    """Create the missing topics and wait until the cluster lists them.

    The embedded broker has no CreateTopics request: there, a metadata request creates a topic, with
    4 partitions whatever its settings say.

    Args:
        kafka: client settings by librdkafka's names.
        topics: settings by name; existing topics are not changed.
        timeout: seconds per request, > 0.

    Returns:
        The names of the created topics, in order.

    Raises:
        BrokerError: the cluster can't be reached, or rejects a topic.
        BrokerSettingsError: a setting is missing or of a wrong value.
    """
    errors = ClientErrors()
    admin = make_admin(kafka, errors.add)
    servers = bootstrap_servers(kafka)
    cluster = read_cluster(admin, errors, servers, timeout)
    absent = [name for name in topics if name not in cluster.topics]
    if cluster.is_embedded:
        _create_by_naming(kafka, absent, timeout)
        return absent
    made = _request(admin, {name: topics[name] for name in absent}, timeout)
    deadline = time.monotonic() + timeout
    while not set(made) <= set(read_cluster(admin, errors, servers, timeout).topics):
        # The controller has a topic earlier than the other brokers.
        if time.monotonic() > deadline:
            raise BrokerError(
                f"Kafka at {servers} created {', '.join(made)} but does not list them"
            )
        time.sleep(0.02)
    return made


def _create_by_naming(kafka: Kafka, topics: Sequence[str], timeout: float) -> None:
    admin = make_admin(kafka, settings={"allow.auto.create.topics": True})
    for topic in topics:
        admin.list_topics(topic, timeout=timeout)


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
    """Return the settings of each topic by Kafka's names, such as `cleanup.policy`.

    Empty on the embedded broker, and where this user may not describe the topic.

    Args:
        kafka: client settings by librdkafka's names.
        topics: must exist.
        timeout: seconds, > 0.

    Raises:
        BrokerError: the cluster can't be reached.
    """
    errors = ClientErrors()
    admin = make_admin(kafka, errors.add)
    if read_cluster(admin, errors, bootstrap_servers(kafka), timeout).is_embedded:
        return {topic: {} for topic in topics}
    resources = {topic: ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in topics}
    futures = admin.describe_configs(list(resources.values()), request_timeout=timeout)
    configs = {}
    for topic, resource in resources.items():
        try:
            entries = futures[resource].result()
        except KafkaException:  # not authorized
            entries = {}
        configs[topic] = {name: entry.value for name, entry in entries.items()}
    return configs


def topic_ids(kafka: Kafka, topics: Sequence[str], timeout: float = 5.0) -> dict[str, str]:
    """Return the id of each topic, which differs for a topic that is deleted and made again.

    "" on the embedded broker and before Kafka 2.8, and where this user may not describe the topic.

    Args:
        kafka: client settings by librdkafka's names.
        topics: names.
        timeout: seconds, > 0.

    Raises:
        BrokerError: the cluster can't be reached.
    """
    errors = ClientErrors()
    admin = make_admin(kafka, errors.add)
    if read_cluster(admin, errors, bootstrap_servers(kafka), timeout).is_embedded or not topics:
        return dict.fromkeys(topics, "")
    try:
        return describe_ids(admin, topics, timeout)
    except KafkaException as error:
        raise BrokerError(f"can't read topic ids: {error.args[0].str()}") from None


def describe_ids(admin: AdminClient, topics: Sequence[str], timeout: float) -> dict[str, str]:
    """Return the id of each topic, for a caller that keeps its admin client; see `topic_ids`.

    Raises:
        KafkaException: no broker answers in time.
    """
    futures = admin.describe_topics(TopicCollection(list(topics)), request_timeout=timeout)
    ids = {}
    for topic, future in futures.items():
        try:
            ids[topic] = topic_id_of(future.result().topic_id)
        except KafkaException as error:
            if error.args[0].code() < 0:  # librdkafka's own: no answer
                raise
            ids[topic] = ""  # not authorized, or gone by now
    return ids


def ends(
    kafka: Kafka, topics: Mapping[str, int], timeout: float = 5.0
) -> dict[tuple[str, int], int]:
    """Return the end offset of each partition, open transactions included.

    Waits while a partition has no leader: a new topic is listed a moment before it has one.

    Args:
        kafka: client settings by librdkafka's names.
        topics: name to number of partitions; must exist.
        timeout: seconds, > 0.

    Raises:
        BrokerError: the cluster can't be reached, or a partition has no leader in time.
    """
    wanted = {
        TopicPartition(name, partition): OffsetSpec.latest()
        for name, partitions in topics.items()
        for partition in range(partitions)
    }
    admin = make_admin(kafka)
    deadline = time.monotonic() + timeout
    while True:
        left = max(deadline - time.monotonic(), 0.1)
        try:
            futures = admin.list_offsets(wanted, request_timeout=left)
            return {(tp.topic, tp.partition): int(f.result().offset) for tp, f in futures.items()}
        except KafkaException as error:
            if error.args[0].code() not in _NO_LEADER or time.monotonic() >= deadline:
                raise BrokerError(f"can't read end offsets: {error.args[0].str()}") from None
            time.sleep(_LEADER_RETRY_SECONDS)


def num_members(kafka: Kafka, group: str, timeout: float = 10.0) -> int:
    """Return the number of members of a consumer group; 0 on the embedded broker.

    Raises:
        BrokerError: the cluster can't be reached or used.
    """
    errors = ClientErrors()
    admin = make_admin(kafka, errors.add)
    if read_cluster(admin, errors, bootstrap_servers(kafka), timeout).is_embedded:
        return 0
    try:
        described = admin.describe_consumer_groups([group], request_timeout=timeout)[group]
        return len(described.result().members)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return 0
        raise BrokerError(f"can't describe group {group}: {error.args[0].str()}") from None


def newest_timestamps_ms(
    kafka: Kafka, topics: Mapping[str, int], timeout: float = 5.0
) -> dict[tuple[str, int], int]:
    """Return the largest record timestamp of each partition that has one, in milliseconds.

    Partitions of the embedded broker and of brokers before Kafka 3.0 are left out.

    Args:
        kafka: client settings by librdkafka's names.
        topics: name to number of partitions; must exist.
        timeout: seconds, > 0.

    Raises:
        BrokerError: the cluster can't be reached.
    """
    errors = ClientErrors()
    admin = make_admin(kafka, errors.add)
    if read_cluster(admin, errors, bootstrap_servers(kafka), timeout).is_embedded or not topics:
        return {}
    wanted = {
        TopicPartition(name, partition): OffsetSpec.max_timestamp()
        for name, partitions in topics.items()
        for partition in range(partitions)
    }
    found = {}
    for place, future in admin.list_offsets(wanted, request_timeout=timeout).items():
        try:
            timestamp = future.result().timestamp
        except KafkaException:  # no leader, not authorized, or an old broker
            continue
        if timestamp > 0:
            found[place.topic, place.partition] = int(timestamp)
    return found


def allowed_operations(
    kafka: Kafka, topics: Sequence[str], timeout: float = 5.0
) -> dict[str, frozenset[str]]:
    """Return what this user may do with each topic: READ, WRITE, DESCRIBE, ...

    Topics that this user may not describe, and all topics of the embedded broker, are left out.

    Raises:
        BrokerError: the cluster can't be reached.
    """
    errors = ClientErrors()
    admin = make_admin(kafka, errors.add)
    if read_cluster(admin, errors, bootstrap_servers(kafka), timeout).is_embedded or not topics:
        return {}
    futures = admin.describe_topics(
        TopicCollection(list(topics)), include_authorized_operations=True, request_timeout=timeout
    )
    allowed = {}
    for topic, future in futures.items():
        try:
            operations = future.result().authorized_operations
        except KafkaException:  # not authorized to describe it, or gone
            continue
        if operations is not None:
            allowed[topic] = frozenset(operation.name for operation in operations)
    return allowed
