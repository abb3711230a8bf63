"""A takeover runs once per generation, survives its caller, and ends as Faust expects."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from faust.tables.recovery import RebalanceAgain
from faust.types import TP

from streams.records import TopicPartition
from streams.transport.takeover import OncePerGeneration, take_over

PARTITIONS = [TopicPartition("numbers", 0), TopicPartition("numbers", 1)]


class FakeTransactions:
    """Owns partitions once `broker` is set."""

    def __init__(self) -> None:
        self.broker = asyncio.Event()
        self.owned: list[TopicPartition] = []
        self.failures: list[BaseException] = []

    async def release_all(self) -> None:
        self.owned.clear()

    async def own(self, partitions: Iterable[TopicPartition], seek: Any) -> None:
        await self.broker.wait()
        await seek({PARTITIONS[0]: 5})
        self.owned += partitions

    async def on_failure(self, error: BaseException) -> None:
        self.failures.append(error)


class FakeConsumer:
    """Assigned both partitions of a batch topic, and one of a stock agent's."""

    def __init__(self) -> None:
        self.assigned = SimpleNamespace(batch_topics={"numbers"}, learning_topics=frozenset())
        self._committed_offset: dict[Any, int] = {}
        self.seconds_to_stop: float | None = None
        self.app = SimpleNamespace(seconds_to_stop=lambda: self.seconds_to_stop)
        self.sought: dict[Any, int] = {}

    def assignment(self) -> set[TP]:
        return {TP("numbers", 0), TP("numbers", 1), TP("stock", 0)}

    async def committed_offsets(self, partitions: Any) -> Mapping[TopicPartition, int]:
        return dict.fromkeys(partitions, 9)

    async def commit_starts(self) -> None: ...

    async def seek_wait(self, offsets: Mapping[Any, int]) -> None:
        self.sought.update(offsets)


class World:
    def __init__(self) -> None:
        self.consumer: Any = FakeConsumer()
        self.transactions: Any = FakeTransactions()
        self.once = OncePerGeneration()

    async def take_over(self) -> None:
        await take_over(self.consumer, self.transactions)

    def start(self, generation: int = 1) -> asyncio.Task[None]:
        return asyncio.ensure_future(self.once.run(generation, self.take_over))


@pytest.fixture
async def world() -> World:
    return World()


async def test_every_partition_is_sought_and_batch_topics_are_owned(world: World) -> None:
    world.transactions.broker.set()
    await world.start()
    assert sorted(world.transactions.owned) == PARTITIONS
    assert world.consumer.sought == {TP("numbers", 0): 5, TP("stock", 0): 9}
    assert world.consumer._committed_offset == world.consumer.sought


async def test_a_rebalance_during_a_takeover_raises_and_the_next_one_runs(world: World) -> None:
    first = world.start()
    await asyncio.sleep(0)
    world.once.cancel()
    # CancelledError would end Faust's recovery.
    with pytest.raises(RebalanceAgain):
        await first
    world.transactions.broker.set()
    await world.start(generation=2)
    assert sorted(world.transactions.owned) == PARTITIONS


async def test_a_takeover_continues_when_its_caller_is_cancelled(world: World) -> None:
    first = world.start()
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    world.transactions.broker.set()
    await world.start()
    assert sorted(world.transactions.owned) == PARTITIONS


async def test_a_failed_takeover_is_reported(world: World) -> None:
    async def fail(partitions: Any, seek: Any) -> None:
        raise ValueError("no")

    world.transactions.own = fail
    await world.start()
    assert [str(error) for error in world.transactions.failures] == ["no"]


async def test_a_takeover_that_fails_while_the_worker_stops_is_no_failure(world: World) -> None:
    """Its consumer's event loop may be closed by then."""

    async def fail(partitions: Any, seek: Any) -> None:
        raise RuntimeError("Event loop is closed")

    world.transactions.own = fail
    world.consumer.seconds_to_stop = 3.0
    await world.start()
    assert not world.transactions.failures


async def test_an_error_of_the_work_is_raised(world: World) -> None:
    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await world.once.run(1, fail)
