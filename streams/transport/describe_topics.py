"""The request for the ids of topics, which aiokafka 0.14 can't send: Metadata v10 (Kafka 2.8).

It never creates a topic.
Source: Apache Kafka's protocol guide, and KIP-516, "Topic Identifiers".
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from io import BytesIO
from typing import NamedTuple, Self

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactString, Schema, UnsignedVarInt32

from streams.kafka.positions import format_topic_id
from streams.transport.compact_types import ID_BYTES, INT, NO_TAGS, SHORT, Cursor, Encoded

_METADATA_KEY, _METADATA_VERSION = 3, 10

#: A partition in metadata: error, number, leader, leader epoch.
_PARTITION = struct.Struct(">hiii")


class DescribedTopic(NamedTuple):
    """A topic as the broker describes it."""

    error: int
    """Kafka's error code: 0, or e.g. 3 if there is no such topic."""
    topic_id: str
    """As `positions.format_topic_id` writes it; "" if the topic has none."""
    num_partitions: int


class _DescribeResponse(Response):  # type: ignore[misc]
    API_KEY = _METADATA_KEY
    API_VERSION = _METADATA_VERSION
    SCHEMA = Schema()
    topics: dict[str, DescribedTopic]

    @classmethod
    def decode(cls, data: BytesIO | bytes) -> Self:
        cursor = Cursor(data if isinstance(data, BytesIO) else BytesIO(data))
        response = cls()
        cursor.numbers(INT)  # throttle time

        def skip_broker() -> None:
            cursor.numbers(INT)  # node id
            cursor.compact()  # host
            cursor.numbers(INT)  # port
            cursor.compact()  # rack
            cursor.tags()

        def skip_partition() -> None:
            cursor.numbers(_PARTITION)
            for _ in range(3):  # replicas, in-sync replicas, offline replicas
                cursor.skip_numbers()
            cursor.tags()

        def topic() -> tuple[str, DescribedTopic]:
            (error,) = cursor.numbers(SHORT)
            name = cursor.compact().decode()
            topic_id = format_topic_id(cursor.take(ID_BYTES))
            cursor.take(1)  # whether it is internal
            num_partitions = len(cursor.array(skip_partition))
            cursor.numbers(INT)  # authorized operations
            cursor.tags()
            return name, DescribedTopic(error, topic_id, num_partitions)

        cursor.array(skip_broker)
        cursor.compact()  # cluster id
        cursor.numbers(INT)  # controller id
        response.topics = dict(cursor.array(topic))
        return response


class _DescribeRequest(RequestStruct):  # type: ignore[misc]
    API_KEY = _METADATA_KEY
    API_VERSION = _METADATA_VERSION
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _DescribeResponse
    SCHEMA = Schema(("body", Encoded))


class DescribeTopics(Request[_DescribeRequest]):  # type: ignore[misc]
    """Ask for the ids of topics; the response's `topics` holds a `DescribedTopic` by name."""

    API_KEY = _METADATA_KEY

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_DescribeRequest]) -> _DescribeRequest:
        """Encode the request."""
        parts = [UnsignedVarInt32.encode(len(self._topics) + 1)]
        for topic in self._topics:
            parts += [bytes(ID_BYTES), CompactString().encode(topic), NO_TAGS]
        # No topic is created; no authorized operations are listed.
        parts += [b"\0\0\0", NO_TAGS]
        return request_struct_class(b"".join(parts))
