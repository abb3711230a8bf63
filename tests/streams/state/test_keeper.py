"""Loading, storing and rejecting snapshots of one agent's partitions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from streams.batching import Chunk, MicroBatch
from streams.executor import host_executor
from streams.health.metrics import Metrics
from streams.model_pool import ModelPool
from streams.offsets import OffsetTracker
from streams.out_of_memory import BatchSizeLimit
from streams.records import TopicPartition
from streams.settings import StateSettings
from streams.state import chain
from streams.state import keeper as state_keeper
from streams.state.chain import Chain
from streams.state.keeper import StateKeeper
from streams.state.snapshot import (
    StateKey,
    StateMismatchError,
    StateStore,
    StateStoreError,
    decode_snapshot,
)
from tests.fakes import MemoryStore, record_batch
from tests.streams.test_online import RunningSum

TP = TopicPartition("numbers", 0)
KEY = StateKey("add", "numbers", 0)


class Worker:
    """One worker's share in a partition: its model, tracker and keeper."""

    def __init__(self, store: StateStore | None, model: Any = RunningSum, **settings: Any) -> None:
        self.registry = CollectorRegistry()
        metrics = Metrics(self.registry).for_agent("add", ["numbers"], "running_sum")
        self.tracker = OffsetTracker()
        self.pool = ModelPool("add", model, 1, ["cpu"])
        self.failures: list[BaseException] = []
        self.keeper = StateKeeper(
            "add",
            self.pool,
            store,
            StateSettings(**{"interval_seconds": 0.1, **settings}),
            tracker=self.tracker,
            metrics=metrics,
            on_failure=self.fail,
        )
        self.host = host_executor(1)
        self.limit = BatchSizeLimit("add", 100, metrics, self.pool.free_memory)

    async def fail(self, error: BaseException) -> None:
        self.failures.append(error)

    async def begin(self, position: int) -> int:
        self.tracker.give_up(self.tracker.partitions())
        starts = await self.keeper.begin({TP: position})
        self.tracker.begin(TP, position, starts[TP])
        return starts[TP]

    async def answer(self, start: int, stop: int, commit: bool = True) -> list[Any]:
        """Answer the ones at offsets [start, stop), replayed below the group's position."""
        end = self.tracker.catch_up_end(TP)
        chunks = []
        for own in (range(start, min(stop, end)), range(max(start, end), stop)):
            if own:
                batch = record_batch([b"1"] * len(own), tracker=self.tracker, offsets=own)
                batch.is_catch_up = own[0] < end
                chunks.append(Chunk(batch, range(len(own)), [1] * len(own)))
        answers, _, _ = await self.pool.answer(MicroBatch(chunks, 0.0), self.host, self.limit)
        if commit:
            for chunk in chunks:
                self.tracker.finish(chunk.batch.span, chunk.rows)
            self.tracker.committed(self.tracker.committable())
        return answers

    async def stop(self) -> None:
        await self.keeper.on_revoked()
        await self.keeper.stop()


def stored_offsets(store: MemoryStore) -> list[int]:
    return [decode_snapshot(encoded).next_offset for encoded in store.kept.get(KEY, [])]


async def test_the_next_worker_continues_with_the_same_state() -> None:
    store = MemoryStore()
    first = Worker(store)
    assert await first.begin(0) == 0
    assert stored_offsets(store) == [0]  # before its first record
    assert await first.answer(0, 13) == [0] * 5 + [5] * 5 + [10] * 3
    await first.stop()
    assert stored_offsets(store) == [0, 10]
    second = Worker(store)
    assert await second.begin(13) == 10
    assert await second.answer(10, 17) == [None] * 3 + [10] * 2 + [15] * 2
    assert second.tracker.committed_offset(TP) == 17
    await second.stop()
    assert stored_offsets(store) == [10, 15]


