"""The producer's sequence numbers are right, and a new owner fences the old one."""

from __future__ import annotations

import asyncio
import gc
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka.errors import (
    IllegalOperation,
    IncompatibleBrokerVersion,
    InvalidTransactionTimeout,
    MessageSizeTooLargeError,
    ProducerFenced,
)
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from streams import records
from streams.exactly_once.stable_offsets import StableOffsets
from streams.kafka.admin import create_topics
from streams.kafka.record_format import encode_records
from streams.output_records import PackedBatch
from streams.settings import TopicSettings
from streams.transport.encoded_batch import EncodedBatch
from streams.transport.producer import KafkaProducer, TransactionalProducer


def make_topic(bootstrap: str, **config: str) -> str:
    topic = f"counted-{uuid.uuid4().hex[:8]}"
    wanted = TopicSettings(partitions=1, config=config)
    create_topics({"bootstrap.servers": bootstrap}, {topic: wanted})
    return topic


async def stable_offsets(
    bootstrap: str, group: str, tp: records.TopicPartition
) -> dict[records.TopicPartition, int]:
    committed = await StableOffsets({"bootstrap.servers": bootstrap}, group).fetch([tp])
    return {tp: position.offset for tp, position in committed.items()}


@pytest.fixture
async def producer(kafka_bootstrap: str) -> AsyncIterator[KafkaProducer]:
    async with KafkaProducer(
        bootstrap_servers=kafka_bootstrap, enable_idempotence=True, acks="all"
    ) as started:
        yield started


@pytest.mark.kafka
async def test_a_rejected_batch_does_not_block_the_next(
    kafka_bootstrap: str, producer: KafkaProducer
) -> None:
    topic = make_topic(kafka_bootstrap, **{"max.message.bytes": "2000"})
    for _ in range(2):
        await producer.send_and_wait(topic, b"fits", partition=0)
        with pytest.raises(MessageSizeTooLargeError):
            await producer.send_and_wait(topic, bytes(5000), partition=0)
    assert (await producer.send_and_wait(topic, b"fits", partition=0)).offset == 2


@pytest.mark.kafka
async def test_leaders_are_known_although_another_topic_is_missing(
    kafka_bootstrap: str, producer: KafkaProducer
) -> None:
    """Without its own topics, aiokafka asks for all of them until it asks for a missing one."""
    topic = make_topic(kafka_bootstrap)
    await producer.client.force_metadata_update()
    packed = PackedBatch(1, encode_records([None], [b"x"], [b"\0"], 0, 1000)[0])
    await producer.send_batch(EncodedBatch(packed, 1), topic, partition=0)
    producer.client.add_topic("no-such-topic")
    await producer.client.force_metadata_update()
    assert producer.client.cluster.leader_for_partition(TopicPartition(topic, 0)) is not None


@pytest.mark.kafka
async def test_sequence_numbers_continue_at_zero(
    kafka_bootstrap: str, producer: KafkaProducer
) -> None:
    topic = make_topic(kafka_bootstrap)
    tp = TopicPartition(topic, 0)
    producer._txn_manager._sequence_numbers[tp] = 2**31 - 2
    for offset in range(4):
        assert (await producer.send_and_wait(topic, b"x", partition=0)).offset == offset
    assert producer._txn_manager.sequence_number(tp) == 2


