"""A takeover that a rebalance interrupts ends as Faust expects, and the next one is made."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from faust.tables.recovery import RebalanceAgain
from faust.types import TP

from streams.records import TopicPartition
from streams.transport.takeover import Takeover


class Owning:
    """Transactions that are owned once `broker` is set."""

    def __init__(self) -> None:
        self.broker = asyncio.Event()
        self.owned: list[TopicPartition] = []
        self.on_lost: Any = None

    async def release_all(self) -> None:
        self.owned.clear()

    async def own(self, partitions: Iterable[TopicPartition], seek: Any) -> None:
        await self.broker.wait()
        await seek({})
        self.owned += partitions

    async def on_failure(self, error: BaseException) -> None:
        raise error


class FakeConsumer:
    def __init__(self) -> None:
        self.app = SimpleNamespace(consumer_generation_id=1)
        self.assigned = SimpleNamespace(batch_topics={"numbers"}, learning_topics=frozenset())
        self._committed_offset: dict[TP, int] = {}

    def assignment(self) -> set[TP]:
        return {TP("numbers", 0), TP("numbers", 1)}

    async def committed_offsets(self, partitions: Any) -> Mapping[TopicPartition, int]:
        return {}


@pytest.fixture
def owning(monkeypatch: pytest.MonkeyPatch) -> Owning:
    async def nothing(consumer: Any) -> None:
        pass

    monkeypatch.setattr("streams.transport.takeover.seek_to_state", nothing)
    return Owning()


async def test_a_rebalance_in_the_midst_is_told_and_the_next_takes_over(owning: Owning) -> None:
    consumer = FakeConsumer()
    takeover = Takeover(consumer, owning)  # type: ignore[arg-type]
    first = asyncio.ensure_future(takeover.perform())
    await asyncio.sleep(0)
    takeover.cancel()
    # Not CancelledError, which would end whoever waits.
    with pytest.raises(RebalanceAgain):
        await first
    consumer.app.consumer_generation_id = 2
    owning.broker.set()
    await takeover.perform()
    assert sorted(owning.owned) == [TopicPartition("numbers", 0), TopicPartition("numbers", 1)]


async def test_who_waits_may_be_interrupted_and_the_takeover_goes_on(owning: Owning) -> None:
    takeover = Takeover(FakeConsumer(), owning)  # type: ignore[arg-type]
    first = asyncio.ensure_future(takeover.perform())
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    owning.broker.set()
    await takeover.perform()
    assert len(owning.owned) == 2


async def test_what_a_takeover_raises_is_raised(owning: Owning) -> None:
    async def fails(partitions: Any, seek: Any) -> None:
        raise ValueError("no")

    owning.own = fails  # type: ignore[method-assign]
    takeover = Takeover(FakeConsumer(), owning)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no"):
        await takeover.perform()