async def test_no_snapshot_is_stored_above_the_committed_offset() -> None:
    store = MemoryStore()
    worker = Worker(store)
    await worker.begin(0)
    await worker.answer(0, 4)
    await worker.answer(4, 13, commit=False)
    await worker.stop()
    assert stored_offsets(store) == [0]
    second = Worker(store)
    assert await second.begin(4) == 0
    assert await second.answer(0, 13) == [None] * 4 + [0] + [5] * 5 + [10] * 3


async def test_snapshots_wait_for_the_commit() -> None:
    store = MemoryStore()
    worker = Worker(store)
    await worker.begin(0)
    async with worker.keeper:
        await worker.answer(0, 13, commit=False)
        await asyncio.sleep(0.5)
        assert stored_offsets(store) == [0]
        (span,) = worker.tracker._partitions[TP].spans
        worker.tracker.finish(span, range(13))
        worker.tracker.committed(worker.tracker.committable())
        await until(lambda: stored_offsets(store) == [0, 10])
        await asyncio.sleep(0.3)  # nothing new: nothing is stored again
        assert stored_offsets(store) == [0, 10]
        await worker.answer(13, 30)
        await until(lambda: stored_offsets(store) == [10, 25])
    stored = worker.registry.get_sample_value(
        "penstock_snapshots_total", {"agent": "add", "outcome": "stored"}
    )
    assert stored == 3


async def test_a_partition_that_stays_keeps_its_model_in_memory() -> None:
    store = MemoryStore()
    worker = Worker(store)
    await worker.begin(0)
    await worker.answer(0, 13)
    await worker.keeper.on_revoked()
    store.num_failures = 10**6
    assert await worker.begin(13) == 13
    assert await worker.answer(13, 17) == [10] * 2 + [15] * 2


async def test_a_partition_that_another_worker_had_is_loaded_again() -> None:
    store = MemoryStore()
    worker, other = Worker(store), Worker(store)
    await worker.begin(0)
    await worker.answer(0, 13)
    await worker.keeper.on_revoked()
    assert await other.begin(13) == 10
    await other.answer(10, 23)
    await other.stop()
    assert await worker.begin(23) == 20
    assert await worker.answer(20, 24) == [None] * 3 + [20]
    await worker.stop()
    assert stored_offsets(store) == [10, 20]


async def test_uncommitted_answers_are_repeated_with_equal_results() -> None:
    store = MemoryStore()
    worker = Worker(store)
    await worker.begin(0)
    await worker.answer(0, 7)
    answers = await worker.answer(7, 21, commit=False)
    await worker.keeper.on_revoked()
    start = await worker.begin(7)
    assert (await worker.answer(start, 21))[7 - start :] == answers


class GrowingList(RunningSum):
    """Knows all that it has learned, and returns what came since any mark that it was asked for."""

    name = "growing_list"

    def __init__(self) -> None:
        super().__init__()
        self.learned: list[int] = []

    def learn_batch(self, batch: Sequence[int]) -> None:
        super().learn_batch(batch)
        self.learned += batch

    def snapshot(self) -> bytes:
        return bytes(self.learned)

    def restore(self, state: bytes) -> None:
        self.learned, self.total = list(state), sum(state)

    def mark(self) -> int:
        return len(self.learned)

    def snapshot_changes(self, since: int) -> bytes | None:
        return bytes(self.learned[since:])

    def restore_changes(self, changes: bytes) -> None:
        self.learned += changes
        self.total += sum(changes)


def stored_parts(store: MemoryStore) -> list[tuple[int, bool, int]]:
    """Return the number, whether it is of changes, and how many events each snapshot contains."""
    decoded = map(decode_snapshot, store.kept.get(KEY, []))
    return [(each.sequence, each.is_changes, len(each.state)) for each in decoded]


