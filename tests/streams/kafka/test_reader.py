import itertools
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import OFFSET_BEGINNING, Producer

from streams.kafka.clients import make_consumer
from streams.kafka.errors import BrokerError, BrokerSettingsError
from streams.kafka.reader import Bounds, TopicReader, bounds_of, follow
from streams.kafka.settings import Kafka


@pytest.fixture
def kafka(embedded_bootstrap: str) -> Kafka:
    return {"bootstrap.servers": embedded_bootstrap}


def send(kafka: Kafka, topic: str, count: int, partition: int = 0) -> None:
    producer = Producer(dict(kafka))
    for number in range(count):
        producer.produce(topic, b"%d" % number, partition=partition)
    assert producer.flush(10) == 0


@pytest.fixture
def reader(kafka: Kafka) -> Iterator[TopicReader]:
    with TopicReader(kafka) as reader:
        yield reader


def test_bounds_of_filled_and_empty_partitions(kafka: Kafka, reader: TopicReader) -> None:
    send(kafka, "reader-bounds", 3, partition=2)
    assert reader.bounds("reader-bounds", 4) == [Bounds(0, 3 if p == 2 else 0) for p in range(4)]


def test_a_part_of_a_partition_is_read_in_order(kafka: Kafka, reader: TopicReader) -> None:
    send(kafka, "reader-part", 50)
    batches = reader.read("reader-part", 0, Bounds(10, 30))
    values = [message.value() for messages in batches for message in messages]
    assert values == [b"%d" % number for number in range(10, 30)]


def test_all_partitions_are_read(kafka: Kafka, reader: TopicReader) -> None:
    send(kafka, "reader-all", 5, partition=0)
    send(kafka, "reader-all", 7, partition=3)
    partitions = [message.partition() for message in reader.read_all("reader-all", 4)]
    assert partitions == [0] * 5 + [3] * 7


def test_bounds_without_a_broker() -> None:
    consumer = make_consumer({"bootstrap.servers": "127.0.0.1:1"})
    with pytest.raises(BrokerError, match=r"t\[0\]: can't read the end offset: "):
        bounds_of(consumer, "t", 0, seconds=0.5)
    consumer.close()


def test_a_wrong_setting_is_a_settings_error(kafka: Kafka) -> None:
    with pytest.raises(BrokerSettingsError, match=r"kafka: .*no\.such\.setting"):
        TopicReader({**kafka, "no.such.setting": 1})


def test_following_yields_records_that_arrive_later(kafka: Kafka) -> None:
    send(kafka, "reader-follow", 2)
    starts = {("reader-follow", partition): OFFSET_BEGINNING for partition in range(4)}
    records = follow(kafka, starts)
    assert [r.value for r in itertools.islice(records, 2)] == [b"0", b"1"]
    send(kafka, "reader-follow", 1, partition=3)
    late = next(records)
    assert (late.partition, late.offset, late.value) == (3, 0, b"0")


def test_following_ends_when_stopped(kafka: Kafka) -> None:
    send(kafka, "reader-stop", 1)
    deadline = time.monotonic() + 1.0
    starts = {("reader-stop", 0): OFFSET_BEGINNING}
    records = list(follow(kafka, starts, stop=lambda: time.monotonic() > deadline))
    assert len(records) == 1
