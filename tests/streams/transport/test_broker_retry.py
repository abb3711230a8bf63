"""Requests are repeated while no broker answers; aiokafka's clients are fakes."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    UnknownTopicOrPartitionError,
)

from streams.transport.broker_retry import (
    find_partitions,
    send_batch_until_queued,
    start_with_retry,
)


async def test_a_start_is_retried_until_a_broker_answers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("streams.retry.asyncio.sleep", sleep)
    tries = 0

    async def start() -> None:
        nonlocal tries
        tries += 1
        if tries <= 7:
            raise KafkaConnectionError("Unable to bootstrap from [('broker', 9092)]")

    await start_with_retry(start)
    assert slept == [0.5, 1, 2, 4, 8, 10, 10]
    assert [r.getMessage().split(" (")[0] for r in caplog.records] == ["no broker can be reached"]


async def test_other_errors_of_a_start_are_raised_at_once() -> None:
    async def start() -> None:
        raise ValueError("no such setting")

    with pytest.raises(ValueError, match="no such setting"):
        await start_with_retry(start)


class Sender:
    """Raises its errors in turn, then queues batches."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    async def send_batch(self, batch: Any, topic: str, partition: int) -> Any:
        if self.errors:
            raise self.errors.pop(0)
        return batch, topic, partition


async def test_a_full_queue_is_waited_for_without_a_limit() -> None:
    errors = [KafkaTimeoutError(), UnknownTopicOrPartitionError()]
    sender: Any = Sender(*errors * 10)
    queued: Any = await send_batch_until_queued(sender, "batch", "t", 3)
    assert queued == ("batch", "t", 3)


async def test_a_rejected_batch_is_not_retried() -> None:
    sender: Any = Sender(MessageSizeTooLargeError())
    with pytest.raises(MessageSizeTooLargeError):
        await send_batch_until_queued(sender, "batch", "t", 3)


class Cluster:
    """A producer whose topic is missing at the first questions."""

    def __init__(self, num_misses: int) -> None:
        self.num_misses = num_misses

    async def partitions_for(self, topic: str) -> set[int]:
        if self.num_misses:
            self.num_misses -= 1
            raise UnknownTopicOrPartitionError
        return {0, 1}


async def test_a_missing_topic_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("streams.transport.broker_retry.asyncio.sleep", sleep)
    producer: Any = Cluster(5)
    assert await find_partitions(producer, "t") == 2
    assert slept == [0.5] * 5