async def test_changes_follow_a_whole_snapshot_until_the_chain_is_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chain, "MAX_CHANGES", 2)
    monkeypatch.setattr(Chain, "stored", without_sizes(Chain.stored))
    store = MemoryStore()
    worker = Worker(store, GrowingList)
    await worker.begin(0)
    async with worker.keeper:
        for step in range(1, 7):
            await worker.answer(10 * step - 10, 10 * step)
            await until(lambda step=step: stored_offsets(store)[-1] == 10 * step - 5)
    assert stored_parts(store) == [
        (3, False, 25),
        (4, True, 10),
        (5, True, 10),
        (6, False, 55),
    ]
    second = Worker(store, GrowingList)
    assert await second.begin(47) == 45  # below the last one: the chain before is restored
    assert await second.answer(45, 51) == [None] * 2 + [45] * 3 + [50]


async def test_a_store_that_fails_for_a_while_leaves_no_gap_in_the_chain() -> None:
    store = MemoryStore()
    worker = Worker(store, GrowingList)
    await worker.begin(0)
    async with worker.keeper:
        await worker.answer(0, 100)
        await until(lambda: stored_offsets(store)[-1] == 95)
        await worker.answer(100, 110)
        store.num_failures = 3
        for start in range(110, 150, 10):
            await asyncio.sleep(0.12)
            await worker.answer(start, start + 10)
        await until(lambda: stored_offsets(store)[-1] == 145)
    second = Worker(store, GrowingList)
    assert await second.begin(150) == 145
    assert (await second.answer(145, 152))[5:] == [150, 150]


