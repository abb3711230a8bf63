"""The id of each input topic: under which a worker reads it, and what the broker says now.

A worker reads a topic under one id from one rebalance to the next. All offsets of that time belong
to that id: what is fetched, what is committed, and what a model has learned from. Where the broker
has no ids (before Kafka 2.8, and some other programs), every id is "" and nothing is compared.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from aiokafka.errors import (
    IncompatibleBrokerVersion,
    KafkaConnectionError,
    UnknownTopicOrPartitionError,
)

from streams.kafka.positions import is_same_topic
from streams.transport.describe_topics import DescribedTopic, DescribeTopics

#: How long a topic is looked up again while brokers disagree on its id.
_PIN_ATTEMPTS, _PIN_SECONDS = 10, 0.2
#: Requests of one connection are answered in order, and a fetch waits for records. So these have
#: connections of their own, beside those of aiokafka's groups 0 and 1.
_CONNECTIONS = 2
_NOTHING: Mapping[str, DescribedTopic] = MappingProxyType({})


def is_absent(described: DescribedTopic | None) -> bool:
    """Whether the broker has no such topic."""
    return described is not None and described.error == UnknownTopicOrPartitionError.errno


class TopicIds:
    """The ids of one consumer's topics; used on the consumer's thread, read from any."""

    def __init__(self) -> None:
        self._client: Any = None
        self._has_ids = True
        self._node: Any = None
        """The broker that answered last."""
        self._pinned: dict[str, str] = {}
        self._last: dict[str, str] = {}
        self._gone: set[str] = set()
        """Ids of topics that were deleted: a broker may name one a little longer."""
        self._seen: tuple[float, Mapping[str, DescribedTopic]] = (float("-inf"), _NOTHING)

    def use(self, client: Any) -> None:
        """Ask through this `aiokafka.client.AIOKafkaClient` from now on."""
        self._client = client

    def id_of(self, topic: str) -> str:
        """Return the id under which a topic is read; "" if it is not known."""
        return self._pinned.get(topic, "")

    def is_pinned(self, topic: str) -> bool:
        """Whether a topic is read under a known id in this generation of the group."""
        return topic in self._pinned

    def last_id(self, topic: str) -> str:
        """Return the id that a topic had when this worker last knew it; "" if it never did."""
        return self._last.get(topic, "")

    def release(self) -> None:
        """Forget under which ids topics are read: their partitions are given up."""
        self._pinned.clear()

    async def pin(self, topics: Collection[str]) -> dict[str, tuple[str, str]]:
        """Read topics under the ids that they have now, unless they have been pinned already.

        Returns:
            The topics that had another id when this worker last read them: old id and new id.

        Raises:
            KafkaError: the broker does not answer.
        """
        wanted = [topic for topic in topics if topic not in self._pinned]
        changed: dict[str, tuple[str, str]] = {}
        for topic, topic_id in (await self._current(wanted)).items():
            if topic in self._pinned:  # by another call meanwhile
                continue
            old = self._last.get(topic, "")
            if not is_same_topic(old, topic_id):
                changed[topic] = old, topic_id
                self._gone.add(old)
            self._pinned[topic] = topic_id
            if topic_id:
                self._last[topic] = topic_id
        return changed

    async def _current(self, topics: Collection[str]) -> dict[str, str]:
        """Return the present ids, without the topics that the broker does not have."""
        if not topics or not self._has_ids:
            return dict.fromkeys(topics, "")
        for _ in range(_PIN_ATTEMPTS):
            described = await self.look(topics)
            ids = {t: d.topic_id for t, d in described.items() if not is_absent(d)}
            if not self._has_ids:
                return dict.fromkeys(topics, "")
            if self._gone.isdisjoint(ids.values()):
                break
            await asyncio.sleep(_PIN_SECONDS)
        return ids

    async def look(
        self, topics: Collection[str], max_age_seconds: float = 0.0
    ) -> Mapping[str, DescribedTopic]:
        """Ask the broker for topics; return nothing if it has no ids.

        Args:
            topics: their names.
            max_age_seconds: an answer of at most this age is returned again.

        Raises:
            KafkaError: the broker does not answer.
        """
        if not self._has_ids or not topics:
            return _NOTHING
        at, seen = self._seen
        if time.monotonic() - at <= max_age_seconds and seen.keys() >= set(topics):
            return seen
        began = time.monotonic()
        request = DescribeTopics(sorted(topics))
        node = self._broker()
        try:
            response = await self._client.send(node, request, group=_CONNECTIONS)
        except IncompatibleBrokerVersion:
            self._has_ids = False
            return _NOTHING
        described: Mapping[str, DescribedTopic] = response.topics
        self._seen = began, described
        self._node = node
        return described

    def _broker(self) -> Any:
        """Return the broker to ask: the same one, as long as there is no error."""
        if self._node is None or self._client.cluster.broker_metadata(self._node) is None:
            self._node = self._client.get_random_node()
        if self._node is None:
            raise KafkaConnectionError("no broker is known yet")
        node, self._node = self._node, None
        return node

    def has_changed(self, topic: str, described: DescribedTopic) -> bool:
        """Whether a topic that is being read is now another one of the same name."""
        is_other = not is_same_topic(self.last_id(topic), described.topic_id)
        return is_other and not self.is_gone(described.topic_id)

    def is_gone(self, topic_id: str) -> bool:
        """Whether an id is of a topic that was deleted: a broker may name it a little longer."""
        return topic_id in self._gone

    def saw(self, topic: str, topic_id: str) -> None:
        """Note the present id of a topic that is not read under an id."""
        if (old := self._last.get(topic, "")) and old != topic_id:
            self._gone.add(old)
        self._last[topic] = topic_id

    def is_current(self, topic: str, described: DescribedTopic | None) -> bool:
        """Whether a topic is still the one that is being read; False if it is absent."""
        if described is None:
            return True
        return not is_absent(described) and is_same_topic(self.id_of(topic), described.topic_id)
