"""Where a consumer group stands, read from the broker: commits, ends, topic ids, members.

All partitions are asked for at once, and the group is not joined. For a program that asks again and
again: it keeps one client.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

from confluent_kafka import (
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import OffsetSpec

from streams.kafka.admin import ClusterInfo, describe_ids, read_cluster
from streams.kafka.clients import make_admin, make_consumer
from streams.kafka.errors import BrokerError, ClientErrors
from streams.kafka.positions import CommittedPosition, position_of
from streams.kafka.reader import Bounds
from streams.kafka.settings import Kafka, bootstrap_servers

_RETRY_SECONDS = 0.1
#: A cluster that elects a leader or a coordinator answers with these for a moment.
_TRANSIENT = (
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.UNSTABLE_OFFSET_COMMIT,
)

Place = tuple[str, int]
"""A topic and a partition."""

_Answer = TypeVar("_Answer")


class Member(NamedTuple):
    """A member of a consumer group."""

    client_id: str
    host: str
    num_partitions: int
    """Assigned to it now; 0 while the group rebalances."""


class GroupOffsets:
    """Reads the state of one consumer group. One caller at a time."""

    def __init__(self, kafka: Kafka, group: str, isolation: str, timeout: float = 10.0) -> None:
        """Connect in the background.

        Args:
            kafka: client settings by librdkafka's names.
            group: the consumer group.
            isolation: `read_uncommitted`, or `read_committed`: then a partition ends where its
                oldest open transaction begins (the last stable offset).
            timeout: seconds for each request, > 0.

        Raises:
            BrokerSettingsError: a client setting is missing or has a wrong value.
        """
        self._errors = ClientErrors()
        self._admin = make_admin(kafka, self._errors.add)
        # Not an admin client's request: librdkafka 2.16 crashes on an answer such as
        # NOT_COORDINATOR, which a new cluster and one that moves a coordinator give.
        self._consumer = make_consumer(
            kafka, {"group.id": group, "isolation.level": "read_uncommitted"}
        )
        self._servers = bootstrap_servers(kafka)
        self._group = group
        self._isolation = (
            IsolationLevel.READ_COMMITTED
            if isolation == "read_committed"
            else IsolationLevel.READ_UNCOMMITTED
        )
        self._timeout = timeout

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def cluster(self) -> ClusterInfo:
        """Return the cluster's metadata; create no topic.

        Raises:
            BrokerError: the cluster can't be reached or used.
        """
        return read_cluster(self._admin, self._errors, self._servers, self._timeout)

    def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        """Return the id of each topic; "" where the broker gives none or hides it.

        Raises:
            BrokerError: the broker does not answer in time.
        """
        if not topics:
            return {}
        try:
            return describe_ids(self._admin, topics, self._timeout)
        except KafkaException as error:
            raise self._refused("topic ids", error) from None

    def committed(self, places: Sequence[Place]) -> dict[Place, CommittedPosition]:
        """Return the committed position of those partitions that have one.

        Raises:
            BrokerError: the broker refuses, or does not answer in time.
        """

        def ask() -> Sequence[TopicPartition]:
            answered: Sequence[TopicPartition] = self._consumer.committed(
                [TopicPartition(*place) for place in places], timeout=self._timeout
            )
            for partition in answered:
                if partition.error is not None:
                    raise KafkaException(partition.error)
            return answered

        answered = self._retried(ask, f"the committed offsets of group {self._group}")
        return {
            (found.topic, found.partition): position_of(found)
            for found in answered
            if found.offset >= 0
        }

    def bounds(self, places: Sequence[Place]) -> dict[Place, Bounds]:
        """Return the oldest and the end offset of each partition.

        Raises:
            BrokerError: the broker refuses, or does not answer in time.
        """
        ends = self._offsets(places, OffsetSpec.latest(), self._isolation)
        lows = self._offsets(places, OffsetSpec.earliest(), self._isolation)
        # Retention may have raised a low bound above the end meanwhile.
        return {place: Bounds(lows[place], max(ends[place], lows[place])) for place in places}

    def high_watermarks(self, places: Sequence[Place]) -> dict[Place, int]:
        """Return the end offset of each partition, open transactions included.

        Raises:
            BrokerError: the broker refuses, or does not answer in time.
        """
        return self._offsets(places, OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED)

    def _offsets(
        self, places: Sequence[Place], which: OffsetSpec, isolation: IsolationLevel
    ) -> dict[Place, int]:
        def ask() -> dict[Place, int]:
            futures: Mapping[TopicPartition, Future[Any]] = self._admin.list_offsets(
                {TopicPartition(*place): which for place in places},
                isolation_level=isolation, request_timeout=self._timeout,
            )  # fmt: skip
            return {(at.topic, at.partition): int(f.result().offset) for at, f in futures.items()}

        return self._retried(ask, "the offsets of the input topics") if places else {}

    def members(self) -> list[Member]:
        """Return the group's members.

        Raises:
            BrokerError: the broker refuses, or does not answer in time.
        """

        def ask() -> list[Member]:
            futures = self._admin.describe_consumer_groups(
                [self._group], request_timeout=self._timeout
            )
            return [
                Member(m.client_id, m.host.removeprefix("/"),
                       len(m.assignment.topic_partitions) if m.assignment else 0)
                for m in futures[self._group].result().members
            ]  # fmt: skip

        try:
            return self._retried(ask, f"the members of group {self._group}")
        except _NoGroupError:
            return []

    def _retried(self, ask: Callable[[], _Answer], what: str) -> _Answer:
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                return ask()
            except KafkaException as error:
                code = error.args[0].code()
                if code == KafkaError.GROUP_ID_NOT_FOUND:
                    raise _NoGroupError(what) from None
                if code not in _TRANSIENT or time.monotonic() >= deadline:
                    raise self._refused(what, error) from None
                time.sleep(_RETRY_SECONDS)

    def _refused(self, what: str, error: KafkaException) -> BrokerError:
        self._errors.raise_conclusive(self._servers)
        return BrokerError(f"can't read {what}: {error.args[0].str()}")


class _NoGroupError(BrokerError):
    """The broker knows no such group: no member has joined it or committed yet."""
