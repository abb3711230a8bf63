"""What is finished is committed before partitions are given up; what is away is not waited for."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from streams.offsets import OffsetTracker
from streams.transport.drain import Drain
from tests.fakes import record_batch


class FakeConsumer:
    """Commits the tracker's watermark; an earlier commit can be under way."""

    def __init__(self, is_waiting: bool = False, stop_seconds: float | None = None) -> None:
        self.tracker = OffsetTracker()
        self.is_waiting = is_waiting
        self.committed: list[Any] = []
        self.under_way: asyncio.Future[None] | None = None
        self.num_stored = 0
        self.app = SimpleNamespace(
            exactly_once=None,
            drain_seconds=60.0,
            seconds_to_stop=lambda beyond=0.0: stop_seconds,
            group_session=SimpleNamespace(is_lost=False),
            health=SimpleNamespace(
                is_waiting_for_others=lambda: self.is_waiting, has_given_up=False
            ),
        )
        self.assigned = SimpleNamespace(tracker=self.tracker, on_revoked=self._store)

    async def maybe_wait_for_commit_to_finish(self) -> bool:
        if self.under_way is None:
            return False
        await self.under_way
        self.under_way = None
        return True

    async def commit(self) -> bool:
        if await self.maybe_wait_for_commit_to_finish():
            return False
        self.committed.append(self.tracker.watermark(("numbers", 0)))
        return True

    async def _store(self) -> None:
        self.num_stored += 1

    def collect_inlined_acks(self) -> None: ...

    def take(self) -> Any:
        """Take in two records."""
        batch = record_batch([b"1", b"2"], tracker=self.tracker)
        batch.span.taken = True
        return batch


def drain_of(consumer: FakeConsumer) -> Drain:
    return Drain(consumer)  # type: ignore[arg-type]


async def test_a_commit_that_is_under_way_is_not_the_last() -> None:
    consumer = FakeConsumer()
    batch = consumer.take()
    consumer.under_way = asyncio.get_running_loop().create_future()
    draining = asyncio.create_task(drain_of(consumer).run())
    consumer.tracker.finish(batch.span, [0, 1])
    await asyncio.sleep(0.05)
    consumer.under_way.set_result(None)
    async with asyncio.timeout(10):
        await draining
    assert consumer.committed == [2]
    assert consumer.num_stored == 1


async def test_records_in_work_are_waited_for() -> None:
    consumer = FakeConsumer()
    batch = consumer.take()
    draining = asyncio.create_task(drain_of(consumer).run())
    await asyncio.sleep(0.05)
    assert not consumer.committed
    consumer.tracker.finish(batch.span, [0, 1])
    async with asyncio.timeout(10):
        await draining
    assert consumer.committed == [2]


async def test_what_waits_for_something_away_is_not_waited_for() -> None:
    consumer = FakeConsumer(is_waiting=True, stop_seconds=60.0)
    consumer.take()
    drain = drain_of(consumer)
    async with asyncio.timeout(10):
        await drain.run()
        consumer.is_waiting = False  # its agents have ended by now
        await drain.run()
    assert consumer.tracker.num_taken() == 2


async def test_a_rebalance_does_not_wait_for_it_either_and_later_ones_do() -> None:
    consumer = FakeConsumer(is_waiting=True)
    batch = consumer.take()
    drain = drain_of(consumer)
    async with asyncio.timeout(10):
        await drain.run()
    consumer.is_waiting = False
    again = asyncio.create_task(drain.run())
    await asyncio.sleep(0.05)
    assert not again.done()
    consumer.tracker.finish(batch.span, [0, 1])
    async with asyncio.timeout(10):
        await again
