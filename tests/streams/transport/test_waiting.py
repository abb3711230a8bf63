"""Which partitions have records that a worker could fetch and has not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from streams.records import TopicPartition
from streams.transport.consumer_thread import ConsumerThread

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


def test_what_is_behind_waits() -> None:
    assert has_waiting(5, 9)
    assert not has_waiting(9, 9)


@pytest.mark.parametrize(("position", "highwater"), [(None, 9), (5, None)])
def test_what_is_not_known_does_not(position: int | None, highwater: int | None) -> None:
    assert not has_waiting(position, highwater)


def test_another_worker_s_does_not() -> None:
    assert not has_waiting(5, 9, is_assigned=False)


@pytest.mark.parametrize("leader", [None, -1])
def test_what_has_no_leader_does_not(leader: int | None) -> None:
    assert not has_waiting(5, 9, leader=leader)


def test_what_a_transaction_holds_back_does_not() -> None:
    assert not has_waiting(5, 9, lso=5, isolation="read_committed")
    assert has_waiting(5, 9, lso=6, isolation="read_committed")
    assert has_waiting(5, 9, lso=5)
