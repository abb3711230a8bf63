import asyncio
import itertools
import json
import time
from collections.abc import Callable, Iterator

import msgspec
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from agents.commands.broker import embedded_broker
from agents.commands.describe import describe_record, record_as_json
from agents.commands.tail import tail_topic
from schemas import ClusterAssignment
from schemas.cloudevents import event_headers, type_name
from streams.kafka.errors import BrokerError
from streams.kafka.message_headers import UNREADABLE, headers_of
from streams.kafka.reader import KafkaRecord
from streams.kafka.settings import Kafka
from tests.raw_records import send_raw


@pytest.fixture(scope="module")
def servers() -> Iterator[str]:
    with embedded_broker() as broker:
        yield broker.bootstrap_servers


def send(servers: str, topic: str, count: int) -> None:
    producer = Producer({"bootstrap.servers": servers})
    for n in range(count):
        producer.produce(topic, str(n).encode(), key=str(n % 5).encode())
    assert producer.flush(10) == 0


def test_from_the_beginning_every_record_of_every_partition_is_read(servers: str) -> None:
    send(servers, "all", 40)
    kafka = {"bootstrap.servers": servers, "group.id": "workers"}
    records = list(itertools.islice(tail_topic(kafka, "all", from_beginning=True), 40))
    assert sorted(int(r.value or b"") for r in records) == list(range(40))
    assert len({r.partition for r in records}) > 1


def test_by_default_only_new_records_are_read(servers: str) -> None:
    send(servers, "new", 10)
    deadline = time.monotonic() + 2.0
    old = list(tail_topic({"bootstrap.servers": servers}, "new", stop=after(deadline)))
    assert old == []


def after(deadline: float) -> Callable[[], bool]:
    return lambda: time.monotonic() > deadline


def test_unreadable_headers_do_not_end_the_iteration(servers: str) -> None:
    # Many: a call that the interpreter has specialised for speed would end the process.
    records = [(b"k", b"1", [(b"\xff", b"x")])] * 50 + [(b"k", b"2", [(b"fine", b"y")])]
    asyncio.run(send_raw(servers, "foreign", 0, records))
    kafka: Kafka = {"bootstrap.servers": servers}
    found = list(itertools.islice(tail_topic(kafka, "foreign", from_beginning=True), 51))
    assert [record.headers for record in found] == [UNREADABLE] * 50 + [[("fine", b"y")]]


def test_unreadable_headers_can_be_read_twice(servers: str) -> None:
    asyncio.run(send_raw(servers, "twice", 0, [(b"k", b"1", [(b"\xff", b"x")])]))
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "twice"})
    consumer.assign([TopicPartition("twice", 0, 0)])
    while (message := consumer.poll(1)) is None or message.error():
        pass
    assert headers_of(message) == headers_of(message) == UNREADABLE
    consumer.close()


def test_nothing_is_committed(servers: str) -> None:
    send(servers, "watched", 5)
    kafka: Kafka = {
        "bootstrap.servers": servers,
        "group.id": "workers",
        "enable.auto.commit": True,
    }
    assert len(list(itertools.islice(tail_topic(kafka, "watched", from_beginning=True), 5))) == 5
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "workers"})
    committed = consumer.committed([TopicPartition("watched", p) for p in range(4)], timeout=10)
    consumer.close()
    assert all(partition.offset < 0 for partition in committed)


def test_a_missing_topic_is_not_created(servers: str) -> None:
    for _ in range(2):
        with pytest.raises(BrokerError, match=r"no topic 'no\.such'"):
            next(tail_topic({"bootstrap.servers": servers}, "no.such"))


RESULT = KafkaRecord(
    topic="behavior.clusters",
    partition=1,
    offset=7,
    timestamp_ms=1_700_000_000_000,
    key=b"u\xff",
    value=msgspec.msgpack.encode(ClusterAssignment(source_id="u", cluster_id=3, distance=0.5)),
    headers=event_headers(
        event_id="x",
        type_name=type_name(ClusterAssignment),
        source="agent",
        time_ms=0,
        content_type="application/msgpack",
    ),
)


def test_a_record_as_json_and_as_text() -> None:
    found = json.loads(record_as_json(RESULT))
    assert found["value"]["cluster_id"] == 3
    assert found["headers"]["ce_type"] == "penstock.cluster_assignment.v1"
    assert (found["partition"], found["offset"], found["key"]) == (1, 7, "u\ufffd")
    assert (
        describe_record(RESULT.topic, RESULT.value, RESULT.headers)
        == "u  cluster 3, 0.50 from its center"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (b"not json \x1b[2J\xc2\x9b", "not json \x1b[2J\x9b"),
        (b"\xff\xd8\xff\x00", "[image/jpeg, 4 bytes]"),
        (b"[" * 100_000, "[" * 100_000),
    ],
)
def test_any_value_becomes_ascii_json(value: bytes | None, shown: str | None) -> None:
    line = record_as_json(KafkaRecord("t", 0, 0, -1, None, value, []))
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["value"] == shown
