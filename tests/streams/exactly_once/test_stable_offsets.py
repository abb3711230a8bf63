"""Committed offsets are fetched once they are stable; the broker is a fake consumer."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import GroupAuthorizationFailedError
from confluent_kafka import KafkaError, KafkaException

from streams.exactly_once.stable_offsets import StableOffsets
from streams.kafka.positions import CommittedPosition, commit_metadata
from streams.records import TopicPartition

TP, EMPTY = TopicPartition("numbers", 0), TopicPartition("numbers", 1)
NO_OFFSET = -1001


class FakeConsumer:
    """Answers with each of some error codes in turn, then with offsets; repeats its last error."""

    def __init__(self, *codes: int, forever: bool = False) -> None:
        self.codes = list(codes)
        self.forever = forever
        self.num_requests = 0
        self.is_closed = False

    def committed(self, wanted: list[Any], timeout: float) -> list[Any]:
        self.num_requests += 1
        code = (self.codes[0] if self.forever else self.codes.pop(0)) if self.codes else None
        if code is not None and code != KafkaError.UNSTABLE_OFFSET_COMMIT:
            raise KafkaException(KafkaError(code))
        error = None if code is None else KafkaError(code)
        offsets = [(TP, 42, error), (EMPTY, NO_OFFSET, None)]
        return [
            SimpleNamespace(
                topic=tp.topic,
                partition=tp.partition,
                offset=offset,
                error=failed,
                metadata=commit_metadata("id"),
            )
            for tp, offset, failed in offsets
        ]

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.exactly_once.stable_offsets._RETRY_SECONDS", 0.001)
    monkeypatch.setattr("streams.exactly_once.stable_offsets._MAX_RETRY_SECONDS", 0.001)


def stable_offsets(monkeypatch: pytest.MonkeyPatch, consumer: FakeConsumer) -> StableOffsets:

    def make_consumer(kafka: Any, settings: dict[str, Any]) -> FakeConsumer:
        assert settings == {"group.id": "counters", "isolation.level": "read_committed"}
        return consumer

    monkeypatch.setattr("streams.exactly_once.stable_offsets.make_consumer", make_consumer)
    return StableOffsets({"bootstrap.servers": "broker:9092"}, "counters")


async def fetch(
    monkeypatch: pytest.MonkeyPatch, consumer: FakeConsumer
) -> dict[TopicPartition, CommittedPosition]:
    return await stable_offsets(monkeypatch, consumer).fetch([TP, EMPTY])


async def test_partitions_without_an_offset_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await fetch(monkeypatch, FakeConsumer()) == {TP: CommittedPosition(42, "id")}


@pytest.mark.parametrize(
    "code",
    [
        KafkaError.UNSTABLE_OFFSET_COMMIT,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError._TIMED_OUT,
        KafkaError._TRANSPORT,
    ],
)
async def test_a_transient_error_is_retried(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    consumer = FakeConsumer(code, code)
    assert await fetch(monkeypatch, consumer) == {TP: CommittedPosition(42, "id")}
    assert consumer.num_requests == 3
    assert consumer.is_closed
    assert caplog.records == []  # a short wait is not logged


async def test_a_long_wait_is_logged_and_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("streams.exactly_once.stable_offsets._QUIET_SECONDS", 0.02)
    consumer = FakeConsumer(*[KafkaError.UNSTABLE_OFFSET_COMMIT] * 50)
    offsets = stable_offsets(monkeypatch, consumer)
    fetching = asyncio.ensure_future(offsets.fetch([TP, EMPTY]))
    assert offsets.problem() == ""
    while not (offsets.problem() or fetching.done()):
        await asyncio.sleep(0.001)
    assert "for the committed offsets of group counters" in offsets.problem()
    assert "kafka-transactions.sh" in offsets.problem()
    assert await fetching == {TP: CommittedPosition(42, "id")}
    assert offsets.problem() == ""
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith("waiting for ")
    assert second == "group counters: its committed offsets are there again"


async def test_a_wait_without_end_is_logged_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("streams.exactly_once.stable_offsets._QUIET_SECONDS", 0.02)
    monkeypatch.setattr("streams.exactly_once.stable_offsets._LOG_AGAIN_SECONDS", 0.03)
    consumer = FakeConsumer(KafkaError._TIMED_OUT, forever=True)
    offsets = stable_offsets(monkeypatch, consumer)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(offsets.fetch([TP]), 0.5)
    assert len(caplog.records) >= 2
    assert offsets.problem() == ""


async def test_each_attempt_has_a_client_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """librdkafka's may be stuck where it was made while the brokers started."""
    codes = [KafkaError._TIMED_OUT, KafkaError._TRANSPORT]
    consumers = [FakeConsumer(codes[0]), FakeConsumer(codes[1]), FakeConsumer()]
    made = iter(consumers)
    monkeypatch.setattr(
        "streams.exactly_once.stable_offsets.make_consumer", lambda *arguments: next(made)
    )
    offsets = StableOffsets({"bootstrap.servers": "broker:9092"}, "counters")
    assert await offsets.fetch([TP, EMPTY]) == {TP: CommittedPosition(42, "id")}
    assert [(each.num_requests, each.is_closed) for each in consumers] == [(1, True)] * 3


async def test_a_rejection_is_not_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = FakeConsumer(KafkaError.GROUP_AUTHORIZATION_FAILED)
    with pytest.raises(GroupAuthorizationFailedError, match="group counters"):
        await fetch(monkeypatch, consumer)
    assert consumer.num_requests == 1


async def test_no_partitions_need_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = FakeConsumer()
    assert await stable_offsets(monkeypatch, consumer).fetch([]) == {}
    assert consumer.num_requests == 0
