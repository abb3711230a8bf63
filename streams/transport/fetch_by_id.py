"""A fetch that names topics by id, which aiokafka 0.14 can't send: Fetch v13 (Kafka 3.1).

The broker refuses it for a topic that was deleted and made again, so no record of the new topic is
ever read at an offset of the old one.
Source: Apache Kafka's protocol guide, and KIP-516, "Topic Identifiers".
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, NamedTuple, Self, TypeAlias

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactString, Schema, UnsignedVarInt32

from streams.kafka.positions import format_topic_id, parse_topic_id
from streams.transport.compact_types import ID_BYTES, INT, NO_TAGS, SHORT, Cursor, Encoded

FETCH_KEY, FETCH_VERSION = 1, 13

#: Fetch: replica id, longest wait, least and most bytes, isolation level, session id and epoch.
_FETCH_HEAD = struct.Struct(">iiiibii")
#: A partition to fetch: number, leader epoch, offset, last fetched epoch, log start, most bytes.
_WANTED = struct.Struct(">iiqiqi")
#: A fetched partition: number, error, high watermark, last stable offset, log start offset.
_FETCHED = struct.Struct(">ihqqq")
_ABORTED = struct.Struct(">qq")
#: The tagged field of a partition whose log has diverged: the epoch that both have, and its end.
_DIVERGING_EPOCH, _EPOCH_END = 0, struct.Struct(">iq")
_UNKNOWN = -1
#: A session id and epoch: no fetch session, as aiokafka fetches.
_NO_SESSION = (0, -1)
_CONSUMER = -1

#: Called with a topic and partition, and an offset.
EpochBelow: TypeAlias = Callable[[tuple[str, int], int], int]


class FetchedPartition(NamedTuple):
    """A partition's part of a fetch response, laid out as aiokafka's Fetch v11."""

    partition: int
    error: int
    high_watermark: int
    last_stable_offset: int
    log_start_offset: int
    aborted_transactions: list[tuple[int, int]] | None
    preferred_read_replica: int
    records: bytes


class _FetchResponse(Response):  # type: ignore[misc]
    API_KEY = FETCH_KEY
    #: What aiokafka may assume of the layout.
    API_VERSION = 11
    SCHEMA = Schema()
    error: int
    """Kafka's error code of the whole request."""
    by_id: list[tuple[str, list[FetchedPartition]]]
    """The partitions by the topic's id."""
    diverging: dict[str, dict[int, int]]
    """By the topic's id and partition: where the log differs from what was fetched before."""
    topics: list[tuple[str, list[FetchedPartition]]]
    """The partitions by the topic's name; set by the caller, who knows it."""

    @classmethod
    def decode(cls, data: BytesIO | bytes) -> Self:
        cursor = Cursor(data if isinstance(data, BytesIO) else BytesIO(data))
        response = cls()

        def aborted() -> tuple[int, int]:
            producer_id, first_offset = cursor.numbers(_ABORTED)
            cursor.tags()
            return producer_id, first_offset

        def partition() -> FetchedPartition:
            fetched = cursor.numbers(_FETCHED)
            transactions = cursor.array(aborted)
            (preferred,) = cursor.numbers(INT)
            records = cursor.compact()
            if (diverging := cursor.tags().get(_DIVERGING_EPOCH)) is not None:
                _, ends[fetched[0]] = _EPOCH_END.unpack_from(diverging)
            return FetchedPartition._make((*fetched, transactions, preferred, records))

        def topic() -> tuple[str, list[FetchedPartition]]:
            topic_id = format_topic_id(cursor.take(ID_BYTES))
            partitions = cursor.array(partition)
            cursor.tags()
            if ends:
                response.diverging[topic_id] = dict(ends)
                ends.clear()
            return topic_id, partitions

        ends: dict[int, int] = {}
        response.diverging = {}
        cursor.numbers(INT)  # throttle time
        (response.error,) = cursor.numbers(SHORT)
        cursor.numbers(INT)  # session id
        response.by_id = cursor.array(topic)
        return response


class _FetchRequest(RequestStruct):  # type: ignore[misc]
    API_KEY = FETCH_KEY
    API_VERSION = FETCH_VERSION
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _FetchResponse
    SCHEMA = Schema(("body", Encoded))


class FetchById(Request[_FetchRequest]):  # type: ignore[misc]
    """A fetch of aiokafka's, by the ids of its topics."""

    API_KEY = FETCH_KEY

    def __init__(self, fetch: Any, topic_ids: Mapping[str, str], epoch_below: EpochBelow) -> None:
        """Keep the request.

        Args:
            fetch: aiokafka's `FetchRequest`.
            topic_ids: the ids of its topics.
            epoch_below: returns the leader epoch of the record below an offset, -1 if unknown.
        """
        self._fetch = fetch
        self._topics = [
            (
                topic_ids[topic],
                [(*wanted, epoch_below((topic, wanted[0]), wanted[1])) for wanted in partitions],
            )
            for topic, partitions in fetch.topics
        ]

    def build(self, request_struct_class: type[_FetchRequest]) -> _FetchRequest:
        """Encode the request."""
        fetch = self._fetch
        limits = (fetch._max_wait_ms, fetch._min_bytes, fetch._max_bytes, fetch._isolation_level)
        parts = [
            _FETCH_HEAD.pack(_CONSUMER, *limits, *_NO_SESSION),
            UnsignedVarInt32.encode(len(self._topics) + 1),
        ]
        for topic_id, partitions in self._topics:
            parts += [parse_topic_id(topic_id), UnsignedVarInt32.encode(len(partitions) + 1)]
            for partition, offset, max_bytes, epoch in partitions:
                wanted = (partition, _UNKNOWN, offset, epoch, _UNKNOWN, max_bytes)
                parts += [_WANTED.pack(*wanted), NO_TAGS]
            parts.append(NO_TAGS)
        no_forgotten_topics = UnsignedVarInt32.encode(1)
        rack = CompactString().encode(fetch._rack_id)
        return request_struct_class(b"".join((*parts, no_forgotten_topics, rack, NO_TAGS)))
