"""Notice topics that the worker writes and the broker no longer has, and when they are back.

A worker creates no topic: a missing one is an outage, like a broker that is away. A producer hides
it and retries for ever. So a small metadata request asks for outputs, dead letters, updates and
state every few seconds. Input topics are watched on the consumer's thread, with their ids:
`streams/transport/topic_watch.py`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    KafkaError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from aiokafka.protocol.metadata import MetadataRequest
from mode import Service

from streams.health.metrics import Metrics
from streams.settings import PipelineSettings

logger = logging.getLogger(__name__)

#: Between two requests; and before the first, for a client that has not started yet.
_ASK_SECONDS, _FIRST_SECONDS = 2.0, 0.1
#: A broker that has just started may not know a new topic yet: one answer alone does not count.
_NUM_ANSWERS = 2
_MISSING = (UnknownTopicOrPartitionError.errno, TopicAuthorizationFailedError.errno)


def written_topics(settings: PipelineSettings) -> dict[str, str]:
    """Return every topic that the agents write, with its role in words."""
    roles: dict[str, str] = {}
    for name, agent in settings.agents.items():
        roles[agent.output] = f"output of agent {name}"
        if agent.updates:
            roles[agent.updates] = f"updates of agent {name}"
        for topic in agent.dead_letter_topics:
            roles[topic] = f"dead letters of agent {name}"
    return roles


class WrittenTopics(Service):  # type: ignore[misc]  # mode is not typed for subclassing
    """Asks for the topics every two seconds; logs and counts the missing ones."""

    def __init__(
        self,
        topics: Mapping[str, str],
        metrics: Metrics,
        *,
        client: Callable[[], AIOKafkaClient | None],
        on_change: Callable[[], Awaitable[None]],
        on_fewer_partitions: Callable[[str, int, int], Awaitable[None]],
        clock: Callable[[], float] = time.monotonic,
        **kwargs: Any,
    ) -> None:
        """Ask for nothing yet.

        Args:
            topics: the role of each topic in words, such as `output of agent z`.
            metrics: of the worker.
            client: returns a started client, or None while there is none.
            on_change: called when topics have gone or are back: the client should ask again.
            on_fewer_partitions: called with a topic that has lost partitions, and its numbers of
                partitions before and now.
            clock: monotonic, seconds.
            kwargs: of the service.
        """
        super().__init__(**kwargs)
        self._topics = dict(topics)
        self._metrics = metrics
        self._client = client
        self._on_change = on_change
        self._on_fewer_partitions = on_fewer_partitions
        self._clock = clock
        self._num_misses = dict.fromkeys(self._topics, 0)
        self._missing_since: dict[str, float] = {}
        self._num_partitions: dict[str, int] = {}

    def add(self, topic: str, role: str) -> None:
        """Ask for one more topic."""
        self._topics.setdefault(topic, role)
        self._num_misses.setdefault(topic, 0)

    def reasons(self) -> list[str]:
        """Return a sentence for each missing topic; thread-safe."""
        return [self._describe(topic) for topic in list(self._missing_since)]

    def _describe(self, topic: str) -> str:
        return f"the broker has no topic {topic} ({self._topics[topic]})"

    @Service.task  # type: ignore[untyped-decorator]
    async def _watch(self) -> None:
        while not self.should_stop:
            await asyncio.sleep(_ASK_SECONDS if self._num_partitions else _FIRST_SECONDS)
            try:
                await self.check()
            except (TimeoutError, KafkaError):
                continue  # no broker answers: `Health` reports that

    async def check(self) -> None:
        """Ask once.

        Raises:
            KafkaError: no broker answers.
        """
        client = self._client()
        node = None if client is None else client.get_random_node()
        if client is None or node is None:
            return
        response = await client.send(node, MetadataRequest(sorted(self._topics)))
        answers = {topic: (code, parts) for code, topic, _, parts in response.topics}
        changed = [
            topic
            for topic, (code, _) in answers.items()
            if topic in self._topics and self._note(topic, code)
        ]
        if changed:
            await self._on_change()
        for topic, (code, parts) in answers.items():
            if not code and topic in self._topics:
                await self._note_partitions(topic, len(parts))

    def _note(self, topic: str, code: int) -> bool:
        """Note a topic's error code; return whether it has gone or come back just now."""
        if code in _MISSING:
            self._num_misses[topic] += 1
            return self._num_misses[topic] == _NUM_ANSWERS and self._gone(topic)
        if code:
            return False  # such as no leader: the topic exists
        self._num_misses[topic] = 0
        return topic in self._missing_since and self._back(topic)

    def _gone(self, topic: str) -> bool:
        self._missing_since[topic] = self._clock()
        self._metrics.topic_missing.labels(topic).set(1)
        logger.warning(
            "%s: was it deleted? The worker waits for it and creates no topic; `penstock topics "
            "create` does; /ready fails meanwhile", self._describe(topic),
        )  # fmt: skip
        return True

    def _back(self, topic: str) -> bool:
        seconds = self._clock() - self._missing_since.pop(topic)
        self._metrics.topic_missing.labels(topic).set(0)
        logger.warning("topic %s is back, after about %.0f s", topic, seconds)
        return True

    async def _note_partitions(self, topic: str, count: int) -> None:
        before = self._num_partitions.get(topic, 0)
        self._num_partitions[topic] = count
        if count < before:
            await self._on_fewer_partitions(topic, before, count)
