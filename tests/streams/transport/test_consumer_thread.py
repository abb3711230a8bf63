"""Waiting records; rejoining the group."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError

from streams.records import TopicPartition
from streams.transport.consumer_thread import ConsumerThread
from streams.transport.static_member import FencedMemberError

TP = TopicPartition("numbers", 0)


def has_waiting(
    position: int | None,
    highwater: int | None,
    *,
    lso: int | None = -1,
    isolation: str = "read_uncommitted",
    leader: int | None = 1,
    is_assigned: bool = True,
) -> bool:
    state = SimpleNamespace(
        position=position, has_valid_position=position is not None, highwater=highwater, lso=lso
    )
    assignment = SimpleNamespace(state_value=lambda tp: state if is_assigned else None)
    consumer = SimpleNamespace(
        _subscription=SimpleNamespace(subscription=SimpleNamespace(assignment=assignment)),
        _client=SimpleNamespace(cluster=SimpleNamespace(leader_for_partition=lambda tp: leader)),
        _isolation_level=isolation,
    )
    thread: Any = SimpleNamespace(_ensure_consumer=lambda: consumer)
    return ConsumerThread.has_waiting(thread, TP)


def test_records_behind_the_end_are_waiting() -> None:
    assert has_waiting(5, 9)
    assert not has_waiting(9, 9)


@pytest.mark.parametrize(("position", "highwater"), [(None, 9), (5, None)])
def test_nothing_is_waiting_at_an_unknown_position_or_end(
    position: int | None, highwater: int | None
) -> None:
    assert not has_waiting(position, highwater)


def test_nothing_is_waiting_in_an_unassigned_partition() -> None:
    assert not has_waiting(5, 9, is_assigned=False)


@pytest.mark.parametrize("leader", [None, -1])
def test_nothing_is_waiting_without_a_leader(leader: int | None) -> None:
    assert not has_waiting(5, 9, leader=leader)


def test_records_of_an_open_transaction_are_not_waiting() -> None:
    assert not has_waiting(5, 9, lso=5, isolation="read_committed")
    assert has_waiting(5, 9, lso=6, isolation="read_committed")
    assert has_waiting(5, 9, lso=5)


class Coordinator:
    """A fake of aiokafka's coordinator: keeps its errors until `check_errors`."""

    fenced: FencedMemberError | None = None

    def __init__(self, errors: list[KafkaError], has_ended: bool = False) -> None:
        self.errors = errors
        self._coordination_task = SimpleNamespace(done=lambda: has_ended)

    def check_errors(self) -> None:
        if self.errors:
            raise self.errors.pop(0)


async def keep_membership(
    coordinator: Coordinator, rounds: int, stop_for: Callable[[BaseException], Any] | None = None
) -> None:
    left = iter(range(rounds))

    class Thread:
        log = logging.getLogger("streams.transport.consumer_thread")
        _consumer = SimpleNamespace(_coordinator=coordinator)
        app = SimpleNamespace(stop_for=stop_for)
        consumer = SimpleNamespace(loop=asyncio.get_running_loop())
        should_stop = property(lambda self: next(left, None) is None)

        async def sleep(self, seconds: float) -> None:
            return None

    task: Any = ConsumerThread._keep_membership
    await task.fun(Thread())


async def test_an_error_of_the_coordination_is_logged_and_retried(
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
    coordinator = Coordinator([KafkaError("a separate fault")], has_ended=True)
    with pytest.raises(KafkaError, match="a separate fault"):
        await keep_membership(coordinator, 4)


async def test_a_member_that_is_fenced_ends_the_worker() -> None:
    failures: list[BaseException] = []

    async def stop_for(failure: BaseException) -> None:
        failures.append(failure)

    coordinator = Coordinator([])
    coordinator.fenced = FencedMemberError("another member has joined")
    await keep_membership(coordinator, 4, stop_for)
    await asyncio.sleep(0.01)
    assert failures == [coordinator.fenced]