@pytest.mark.kafka
async def test_a_new_owner_fences_the_old_one_and_ends_its_transaction(
    kafka_bootstrap: str, producer: KafkaProducer
) -> None:
    topic, group = make_topic(kafka_bootstrap), f"group-{uuid.uuid4().hex[:8]}"
    tp = TopicPartition(topic, 0)
    place = records.TopicPartition(*tp)
    settings = {"bootstrap_servers": kafka_bootstrap}
    old = TransactionalProducer(producer.client, "mine", **settings)
    await old.start()
    await old.begin_transaction()
    await old.send_offsets_to_transaction({tp: OffsetAndMetadata(1, "")}, group)
    await old.commit_transaction()
    await old.begin_transaction()
    await (await old.send(topic, b"never to be seen", partition=0))
    await old.send_offsets_to_transaction({tp: OffsetAndMetadata(2, "")}, group)

    new = TransactionalProducer(producer.client, "mine", **settings)
    await new.start()
    assert await stable_offsets(kafka_bootstrap, group, place) == {place: 1}
    with pytest.raises(ProducerFenced):
        await old.commit_transaction()
    await old.stop()

    await new.begin_transaction()
    await new.send_offsets_to_transaction({tp: OffsetAndMetadata(3, "")}, group)
    await new.commit_transaction()
    assert await stable_offsets(kafka_bootstrap, group, place) == {place: 3}
    await new.stop()
    assert await stable_offsets(kafka_bootstrap, "no-such-group", place) == {}


async def test_brokers_that_can_not_wait_for_stable_offsets_are_rejected(
    embedded_bootstrap: str,
) -> None:
    """Librdkafka's mock cluster has `OffsetFetch` up to version 6, like Kafka before 2.5."""
    settings: dict[str, Any] = {"bootstrap_servers": embedded_bootstrap}
    async with KafkaProducer(**settings, enable_idempotence=True) as plain:
        owner = TransactionalProducer(plain.client, "id", **settings)
        with pytest.raises(IncompatibleBrokerVersion, match=r"needs Apache Kafka 2\.5 or newer"):
            await owner.start()


@pytest.mark.kafka
async def test_committed_offsets_wait_for_an_open_transaction(
    kafka_bootstrap: str, producer: KafkaProducer
) -> None:
    topic, group = make_topic(kafka_bootstrap), f"group-{uuid.uuid4().hex[:8]}"
    place = records.TopicPartition(topic, 0)
    owner = TransactionalProducer(producer.client, group, bootstrap_servers=kafka_bootstrap)
    await owner.start()
    await owner.begin_transaction()
    await owner.queue_offset(place, 3, group)
    fetching = asyncio.ensure_future(stable_offsets(kafka_bootstrap, group, place))
    done, _ = await asyncio.wait([fetching], timeout=1)
    assert not done
    await owner.commit_transaction()
    assert await fetching == {place: 3}
    await owner.stop()


