from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.structs import OffsetAndMetadata
from confluent_kafka import TopicPartition, Uuid

from streams.kafka.admin import create_topics
from streams.kafka.positions import (
    CommittedPosition,
    commit_metadata,
    committed_position,
    format_topic_id,
    id_suffix,
    is_same_topic,
    parse_topic_id,
    position_of,
    result_id,
    split_id_suffix,
    topic_id_of,
)
from streams.kafka.reader import TopicReader
from streams.settings import TopicSettings

ID = "mYgTvHNrTlu2nWfsJP5AwQ"


def test_a_topic_id_is_written_as_kafkas_tools_write_it() -> None:
    raw = bytes([251, 255] * 8)
    assert format_topic_id(raw) == "-__7__v_-__7__v_-__7_w"
    assert parse_topic_id(format_topic_id(raw)) == raw


def test_an_id_of_confluent_kafka_is_read() -> None:
    raw = uuid.uuid4().bytes
    high, low = (int.from_bytes(raw[at : at + 8], "big", signed=True) for at in (0, 8))
    assert topic_id_of(Uuid(high, low)) == format_topic_id(raw)
    assert topic_id_of(Uuid(0, 0)) == topic_id_of(None) == ""


def test_no_topic_id_is_empty() -> None:
    assert format_topic_id(bytes(16)) == ""
    assert parse_topic_id("") == bytes(16)
    assert commit_metadata("") == ""


def test_a_commit_carries_the_topic_id() -> None:
    metadata = commit_metadata(ID)
    assert metadata == f'{{"topic_id":"{ID}"}}'
    assert committed_position(7, metadata) == CommittedPosition(7, ID)


def test_a_commit_that_confluent_kafka_repeats_keeps_its_topic_id() -> None:
    """It adds a NUL."""
    assert committed_position(7, commit_metadata(ID, 3) + "\0") == CommittedPosition(7, ID, 3)


class Place:
    """A committed offset of confluent-kafka, whose metadata is decoded when it is read."""

    offset = 7

    def __init__(self, metadata: bytes | None) -> None:
        self._metadata = metadata

    @property
    def metadata(self) -> str | None:
        return None if self._metadata is None else self._metadata.decode()


@pytest.mark.parametrize(
    "rest", [b"", b"\0", b"\x01junk", b"TluA", b"}{", b"\xc1\x0a", b"\xf0\x9f"]
)
def test_what_follows_metadata_in_confluent_kafkas_memory_is_ignored(rest: bytes) -> None:
    place: Any = Place(commit_metadata(ID, 3).encode() + rest)
    assert position_of(place) == CommittedPosition(7, ID, 3)


@pytest.mark.parametrize("metadata", [None, b"", b"\xc1", b"of another program"])
def test_a_place_without_metadata_gives_no_topic_id(metadata: bytes | None) -> None:
    place: Any = Place(metadata)
    assert position_of(place) == CommittedPosition(7)


@pytest.mark.kafka
def test_positions_that_aiokafka_committed_are_read_whole(kafka_bootstrap: str) -> None:
    """Read again and again, with memory full of bytes that are not UTF-8."""
    kafka: dict[str, str | int | float | bool] = {"bootstrap.servers": kafka_bootstrap}
    topic, metadata = f"positions-{uuid.uuid4().hex[:8]}", commit_metadata(ID, 123)
    create_topics(kafka, {topic: TopicSettings(partitions=16)})
    asyncio.run(commit_with_aiokafka(kafka_bootstrap, topic, 16, metadata))
    expected = [CommittedPosition(5, ID, 123)] * 16
    with TopicReader(kafka, topic) as reader:
        for size in range(20, 90):
            ballast = [b"\xff" * size for _ in range(500)]
            assert reader.committed_positions(topic, 16) == expected
            del ballast


async def commit_with_aiokafka(servers: str, topic: str, partitions: int, metadata: str) -> None:
    """Commit offset 5 of each partition as the topic's own group, as a worker does."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers, group_id=topic, enable_auto_commit=False
    )  # fmt: skip
    await consumer.start()
    places = [AioTopicPartition(topic, partition) for partition in range(partitions)]
    consumer.assign(places)
    await consumer.commit(dict.fromkeys(places, OffsetAndMetadata(5, metadata)))
    await consumer.stop()


@pytest.mark.parametrize(
    "metadata",
    ["", None, "written by another program", "[1]", '{"topic_id":3}', "{", "[" * 5000],
)
def test_metadata_of_other_programs_gives_no_topic_id(metadata: str | None) -> None:
    assert committed_position(7, metadata) == CommittedPosition(7, "")


def test_a_commit_says_how_many_partitions_the_group_began_with() -> None:
    metadata = commit_metadata(ID, began_with=4)
    assert committed_position(7, metadata) == CommittedPosition(7, ID, began_with=4)
    assert committed_position(7, commit_metadata("", began_with=4)) == CommittedPosition(
        7, "", began_with=4
    )


def test_a_partition_without_a_commit_has_no_position() -> None:
    assert position_of(TopicPartition("in", 3)) == CommittedPosition(-1)


def test_fields_of_later_versions_are_ignored() -> None:
    assert committed_position(7, f'{{"topic_id":"{ID}","more":1}}').topic_id == ID


def test_an_unknown_id_is_taken_for_the_same_topic() -> None:
    assert is_same_topic(ID, ID)
    assert is_same_topic(ID, "")
    assert is_same_topic("", ID)
    assert not is_same_topic(ID, ID[::-1])


def test_a_result_id_names_its_topic() -> None:
    plain = result_id("in", "", 3, 42, "score", "penstock.result.v1", 0)
    assert plain == "in:3:42:score:penstock.result.v1:0"
    named = result_id("in", ID, 3, 42, "score", "penstock.result.v1", 0)
    assert named == plain + id_suffix(ID)
    assert split_id_suffix(named) == (plain, ID)
    assert split_id_suffix(plain) == (plain, "")
    assert split_id_suffix("score:3:9223372036854775807") == ("score:3:9223372036854775807", "")
