"""Two requests that name topics by id, which aiokafka 0.14 can't send.

`DescribeTopics` is Metadata v10 (Kafka 2.8): the id and number of partitions of each topic. It
never creates a topic. `FetchById` is Fetch v13 (Kafka 3.1): the broker refuses it for a topic that
was deleted and made again, so no record of the new topic is ever read at an offset of the old one.
Both are read and written with `struct`: aiokafka's generic schemas cost several times as much, and
a live stream fetches a hundred times a second.
Source: Apache Kafka's protocol guide, and KIP-516, "Topic Identifiers".
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any, NamedTuple, Self, TypeAlias

from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactString, Schema, UnsignedVarInt32

from streams.kafka.positions import format_topic_id, parse_topic_id

FETCH_KEY, METADATA_KEY = 1, 3
FETCH_VERSION, METADATA_VERSION = 13, 10

#: Fetch: replica id, longest wait, least and most bytes, isolation level, session id and epoch.
_FETCH_HEAD = struct.Struct(">iiiibii")
#: A partition to fetch: number, leader epoch, offset, last fetched epoch, log start, most bytes.
_WANTED = struct.Struct(">iiqiqi")
#: A fetched partition: number, error, high watermark, last stable offset, log start offset.
_FETCHED = struct.Struct(">ihqqq")
_ABORTED = struct.Struct(">qq")
#: A partition in metadata: error, number, leader, leader epoch.
_PARTITION = struct.Struct(">hiii")
#: The tagged field of a partition whose log has diverged: the epoch that both have, and its end.
_DIVERGING_EPOCH, _EPOCH_END = 0, struct.Struct(">iq")
_SHORT, _INT = struct.Struct(">h"), struct.Struct(">i")
_ID_BYTES = 16
_UNKNOWN = -1
_NO_TAGS = b"\0"
#: A session id and epoch: no fetch session, as aiokafka fetches.
_NO_SESSION = (0, -1)
_CONSUMER = -1

#: Called with a topic and partition, and an offset.
EpochBelow: TypeAlias = Callable[[tuple[str, int], int], int]


class _Encoded(AbstractType[bytes]):  # type: ignore[misc]
    """A request's body, encoded already."""

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read()


class _Cursor:
    """Reads Kafka's compact types from a response."""

    def __init__(self, data: BytesIO) -> None:
        self._data = data.getbuffer()
        self._at = data.tell()

    def numbers(self, layout: struct.Struct) -> tuple[Any, ...]:
        values = layout.unpack_from(self._data, self._at)
        self._at += layout.size
        return values

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def take(self, num_bytes: int) -> bytes:
        start, self._at = self._at, self._at + num_bytes
        return bytes(self._data[start : self._at])

    def compact(self) -> bytes:
        """Read a compact string or bytes; b"" for null."""
        return self.take(max(self.varint() - 1, 0))

    def array(self, read_one: Callable[[], Any]) -> list[Any]:
        """Read a compact array; [] for null."""
        return [read_one() for _ in range(self.varint() - 1)]

    def skip_numbers(self) -> None:
        num_bytes = max(self.varint() - 1, 0) * _INT.size
        self._at += num_bytes

    def diverging_end(self) -> int | None:
        """Read a partition's tagged fields; return the end offset of a diverging epoch, if any."""
        end = None
        for _ in range(self.varint()):
            tag, num_bytes = self.varint(), self.varint()
            if tag == _DIVERGING_EPOCH:
                _, end = _EPOCH_END.unpack_from(self._data, self._at)
            self._at += num_bytes
        return end

    def skip_tags(self) -> None:
        for _ in range(self.varint()):
            self.varint()
            num_bytes = self.varint()
            self._at += num_bytes


class DescribedTopic(NamedTuple):
    """A topic as the broker describes it."""

    error: int
    """Kafka's error code: 0, or e.g. 3 if there is no such topic."""
    topic_id: str
    """As `positions.format_topic_id` writes it; "" if the topic has none."""
    num_partitions: int