@pytest.mark.kafka
async def test_offsets_are_sent_while_records_are_written(
    kafka_bootstrap: str, producer: KafkaProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The partition is added first; a slow write holds up neither offset request, only the end."""
    topic, group = make_topic(kafka_bootstrap), f"group-{uuid.uuid4().hex[:8]}"
    tp = TopicPartition(topic, 0)
    place = records.TopicPartition(*tp)
    one = TransactionalProducer(producer.client, topic, bootstrap_servers=kafka_bootstrap)
    await one.start()
    await one.begin_transaction()  # a first one, in which leader and coordinators are found
    await one.send_and_wait(topic, b"x", partition=0)
    await one.queue_offset(place, 3, group)
    await one.commit_transaction()
    happened: list[str] = []
    is_acknowledged = asyncio.Event()
    send = producer.client.send

    async def noting(node: int, request: Any, **kwargs: Any) -> Any:
        name = type(request).__name__.removesuffix("Request")
        happened.append(name)
        response = await send(node, request, **kwargs)
        if name == "Produce":
            await is_acknowledged.wait()
            happened.append("acknowledged")
        return response

    monkeypatch.setattr(producer.client, "send", noting)
    await one.begin_transaction()
    written = await one.send(topic, b"x", partition=0)
    await one.queue_offset(place, 7, group)
    assert not written.done()
    ending = asyncio.ensure_future(one.commit_transaction())
    await asyncio.sleep(0.1)
    is_acknowledged.set()
    await ending
    await written
    monkeypatch.undo()
    once = list(dict.fromkeys(happened))  # the first is repeated while the last commit is written
    assert once[0] == "AddPartitionsToTxn"
    assert set(once[1:3]) == {"AddOffsetsToTxn", "Produce"}
    assert once[3:] == ["TxnOffsetCommit", "acknowledged", "EndTxn"]
    assert await stable_offsets(kafka_bootstrap, group, place) == {place: 7}
    await one.stop()


@pytest.mark.kafka
async def test_offsets_are_aborted_with_their_transaction(
    kafka_bootstrap: str, producer: KafkaProducer
) -> None:
    """As where a topic refuses records: the transaction is aborted, and the next one goes on."""
    topic = make_topic(kafka_bootstrap, **{"max.message.bytes": "2000"})
    group = f"group-{uuid.uuid4().hex[:8]}"
    tp = TopicPartition(topic, 0)
    place = records.TopicPartition(*tp)
    one = TransactionalProducer(producer.client, topic, bootstrap_servers=kafka_bootstrap)
    await one.start()
    await one.begin_transaction()
    written = await one.send(topic, bytes(5000), partition=0)
    await one.queue_offset(place, 1, group)
    with pytest.raises(MessageSizeTooLargeError):
        await written
    await one.abort_transaction()
    assert await stable_offsets(kafka_bootstrap, group, place) == {}
    with pytest.raises(IllegalOperation):
        one.queue_offset(place, 2, group)

    await one.begin_transaction()
    written = await one.send(topic, b"fits", partition=0)
    await one.queue_offset(place, 2, group)
    await one.commit_transaction()
    await written
    assert await stable_offsets(kafka_bootstrap, group, place) == {place: 2}
    await one.stop()


@pytest.mark.kafka
async def test_the_offsets_of_a_fenced_owner_are_rejected(
    kafka_bootstrap: str, producer: KafkaProducer
) -> None:
    """It is fenced while records are under way: they and the offset fail alike."""
    topic, group = make_topic(kafka_bootstrap), f"group-{uuid.uuid4().hex[:8]}"
    tp = TopicPartition(topic, 0)
    place = records.TopicPartition(*tp)
    old, new = (
        TransactionalProducer(producer.client, topic, bootstrap_servers=kafka_bootstrap)
        for _ in range(2)
    )
    await old.start()
    await old.begin_transaction()
    await (await old.send(topic, b"never to be seen", partition=0))
    await new.start()
    written = await old.send(topic, b"never to be written", partition=0)
    taken = old.queue_offset(place, 1, group)
    for outcome in await asyncio.gather(taken, written, return_exceptions=True):
        assert isinstance(outcome, ProducerFenced)
    assert await stable_offsets(kafka_bootstrap, group, place) == {}
    await old.stop()
    await new.stop()


async def test_a_batch_that_is_never_sent_leaves_no_unretrieved_error(
    embedded_bootstrap: str,
) -> None:
    """As where a producer is fenced before its partitions are added to the transaction."""
    problems: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, problem: problems.append(problem))
    topic = make_topic(embedded_bootstrap)
    packed = PackedBatch(1, encode_records([None], [b"x"], [b"\0"], 0, 1000)[0])
    settings: dict[str, Any] = {"bootstrap_servers": embedded_bootstrap}
    async with KafkaProducer(**settings, enable_idempotence=True) as producer:
        await producer.partitions_for(topic)
        await producer._sender.close()  # as when it was fenced
        written = await producer.send_batch(EncodedBatch(packed, 1), topic, partition=0)
        producer._message_accumulator.fail_all(ProducerFenced())
        with pytest.raises(ProducerFenced):
            await written
        producer._message_accumulator._batches.clear()
    del written
    gc.collect()
    assert problems == []


@pytest.mark.kafka
async def test_a_transaction_timeout_above_the_broker_s_is_rejected(
    kafka_bootstrap: str, producer: KafkaProducer
) -> None:
    day = TransactionalProducer(
        producer.client, "day", bootstrap_servers=kafka_bootstrap,
        transaction_timeout_ms=24 * 3600 * 1000,
    )  # fmt: skip
    with pytest.raises(InvalidTransactionTimeout):
        await day.start()
