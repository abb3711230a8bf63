"""Committed offsets, once no transaction can change them any more (OffsetFetch v7, KIP-447).

aiokafka asks in version 3, which answers with the last offset before a pending transaction. A
partition's new owner has ended its predecessor's transaction before it asks, so nothing should be
pending; but brokers before 4.0 write the end of a transaction into the group's offsets a moment
after they have acknowledged it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Iterable

from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    IncompatibleBrokerVersion,
    KafkaError,
    NotCoordinatorError,
    RequestTimedOutError,
    for_code,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

from streams.records import TopicPartition

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 0.05
#: Nothing is said of a wait that is shorter.
_QUIET_SECONDS = 5.0
_UNSTABLE_OFFSET_COMMIT = 88
_UNKNOWN = -1
_AGAIN = (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    NotCoordinatorError,
    RequestTimedOutError,
)


class _OffsetFetchResponse(Response):  # type: ignore[misc]
    API_KEY = 9
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", CompactString("utf-8")),
                        ("error_code", Int16),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("error_code", Int16),
        ("tags", TaggedFields),
    )


class _OffsetFetchStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 9
    API_VERSION = 7
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _OffsetFetchResponse
    SCHEMA = Schema(
        ("group_id", CompactString("utf-8")),
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                ("partitions", CompactArray(Int32)),
                ("tags", TaggedFields),
            ),
        ),
        ("require_stable", Boolean),
        ("tags", TaggedFields),
    )


class _OffsetFetch(Request[_OffsetFetchStruct]):  # type: ignore[misc]
    API_KEY = 9

    def __init__(self, group_id: str, partitions: Iterable[TopicPartition]) -> None:
        by_topic: dict[str, list[int]] = defaultdict(list)
        for topic, partition in partitions:
            by_topic[topic].append(partition)
        self._group_id = group_id
        self._topics: list[tuple[str, list[int], dict[int, bytes]]] = [
            (topic, numbers, {}) for topic, numbers in by_topic.items()
        ]

    def build(self, request_struct_class: type[_OffsetFetchStruct]) -> _OffsetFetchStruct:
        return request_struct_class(self._group_id, self._topics, True, {})


async def stable_offsets(
    client: AIOKafkaClient, group_id: str, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, int]:
    """Return a group's committed offsets; waits for pending transactions, and for the brokers.

    Args:
        client: connected.
        group_id: of the consumer group.
        partitions: to ask for.

    Returns:
        The offset of the next record to read, for those partitions that have one.

    Raises:
        KafkaError: the brokers refuse the question, or are older than 2.5.
    """
    wanted = list(partitions)
    began, is_told = time.monotonic(), False
    while wanted:
        found = await _ask(client, group_id, wanted)
        if found is not None:
            return found
        if not is_told and time.monotonic() - began > _QUIET_SECONDS:
            is_told = True
            logger.warning(
                "the committed offsets of group %s are waited for: a transaction is pending, or "
                "the group's coordinator is away", group_id
            )  # fmt: skip
        await asyncio.sleep(_RETRY_SECONDS)
    return {}


async def _ask(
    client: AIOKafkaClient, group_id: str, partitions: list[TopicPartition]
) -> dict[TopicPartition, int] | None:
    """Ask once; None if it is to be asked again."""
    try:
        node = await client.coordinator_lookup(CoordinationType.GROUP, group_id)
        response = await client.send(
            node, _OffsetFetch(group_id, partitions), group=ConnectionGroup.COORDINATION
        )
    except NotImplementedError:
        raise IncompatibleBrokerVersion("exactly_once needs Apache Kafka 2.5 or newer") from None
    except KafkaError as error:
        if not error.retriable:
            raise
        return None
    offsets: dict[TopicPartition, int] = {}
    rows = [
        (TopicPartition(topic, partition), offset, code)
        for topic, found, _ in response.topics
        for partition, offset, _, _, code, _ in found
    ]
    for code in (response.error_code, *(code for _, _, code in rows)):
        if code == _UNSTABLE_OFFSET_COMMIT or for_code(code) in _AGAIN:
            return None
        if code:
            raise for_code(code)(f"committed offsets of group {group_id}")
    for tp, offset, _ in rows:
        if offset != _UNKNOWN:
            offsets[tp] = offset
    return offsets
