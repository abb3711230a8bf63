"""The begin of what waits, read from the embedded broker."""

from __future__ import annotations

import uuid

import pytest
from confluent_kafka import Producer

from agents.commands.lag import unread as module
from agents.commands.lag.unread import UnreadReader
from streams.kafka.admin import create_topics
from streams.kafka.reader import Bounds
from streams.settings import TopicSettings

SENT_MS = 1_700_000_000_000


@pytest.fixture
def topic(embedded_bootstrap: str) -> str:
    """A topic with ten records in partition 0 and one in partition 1."""
    name = f"unread-{uuid.uuid4().hex[:8]}"
    kafka: dict[str, str | int | float | bool] = {"bootstrap.servers": embedded_bootstrap}
    create_topics(kafka, {name: TopicSettings()})
    producer = Producer({"bootstrap.servers": embedded_bootstrap})
    for i in range(10):
        producer.produce(name, b"12345", partition=0, timestamp=SENT_MS + i)
    producer.produce(name, b"12345", partition=1, timestamp=SENT_MS)
    assert producer.flush(30) == 0
    return name


@pytest.fixture
def reader(embedded_bootstrap: str) -> UnreadReader:
    return UnreadReader({"bootstrap.servers": embedded_bootstrap}, "read_uncommitted", 20.0)


def test_a_few_records_are_counted_one_by_one(reader: UnreadReader, topic: str) -> None:
    found = reader.read({(topic, 0): Bounds(3, 10), (topic, 1): Bounds(0, 1)})
    assert found[topic, 0].lag(10) == (7, True)
    assert found[topic, 0].first_timestamp_ms == SENT_MS + 3
    assert found[topic, 1].lag(1) == (1, True)


def test_records_beyond_the_end_are_not_counted(reader: UnreadReader, topic: str) -> None:
    """They were written after the end was read."""
    assert reader.read({(topic, 0): Bounds(3, 5)})[topic, 0].lag(5) == (2, True)


def test_a_partition_that_ends_early_has_nothing_that_waits(
    reader: UnreadReader, topic: str
) -> None:
    """As behind a transaction marker: the end offset is higher than that of the last record."""
    unread = reader.read({(topic, 0): Bounds(10, 11)})[topic, 0]
    assert unread.first_offset is None
    assert unread.is_finished
    assert unread.lag(11) == (0, True)


@pytest.mark.parametrize("limit", ["MAX_COUNTED_OFFSETS", "MAX_COUNTED_BYTES"])
def test_of_many_records_the_first_is_found_and_the_rest_is_estimated(
    reader: UnreadReader, topic: str, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, limit, 2)
    unread = reader.read({(topic, 0): Bounds(3, 10)})[topic, 0]
    assert unread.num_records == 1
    assert unread.lag(10) == (7, False)