async def test_each_worker_begins_a_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that keeps the partition: in between another one may have stored something."""
    monkeypatch.setattr(Chain, "stored", without_sizes(Chain.stored))
    store = MemoryStore()
    worker = Worker(store, GrowingList)
    await worker.begin(0)
    await worker.answer(0, 100)
    await worker.keeper.on_revoked()
    await worker.answer(100, 120)
    await worker.keeper.on_revoked()
    assert stored_parts(store) == [(0, False, 0), (1, True, 95), (2, True, 20)]
    assert await worker.begin(120) == 120
    await worker.answer(120, 140)
    await worker.stop()
    assert stored_parts(store)[2:] == [(2, True, 20), (3, False, 135)]
    other = Worker(store, GrowingList)
    assert await other.begin(140) == 135
    await other.answer(135, 150)
    await other.stop()
    assert stored_parts(store) == [(3, False, 135), (4, False, 145)]


async def test_changes_larger_than_the_whole_snapshot_end_the_chain() -> None:
    store = MemoryStore()
    worker = Worker(store, GrowingList)
    await worker.begin(0)
    await worker.answer(0, 2000)
    await worker.keeper.on_revoked()
    await worker.answer(2000, 2010)
    await worker.keeper.on_revoked()
    await worker.answer(2010, 2020)
    await worker.keeper.on_revoked()
    # The number 2 is left out: chains have odd and even numbers in turn.
    assert [(n, is_changes) for n, is_changes, _ in stored_parts(store)] == [
        (0, False), (1, True), (3, False), (4, True),
    ]  # fmt: skip


async def test_damaged_changes_are_counted_and_the_state_before_them_is_used(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Chain, "stored", without_sizes(Chain.stored))
    store = MemoryStore()
    worker = Worker(store, GrowingList)
    await worker.begin(0)
    for stop in (100, 120, 140):
        await worker.answer(stop - 20 if stop > 100 else 0, stop)
        await worker.keeper.on_revoked()
    assert [is_changes for _, is_changes, _ in stored_parts(store)] == [False, True, True, True]
    del store.kept[KEY][2]
    second = Worker(store, GrowingList)
    assert await second.begin(140) == 95
    assert (await second.answer(95, 142))[45:] == [140, 140]
    labels = {"agent": "add", "topic": "numbers", "reason": "damaged"}
    assert second.registry.get_sample_value("penstock_state_mismatch_total", labels) == 1
    assert "the changes after offset 95 are lost or damaged" in caplog.text


def without_sizes(stored: Any) -> Any:
    """Return `Chain.stored` for changes that count as empty, and never outgrow the whole."""
    return lambda self, snapshot, mark, num_bytes: stored(self, snapshot, mark, 0)


async def test_without_a_store_models_start_fresh() -> None:
    worker = Worker(None)
    assert await worker.begin(0) == 0
    await worker.answer(0, 13)
    await worker.stop()
    second = Worker(None)
    assert await second.begin(13) == 13
    assert await second.answer(13, 16) == [0, 0, 2]


class OtherVersion(RunningSum):
    version = "2"


class OtherSteps(RunningSum):
    learn_every = 7


class Unreadable(RunningSum):
    def restore(self, state: bytes) -> None:
        raise KeyError("total")


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (OtherVersion, "version 1 with learn_every 5, but the pipeline has running_sum version 2"),
        (OtherSteps, "learn_every 7"),
        (Unreadable, "'total'"),
    ],
)
async def test_a_snapshot_that_does_not_fit_ends_the_worker_or_is_dropped(
    model: Any, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore()
    first = Worker(store)
    await first.begin(0)
    await first.answer(0, 13)
    await first.stop()
    kept = stored_offsets(store)

    strict = Worker(store, model)
    begun = asyncio.ensure_future(strict.begin(13))
    await until(lambda: bool(strict.failures))
    assert not begun.done()  # nothing may be read
    begun.cancel()
    (failure,) = strict.failures
    assert isinstance(failure, StateMismatchError)
    assert "add, numbers:0: the snapshot of offset 10 does not fit" in str(failure)
    assert why in str(failure)
    assert "`penstock state reset add`" in str(failure)
    assert stored_offsets(store) == kept

    lenient = Worker(store, model, on_mismatch="fresh")
    assert await lenient.begin(13) == 13
    assert "its model starts fresh" in caplog.text
    assert stored_offsets(store) == [10, 13]


async def test_a_failing_store_is_logged_once_and_loses_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = MemoryStore()
    worker = Worker(store)
    await worker.begin(0)
    async with worker.keeper:
        store.num_failures = 3
        for start in range(0, 50, 10):
            assert len(await worker.answer(start, start + 10)) == 10
            await asyncio.sleep(0.15)
        await until(lambda: stored_offsets(store)[-1] == 45)
    lines = [message for message in caplog.messages if "add: " in message]
    assert lines == [
        "add: the store is away: retrying; until then, a restart has more to read again",
        "add: storing its state works again",
    ]


async def test_a_worker_waits_for_a_store_that_fails_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(state_keeper, "_RETRY_SECONDS", 0.01)
    store = MemoryStore()
    worker = Worker(store)
    store.num_failures = 3
    assert await worker.begin(0) == 0
    assert stored_offsets(store) == [0]
    monkeypatch.setattr(state_keeper, "_LOAD_SECONDS", 0.05)
    store.num_failures = 10**6
    second = Worker(store)
    begun = asyncio.ensure_future(second.begin(5))
    await until(lambda: bool(second.failures))
    begun.cancel()
    assert isinstance(second.failures[0], StateStoreError)


async def test_a_model_that_can_not_be_saved_keeps_answering(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Secretive(RunningSum):
        def snapshot(self) -> bytes:
            if self.total:
                raise ValueError("I won't tell")
            return b"0"

    store = MemoryStore()
    worker = Worker(store, Secretive)
    await worker.begin(0)
    async with worker.keeper:
        await worker.answer(0, 13)
        await until(lambda: "I won't tell" in caplog.text)
        assert await worker.answer(13, 16) == [10, 10, 15]
    assert stored_offsets(store) == [0]


async def until(condition: Any) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the condition did not come to hold in time")


def test_the_fake_model_learns() -> None:
    model = RunningSum()
    learn: Sequence[int] = [1, 2]
    model.learn_batch(learn)
    assert model.predict_batch([0]) == [3]
