"""A consumer takes the partitions that its group assigns, unless the worker is stopping."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.offsets import OffsetTracker
from streams.records import TopicPartition
from streams.transport.consumer import Consumer


@pytest.mark.parametrize(("seconds_to_stop", "num_held"), [(None, 2), (3.0, 0), (0.0, 0)])
async def test_a_stopping_worker_takes_no_partitions(
    monkeypatch: pytest.MonkeyPatch, seconds_to_stop: float | None, num_held: int
) -> None:
    """A stop may fall into the joining of a group: its models are closed by then."""

    async def nothing(self: Any, assigned: set[TP], generation_id: int) -> None:
        pass

    monkeypatch.setattr(driver.Consumer, "on_partitions_assigned", nothing)
    held: set[TopicPartition] = set()
    intake = SimpleNamespace(
        tracker=OffsetTracker(), give_up=lambda partitions: None, assigned=held.update
    )
    consumer = Consumer.__new__(Consumer)
    consumer.app = SimpleNamespace(assigned=intake, seconds_to_stop=lambda: seconds_to_stop)
    await consumer.on_partitions_assigned({TP("numbers", 0), TP("numbers", 1)}, 1)
    assert len(held) == num_held