class _DescribeResponse(Response):  # type: ignore[misc]
    API_KEY = METADATA_KEY
    API_VERSION = METADATA_VERSION
    SCHEMA = Schema()
    topics: dict[str, DescribedTopic]

    @classmethod
    def decode(cls, data: BytesIO | bytes) -> Self:
        cursor = _Cursor(data if isinstance(data, BytesIO) else BytesIO(data))
        response = cls()
        cursor.numbers(_INT)  # throttle time

        def skip_broker() -> None:
            cursor.numbers(_INT)  # node id
            cursor.compact()  # host
            cursor.numbers(_INT)  # port
            cursor.compact()  # rack
            cursor.skip_tags()

        def skip_partition() -> None:
            cursor.numbers(_PARTITION)
            for _ in range(3):  # replicas, in-sync replicas, offline replicas
                cursor.skip_numbers()
            cursor.skip_tags()

        def topic() -> tuple[str, DescribedTopic]:
            (error,) = cursor.numbers(_SHORT)
            name = cursor.compact().decode()
            topic_id = format_topic_id(cursor.take(_ID_BYTES))
            cursor.take(1)  # whether it is internal
            num_partitions = len(cursor.array(skip_partition))
            cursor.numbers(_INT)  # authorized operations
            cursor.skip_tags()
            return name, DescribedTopic(error, topic_id, num_partitions)

        cursor.array(skip_broker)
        cursor.compact()  # cluster id
        cursor.numbers(_INT)  # controller id
        response.topics = dict(cursor.array(topic))
        return response


class _DescribeRequest(RequestStruct):  # type: ignore[misc]
    API_KEY = METADATA_KEY
    API_VERSION = METADATA_VERSION
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _DescribeResponse
    SCHEMA = Schema(("body", _Encoded))


class DescribeTopics(Request[_DescribeRequest]):  # type: ignore[misc]
    """Ask for the ids of topics; the response's `topics` holds a `DescribedTopic` by name."""

    API_KEY = METADATA_KEY

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_DescribeRequest]) -> _DescribeRequest:
        """Encode the request."""
        parts = [UnsignedVarInt32.encode(len(self._topics) + 1)]
        for topic in self._topics:
            parts += [bytes(_ID_BYTES), CompactString().encode(topic), _NO_TAGS]
        # No topic is created; no authorized operations are listed.
        parts += [b"\0\0\0", _NO_TAGS]
        return request_struct_class(b"".join(parts))


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
        cursor = _Cursor(data if isinstance(data, BytesIO) else BytesIO(data))
        response = cls()

        def aborted() -> tuple[int, int]:
            producer_id, first_offset = cursor.numbers(_ABORTED)
            cursor.skip_tags()
            return producer_id, first_offset

        def partition() -> FetchedPartition:
            fetched = cursor.numbers(_FETCHED)
            transactions = cursor.array(aborted)
            (preferred,) = cursor.numbers(_INT)
            records = cursor.compact()
            if (end := cursor.diverging_end()) is not None:
                ends[fetched[0]] = end
            return FetchedPartition._make((*fetched, transactions, preferred, records))

        def topic() -> tuple[str, list[FetchedPartition]]:
            topic_id = format_topic_id(cursor.take(_ID_BYTES))
            partitions = cursor.array(partition)
            cursor.skip_tags()
            if ends:
                response.diverging[topic_id] = dict(ends)
                ends.clear()
            return topic_id, partitions

        ends: dict[int, int] = {}
        response.diverging = {}
        cursor.numbers(_INT)  # throttle time
        (response.error,) = cursor.numbers(_SHORT)
        cursor.numbers(_INT)  # session id
        response.by_id = cursor.array(topic)
        return response


class _FetchRequest(RequestStruct):  # type: ignore[misc]
    API_KEY = FETCH_KEY
    API_VERSION = FETCH_VERSION
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _FetchResponse
    SCHEMA = Schema(("body", _Encoded))


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
                parts += [_WANTED.pack(*wanted), _NO_TAGS]
            parts.append(_NO_TAGS)
        no_forgotten_topics = UnsignedVarInt32.encode(1)
        rack = CompactString().encode(fetch._rack_id)
        return request_struct_class(b"".join((*parts, no_forgotten_topics, rack, _NO_TAGS)))
