"""A member whose joining fails is told of it and tries again; Faust alone would leave it idle."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError

from streams.transport.consumer_thread import ConsumerThread


class Coordinator:
    """As much of aiokafka's as is asked: an error waits until it is taken up."""

    def __init__(self, errors: list[KafkaError], has_ended: bool = False) -> None:
        self.errors = errors
        self._coordination_task = SimpleNamespace(done=lambda: has_ended)

    def check_errors(self) -> None:
        if self.errors:
            raise self.errors.pop(0)


async def keep_membership(coordinator: Coordinator, rounds: int) -> None:
    left = iter(range(rounds))

    class Thread:
        log = logging.getLogger("streams.transport.consumer_thread")
        _consumer = SimpleNamespace(_coordinator=coordinator)
        should_stop = property(lambda self: next(left, None) is None)

        async def sleep(self, seconds: float) -> None:
            return None

    task: Any = ConsumerThread._keep_membership
    await task.fun(Thread())


async def test_what_stopped_the_coordination_is_taken_up_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    coordinator = Coordinator([GroupAuthorizationFailedError("numbers"), KafkaError("again")])
    await keep_membership(coordinator, 4)
    assert coordinator.errors == []
    first, second = (record.getMessage() for record in caplog.records)
    assert "can't join the consumer group, retrying" in first
    assert "numbers" in first
    assert "again" in second


async def test_a_coordination_that_has_ended_ends_the_worker() -> None:
    coordinator = Coordinator([KafkaError("a fault of its own")], has_ended=True)
    with pytest.raises(KafkaError, match="a fault of its own"):
        await keep_membership(coordinator, 4)
