"""Fetch each topic under the id that its offsets belong to, and notice offsets that are gone.

Every fetch of a consumer passes here. With Kafka 3.1 and later it is sent with the topics' ids, so
that the broker refuses it once a topic was deleted and made again. An offset that the broker no
longer has is reported and reset here: aiokafka would do it without a word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from aiokafka.errors import KafkaError, OffsetOutOfRangeError, UnknownTopicOrPartitionError
from aiokafka.protocol.fetch import FetchRequest

from streams.records import TopicPartition
from streams.transport.leader_epochs import LeaderEpochs
from streams.transport.topic_ids import TopicIds
from streams.transport.topic_requests import (
    FETCH_KEY,
    FETCH_VERSION,
    FetchById,
    FetchedPartition,
)

#: Kafka's error codes that aiokafka 0.14 does not know: the topic has another id, or is absent.
_UNKNOWN_TOPIC_ID, _INCONSISTENT_TOPIC_ID = 100, 103
_OTHER_TOPIC = (_UNKNOWN_TOPIC_ID, _INCONSISTENT_TOPIC_ID, UnknownTopicOrPartitionError.errno)
#: Wait after a fetch that a broker refused. aiokafka would send the next one at once.
_REFUSED_SECONDS = 0.2
_NO_RECORDS = b""

#: Resets partitions; called with the offsets that are gone.
OnDiverged = Callable[[Mapping[TopicPartition, tuple[int, int]]], Awaitable[None]]
OnOutOfRange = Callable[[Mapping[TopicPartition, int]], Awaitable[None]]


class FetchGuard:
    """Sends the fetches of one aiokafka client."""

    def __init__(
        self,
        ids: TopicIds,
        epochs: LeaderEpochs,
        *,
        on_out_of_range: OnOutOfRange,
        on_diverged: OnDiverged,
        on_other_topic: Callable[[], None],
        is_never_held: Callable[[str], bool],
    ) -> None:
        """Guard no client yet.

        Args:
            ids: of the topics.
            epochs: of the records that are fetched.
            on_out_of_range: called with offsets that their partitions don't have.
            on_diverged: called with partitions whose log was cut below what was fetched: the
                offset to fetch next, and the one from which on the log is another.
            on_other_topic: called when a broker does not know a topic by its id.
            is_never_held: whether a topic is read while others are held: changelogs of Faust's
                tables are read first.
        """
        self._ids = ids
        self._epochs = epochs
        self._on_diverged = on_diverged
        self._on_out_of_range = on_out_of_range
        self._on_other_topic = on_other_topic
        self._is_never_held = is_never_held
        self._client: Any = None
        self._may_fetch = asyncio.Event()

    def hold(self) -> None:
        """Let fetches wait until `release` is called: it is not known where they should begin.

        aiokafka fetches from the committed offset as soon as it has a partition, before its topic's
        id and the leader epoch of that offset are known.
        """
        self._may_fetch.clear()

    def release(self) -> None:
        """Let fetches go."""
        self._may_fetch.set()

    def guard(self, client: Any) -> None:
        """Guard every fetch of an `aiokafka.client.AIOKafkaClient` from now on."""
        self._client = client
        send = client.send

        async def send_guarded(node_id: Any, request: Any, **kwargs: Any) -> Any:
            if not isinstance(request, FetchRequest):
                return await send(node_id, request, **kwargs)
            request = await self._allowed(request)
            known, unknown = await self._by_pin(request)
            response: Any = SimpleNamespace(API_VERSION=11, topics=[])
            if known and await self._can_fetch_by_id(node_id, known):
                response = await self._by_id(send, node_id, _part(request, known))
            elif known:
                response = await send(node_id, _part(request, known), **kwargs)
            response.topics += [(topic, list(map(_absent, wanted))) for topic, wanted in unknown]
            return await self._checked(request, response)

        client.send = send_guarded

    @property
    def is_open(self) -> bool:
        """Whether fetches go: every partition was sought to where it starts."""
        return self._may_fetch.is_set()

    async def _by_pin(self, request: Any) -> tuple[list[Any], list[Any]]:
        """Return the topics with a known id, and those that were absent at the takeover."""
        await self._ids.pin([topic for topic, _ in request.topics if self._is_never_held(topic)])
        known = [each for each in request.topics if self._ids.is_pinned(each[0])]
        return known, [each for each in request.topics if not self._ids.is_pinned(each[0])]

    async def _allowed(self, request: Any) -> Any:
        """Return the part of a request that may be sent now; wait while there is none."""
        if self._may_fetch.is_set():
            return request
        topics = [each for each in request.topics if self._is_never_held(each[0])]
        if not topics:
            await self._may_fetch.wait()
            return request
        return _part(request, topics)

    async def _can_fetch_by_id(self, node_id: Any, topics: Sequence[Any]) -> bool:
        if not all(self._ids.id_of(topic) for topic, _ in topics):
            return False
        if not await self._client.ready(node_id):
            return False  # sending it raises the right error
        connection = next(
            (conn for (node, _), conn in self._client._conns.items() if node == node_id), None
        )
        versions = connection._versions if connection is not None else {}
        lowest, highest = versions.get(FETCH_KEY, (0, 0))
        return bool(lowest <= FETCH_VERSION <= highest)

    async def _by_id(self, send: Callable[..., Awaitable[Any]], node_id: Any, request: Any) -> Any:
        ids = {topic: self._ids.id_of(topic) for topic, _ in request.topics}
        names = {topic_id: topic for topic, topic_id in ids.items()}
        response = await send(node_id, FetchById(request, ids, self._epochs.below))
        response.topics = [(names[topic_id], fetched) for topic_id, fetched in response.by_id]
        for topic, partitions in response.topics:
            for fetched in partitions:
                if fetched.records:
                    self._epochs.note((topic, fetched.partition), fetched.records)
        diverging = {
            TopicPartition(names[topic_id], partition): end
            for topic_id, ends in response.diverging.items()
            for partition, end in ends.items()
        }
        if diverging:
            try:
                await self._on_diverged(
                    {tp: (_offset_of(request, tp), end) for tp, end in diverging.items()}
                )
            except KafkaError:
                pass  # the broker went away: the next fetch asks again
        return response

    async def _checked(self, request: Any, response: Any) -> Any:
        """Take partitions with an error that is dealt with here out of the response."""
        out_of_range: dict[TopicPartition, int] = {}
        has_other_topic = False
        topics = []
        for topic, partitions in response.topics:
            kept = []
            for fetched in partitions:
                partition, error, *_ = fetched
                if error in _OTHER_TOPIC:
                    has_other_topic = True
                elif error == OffsetOutOfRangeError.errno:
                    tp = TopicPartition(topic, partition)
                    out_of_range[tp] = _offset_of(request, tp)
                else:
                    kept.append(fetched)
            topics.append((topic, kept))
        if not out_of_range and not has_other_topic:
            return response
        response.topics = topics
        if has_other_topic:
            self._on_other_topic()
        try:
            if out_of_range:
                await self._on_out_of_range(out_of_range)
        except KafkaError:
            pass  # the broker went away: the next fetch asks again
        if has_other_topic:
            await asyncio.sleep(_REFUSED_SECONDS)
        return response


def _part(request: Any, topics: Sequence[Any]) -> Any:
    """Return a fetch request for some of its topics."""
    if len(topics) == len(request.topics):
        return request
    limits = request._max_wait_ms, request._min_bytes, request._max_bytes
    return FetchRequest(*limits, request._isolation_level, list(topics), request._rack_id)


def _absent(wanted: tuple[int, int, int]) -> FetchedPartition:
    partition, *_ = wanted
    error = UnknownTopicOrPartitionError.errno
    return FetchedPartition(partition, error, -1, -1, -1, None, -1, _NO_RECORDS)


def _offset_of(request: Any, tp: TopicPartition) -> int:
    offset: int = next(
        offset
        for topic, partitions in request.topics
        for partition, offset, _ in partitions
        if (topic, partition) == tp
    )
    return offset
