"""A rebalance that begins and ends while a fetch waits: its records are handed out."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from streams.input_buffer import Room
from streams.records import TopicPartition
from streams.transport.consumer import Consumer
from streams.transport.consumer_thread import ConsumerThread
from streams.transport.fetch_pacer import FetchPacer
from streams.transport.fetch_positions import NotedPositions

TP = TopicPartition("numbers", 0)


def record(offset: int) -> Any:
    return SimpleNamespace(offset=offset, key=None, value=b"1", timestamp=1, headers=())


class Fetcher:
    """aiokafka's fetcher: records come up while it is waited for, perhaps after a rebalance."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self._closed = False
        self._records: dict[Any, Any] = {}
        self._subscriptions = self
        self.there: dict[Any, list[Any]] = {}

    @contextmanager
    def fetch_context(self) -> Iterator[None]:
        yield

    def _create_fetch_waiter(self) -> asyncio.Future[None]:
        waiter = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.01, self.come_up, waiter)
        return waiter

    def come_up(self, waiter: asyncio.Future[None]) -> None:
        self.app.consumer_generation_id += 1
        self.there = {TP: [record(7)]}
        waiter.set_result(None)

    async def fetched_records(self, *args: Any) -> dict[Any, list[Any]]:
        taken, self.there = self.there, {}
        return taken


class World:
    """A consumer and its thread, as far as fetching goes."""

    def __init__(self) -> None:
        self.app = SimpleNamespace(
            consumer_generation_id=1, assigned=SimpleNamespace(batch_topics={"numbers"})
        )
        self.consumer = SimpleNamespace(
            _closed=False,
            _fetcher=Fetcher(self.app),
            _isolation_level="read_uncommitted",
            _subscription=SimpleNamespace(subscription=None),
        )
        self.thread: Any = SimpleNamespace(
            app=self.app, consumer=SimpleNamespace(flow_active=True), fetched_generation=-1,
            _take_batches=lambda fetcher, room: None, _pacer=FetchPacer(),
            positions=NotedPositions(),
        )  # fmt: skip
        self.handed_out: list[int] = []
        self.num_fetches = 0

    async def fetch(self) -> Any:
        room: Room[Hashable] = Room({}, 1, 1 << 20)
        fetch = ConsumerThread._fetch_records
        return await fetch(self.thread, self.consumer, {TP}, 1.0, 1_000, room)

    async def drain_once(self) -> None:
        async def next_fetch() -> Any:
            self.num_fetches += 1
            return await self.fetch()

        async def hand_out(fetched: Any) -> None:
            for raw in fetched.values():
                self.handed_out += raw.offsets

        world = self

        class Stopping:
            @property
            def should_stop(self) -> bool:
                return world.num_fetches > 0

        drained: Any = SimpleNamespace(
            app=self.app, should_stop=False, flow_active=True, consumer_stopped_errors=(),
            _thread=self.thread, _next_fetch=next_fetch, _hand_out=hand_out,
        )  # fmt: skip
        drained._is_stale = lambda: Consumer._is_stale(drained)
        await Consumer._drain_messages(drained, Stopping())


@pytest.fixture
async def world() -> World:
    return World()


async def test_records_fetched_by_the_new_generation_are_handed_out(world: World) -> None:
    await world.drain_once()
    assert world.app.consumer_generation_id == 2  # it changed while the fetch waited
    assert world.handed_out == [7]


async def test_no_records_are_taken_after_a_rebalance_has_begun(world: World) -> None:
    fetching = asyncio.ensure_future(world.fetch())
    await asyncio.sleep(0)
    world.thread.consumer.flow_active = False
    assert await fetching == {}
    assert world.consumer._fetcher.there  # still there, for whoever asks next


async def test_records_taken_before_the_generation_changed_are_dropped(
    world: World,
) -> None:
    fetched = world.fetch

    async def fetch() -> Any:
        records = await fetched()
        world.app.consumer_generation_id += 1
        return records

    world.fetch = fetch  # type: ignore[method-assign]
    await world.drain_once()
    assert world.handed_out == []


@pytest.mark.parametrize(("end", "is_paced"), [(8, True), (9, False)])
async def test_only_a_fetch_of_all_records_lets_them_gather(
    world: World, end: int, is_paced: bool
) -> None:
    state = SimpleNamespace(has_valid_position=True, position=8, highwater=end, lso=None)
    assignment = SimpleNamespace(state_value={TP: state}.get)
    world.consumer._subscription.subscription = SimpleNamespace(assignment=assignment)
    await world.fetch()
    assert (world.thread._pacer.seconds_left() > 0) == is_paced
