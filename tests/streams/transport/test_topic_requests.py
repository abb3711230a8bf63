"""The requests that aiokafka can't send: against a broker, and their bytes."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from io import BytesIO

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.fetch import FetchRequest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from streams.kafka.admin import create_topics
from streams.settings import TopicSettings
from streams.transport.topic_requests import (
    DescribeTopics,
    FetchById,
    _FetchRequest,
    _FetchResponse,
)

ID = "AAAAAAAAAAAAAAAAAAAAAQ"


def unknown_epoch(tp: tuple[str, int], offset: int) -> int:
    return -1


@pytest.fixture
async def client(kafka_bootstrap: str) -> AsyncIterator[AIOKafkaClient]:
    made = AIOKafkaClient(bootstrap_servers=kafka_bootstrap)
    await made.bootstrap()
    yield made
    await made.close()


@pytest.mark.kafka
async def test_a_broker_describes_topics_and_is_fetched_from_by_id(
    kafka_bootstrap: str, client: AIOKafkaClient
) -> None:
    kafka = {"bootstrap.servers": kafka_bootstrap}
    topic = f"described-{uuid.uuid4().hex[:8]}"
    create_topics(kafka, {topic: TopicSettings(partitions=3)})
    producer = Producer(kafka)
    producer.produce(topic, b"value", partition=1)
    assert producer.flush(20) == 0
    node = client.get_random_node()
    described = (await client.send(node, DescribeTopics([topic, "absent"]))).topics
    assert described[topic].num_partitions == 3
    assert described["absent"].error == 3
    listed = AdminClient(kafka).list_topics(topic, timeout=20)
    assert "absent" not in AdminClient(kafka).list_topics(timeout=20).topics, "not created by it"
    assert len(listed.topics[topic].partitions) == 3

    fetch = FetchRequest(100, 1, 100_000, 0, [(topic, [(1, 0, 10_000), (2, 9, 10_000)])])
    ids = {topic: described[topic].topic_id}
    response = await client.send(node, FetchById(fetch, ids, unknown_epoch))
    ((topic_id, partitions),) = response.by_id
    assert topic_id == ids[topic]
    one, two = sorted(partitions)
    assert (one.partition, one.error, one.high_watermark, one.log_start_offset) == (1, 0, 1, 0)
    assert b"value" in one.records
    assert (two.partition, two.error) == (2, 1), "offset 9 is out of range"
    other = await client.send(node, FetchById(fetch, {topic: ID}, unknown_epoch))
    assert {partition.error for _, found in other.by_id for partition in found} == {100}


def test_a_fetch_names_the_epoch_below_its_offset() -> None:
    fetch = FetchRequest(500, 1, 1000, 1, [("numbers", [(3, 42, 100)])])
    request = FetchById(fetch, {"numbers": ID}, lambda tp, offset: 6)
    body = request.build(_FetchRequest).encode()
    assert bytes(15) + b"\x01" + b"\x02" in body, "one topic, one partition"
    partition = b"\0\0\0\x03" + b"\xff" * 4 + bytes(7) + b"\x2a" + b"\0\0\0\x06" + b"\xff" * 8
    assert partition in body


def test_tagged_fields_of_a_partition_are_read() -> None:
    """The diverging epoch; unknown tags are skipped."""
    diverging = b"\0" + b"\x0d" + b"\0\0\0\x02" + bytes(7) + b"\x05" + b"\0"
    unknown = b"\x07" + b"\x02" + b"??"
    partition = (
        b"\0\0\0\x03" + b"\0\0" + bytes(24) + b"\x01" + b"\xff" * 4 + b"\x01"
        + b"\x02" + diverging + unknown
    )  # fmt: skip
    body = bytes(4) + bytes(2) + bytes(4) + b"\x02" + bytes(15) + b"\x01" + b"\x02" + partition
    response = _FetchResponse.decode(BytesIO(body + b"\0" + b"\0"))
    assert response.diverging == {ID: {3: 5}}
    ((_, (found,)),) = response.by_id
    assert (found.partition, found.aborted_transactions, found.records) == (3, [], b"")
