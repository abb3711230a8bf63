"""Sending to a real broker: order, size, compression, rejection."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka import Consumer, Message, TopicPartition

from streams.kafka.admin import create_topics
from streams.kafka.record_format import CODECS
from streams.output_records import OutputRecord, OutputRecords, Packing
from streams.settings import TopicSettings
from streams.sink import Output, RecordTooLargeError
from streams.transport.sink import KafkaSink


def read(bootstrap: str, topic: str, count: int) -> list[Message]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "r", "check.crcs": True})
    consumer.assign([TopicPartition(topic, 0, 0)])
    messages: list[Message] = consumer.consume(count, timeout=20)
    consumer.close()
    return messages


def make_topic(bootstrap: str, **config: str) -> str:
    topic = f"sink-{uuid.uuid4().hex[:8]}"
    create_topics(
        {"bootstrap.servers": bootstrap}, {topic: TopicSettings(partitions=2, config=config)}
    )
    return topic


def output(topic: str, *records: OutputRecord, compression: str | None = None) -> Output:
    return Output(topic, 0, OutputRecords.of(records).pack(Packing(10_000, CODECS[compression])))


@pytest.mark.parametrize("compression", [None, "gzip", "snappy", "lz4", "zstd"])
async def test_records_arrive_whole_and_in_order(bootstrap: str, compression: str | None) -> None:
    topic = make_topic(bootstrap)
    records = [
        OutputRecord(b"k%d" % i if i % 3 else None, b"v%d" % i * (i % 50), [("h", b"%d" % i)])
        for i in range(2000)
    ]
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=True, acks="all"
    ) as producer:  # fmt: skip
        sink = KafkaSink(lambda: producer)
        first = await sink.send([], [output(topic, *records[:1500], compression=compression)])
        second = await sink.send([], [output(topic, *records[1500:], compression=compression)])
        await first
        await second
    messages = read(bootstrap, topic, len(records))
    assert [(m.key(), m.value(), m.headers()) for m in messages] == [
        (r.key, r.value, r.headers) for r in records
    ]
    assert [m.offset() for m in messages] == list(range(len(records)))


@pytest.mark.kafka
async def test_a_rejected_batch_is_a_produce_error(kafka_bootstrap: str) -> None:
    topic = make_topic(kafka_bootstrap, **{"max.message.bytes": "2000"})
    async with AIOKafkaProducer(
        bootstrap_servers=kafka_bootstrap, enable_idempotence=True, acks="all"
    ) as producer:
        sink = KafkaSink(lambda: producer)
        large = output(topic, OutputRecord(None, bytes(5000), []))
        with pytest.raises(RecordTooLargeError, match=topic):
            await (await sink.send([], [large]))
        small = output(topic, OutputRecord(None, b"fits", []))
        await (await sink.send([], [small]))
        assert await sink.num_partitions(topic) == 2
    assert [m.value() for m in read(kafka_bootstrap, topic, 1)] == [b"fits"]


@pytest.mark.kafka
async def test_a_missing_topic_is_waited_for(kafka_bootstrap: str) -> None:
    topic = f"sink-{uuid.uuid4().hex[:8]}"
    async with AIOKafkaProducer(
        bootstrap_servers=kafka_bootstrap, request_timeout_ms=1000
    ) as producer:
        waiting = asyncio.ensure_future(KafkaSink(lambda: producer).num_partitions(topic))
        assert not (await asyncio.wait([waiting], timeout=2))[0]
        create_topics({"bootstrap.servers": kafka_bootstrap}, {topic: TopicSettings(partitions=2)})
        assert await asyncio.wait_for(waiting, 60) == 2
