"""A worker's transactions in memory: output with its offset, rejections, fencing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerFenced,
    TopicAuthorizationFailedError,
)

from streams.exactly_once.partition import TransactionLimits
from streams.exactly_once.transactions import Transactions
from streams.offsets import OffsetTracker
from streams.output_records import OutputRecord, OutputRecords, Packing
from streams.records import TopicPartition
from streams.sink import Output, ProduceError, RecordTooLargeError
from tests.fakes import record_batch

METADATA = '{"topic_id":"mYgTvHNrTlu2nWfsJP5AwQ"}'
NO_OFFSET = -1
TP = TopicPartition("numbers", 0)


class FakeProducer:
    """One id's transactions: (records written, offset), each committed at once."""

    def __init__(self, max_bytes: int = 1000) -> None:
        self.committed: list[tuple[list[int], int]] = []
        self.num_aborted = 0
        self.failure: KafkaError | None = None
        self.offset_failure: KafkaError | None = None
        self.unacknowledged: list[asyncio.Future[None]] | None = None
        """Where a test lists them, records and offsets are acknowledged when it says so."""
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.is_stopped = False
        self._max_bytes = max_bytes
        self._open: tuple[list[int], int] | None = None
        self._txn_manager = self._message_accumulator = self
        self.transactional_id = "numbers"
        self.client = None

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        self.is_stopped = True

    async def begin_transaction(self) -> None:
        assert self._open is None
        self._open = ([], NO_OFFSET)

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> asyncio.Future[None]:
        assert self._open is not None
        assert self._open[1] == NO_OFFSET, "the offset is sent last"
        if self.failure is not None:
            return self._answered(self.failure)
        if batch.size() > self._max_bytes:
            return self._answered(MessageSizeTooLargeError())
        self._open[0].append(batch.record_count())
        return self._answered()

    def queue_offset(
        self, tp: TopicPartition, offset: int, group: str, metadata: str
    ) -> asyncio.Future[None]:
        assert self._open is not None
        assert (tp, group, metadata) == (TP, "group", METADATA)
        self._open = (self._open[0], offset)
        return self._answered(self.offset_failure)

    def _answered(self, error: KafkaError | None = None) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if error is not None:
            done.set_exception(error)
        elif self.unacknowledged is not None:
            self.unacknowledged.append(done)
        else:
            done.set_result(None)
        return done

    async def commit_transaction(self) -> None:
        await self.may_end.wait()
        assert self._open is not None
        self.committed.append(self._open)
        self._open = None

    async def abort_transaction(self) -> None:
        self._open = None
        self.num_aborted += 1


class Setting:
    """A worker's transactions over a fake producer; no broker is asked for offsets."""

    def __init__(self, max_rows: int = 1000, interval_seconds: float = 0.01) -> None:
        self.tracker = OffsetTracker()
        self.producer = FakeProducer()
        self.is_deleted = False
        self.lost: list[TopicPartition] = []
        self.failures: list[BaseException] = []
        self.sought: list[Mapping[TopicPartition, int]] = []
        self.transactions = Transactions(
            lambda: self.producer,
            lambda transactional_id: self.producer,  # type: ignore[arg-type,return-value]
            group_id="group",
            tracker=self.tracker,
            limits=lambda topic: TransactionLimits(max_rows, 1_000_000),
            interval_seconds=interval_seconds,
            committed_offsets=self._committed_offsets,
            offset_metadata=self._offset_metadata,
            on_lost=self._lost,
            on_failure=self._failed,
        )

    async def _committed_offsets(
        self, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int]:
        return {TP: 5}

    async def _offset_metadata(self, tp: TopicPartition, offset: int) -> str | None:
        return None if self.is_deleted else METADATA

    async def _lost(self, tp: TopicPartition) -> None:
        self.lost.append(tp)
        self.tracker.give_up([tp])

    async def _failed(self, error: BaseException) -> None:
        self.failures.append(error)

    async def seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        assert not self.transactions.owns(TP)
        self.sought.append(offsets)


@asynccontextmanager
async def owned(setting: Setting) -> AsyncIterator[Setting]:
    await setting.transactions.own([TP], setting.seek)
    yield setting
    await setting.transactions.release_all()


def records(num_bytes: int = 10) -> list[Output]:
    one = OutputRecords.of([OutputRecord(b"k", bytes(num_bytes), [])]).pack(Packing(100_000))
    return [Output("doubles", 0, one)]


async def send(setting: Setting, batch: Any, rows: list[int], num_bytes: int) -> Awaitable[None]:
    return await setting.transactions.send([(batch.span, rows)], records(num_bytes))


async def test_output_is_committed_with_its_offset() -> None:
    async with owned(Setting()) as s:
        assert s.sought == [{TP: 5}]
        batch = record_batch([b"x"] * 4, tracker=s.tracker, first_offset=5)
        first, last = await send(s, batch, [0, 1], 10), await send(s, batch, [3], 10)
        await first
        assert s.producer.committed == [([1], 7)]
        assert not asyncio.ensure_future(last).done()
        await (await send(s, batch, [2], 10))
        assert s.producer.committed[-1][1] == 9
        assert sum(sum(written) for written, _ in s.producer.committed) == 3


async def test_filtered_records_alone_move_the_offset() -> None:
    async with owned(Setting()) as s:
        batch = record_batch([None] * 3, tracker=s.tracker, first_offset=5)
        s.tracker.finish(batch.span, [0, 1, 2])
        await asyncio.sleep(0.05)
        assert s.producer.committed == [([], 8)]


async def test_markers_behind_the_last_record_are_committed_once() -> None:
    """At rest there is one transaction for each time that the position advances, not more."""
    async with owned(Setting()) as s:
        s.tracker.read_to(TP, 7)
        await asyncio.sleep(0.1)
        assert s.producer.committed == [([], 7)]
        s.tracker.read_to(TP, 8)
        await asyncio.sleep(0.1)
        assert s.producer.committed == [([], 7), ([], 8)]


async def test_markers_are_committed_with_the_records_before_them() -> None:
    async with owned(Setting()) as s:
        batch = record_batch([b"x"] * 2, tracker=s.tracker, first_offset=5)
        s.tracker.read_to(TP, 9)
        await (await send(s, batch, [0], 10))
        await (await send(s, batch, [1], 10))
        await asyncio.sleep(0.05)
        assert s.producer.committed == [([1], 6), ([1], 9)]


async def test_results_of_a_deleted_topic_are_committed_without_an_offset() -> None:
    """The offset would count for a new topic of the same name."""
    async with owned(Setting()) as s:
        s.is_deleted = True
        batch = record_batch([b"x", None], tracker=s.tracker, first_offset=5)
        await (await send(s, batch, [0], 10))
        assert s.producer.committed == [([1], NO_OFFSET)]
        s.tracker.finish(batch.span, [1])
        await asyncio.sleep(0.05)
        assert s.producer.committed == [([1], NO_OFFSET)]


async def test_much_output_is_committed_early() -> None:
    async with owned(Setting(max_rows=3, interval_seconds=60)) as s:
        batch = record_batch([b"x"] * 4, tracker=s.tracker, first_offset=5)
        first = await send(s, batch, [0, 1], 10)
        await asyncio.sleep(0.02)
        assert s.producer.committed == []
        await send(s, batch, [2], 10)
        await first
        assert s.producer.committed == [([1, 1], 8)]
        late = await send(s, batch, [3], 10)
        s.transactions.flush()
        await late
        assert s.producer.committed[-1] == ([1], 9)


async def test_a_large_transaction_is_not_followed_by_a_small_one() -> None:
    """What a transaction holds does not make the next one due."""
    async with owned(Setting(max_rows=3, interval_seconds=60)) as s:
        s.producer.may_end.clear()
        batch = record_batch([b"x"] * 6, tracker=s.tracker, first_offset=5)
        await asyncio.sleep(0.5)  # so long the rest may wait to fill the next
        first = await send(s, batch, [0, 1, 2], 10)
        await asyncio.sleep(0.02)
        for row in (3, 4):
            await send(s, batch, [row], 10)
        s.producer.may_end.set()
        await first
        await asyncio.sleep(0.02)
        assert s.producer.committed == [([1], 8)]
        await (await send(s, batch, [5], 10))
        assert s.producer.committed[1:] == [([1, 1, 1], 11)]


async def test_enough_output_during_a_transaction_is_committed_at_once() -> None:
    async with owned(Setting(max_rows=3, interval_seconds=60)) as s:
        s.producer.may_end.clear()
        batch = record_batch([b"x"] * 6, tracker=s.tracker, first_offset=5)
        await send(s, batch, [0, 1, 2], 10)
        await asyncio.sleep(0.02)
        second = await send(s, batch, [3, 4, 5], 10)
        s.producer.may_end.set()
        await second
        assert s.producer.committed == [([1], 8), ([1], 11)]


async def test_the_end_of_a_backlog_does_not_wait_for_the_interval() -> None:
    """After a full transaction, what follows waits as long as that took to fill; then longer."""
    async with owned(Setting(max_rows=3, interval_seconds=60)) as s:
        batch = record_batch([b"x"] * 6, tracker=s.tracker, first_offset=5)
        await asyncio.sleep(0.1)
        await (await send(s, batch, [0, 1, 2], 10))
        for row in (3, 4):
            await asyncio.wait_for(await send(s, batch, [row], 10), 5)
        assert s.producer.committed == [([1], 8), ([1], 9), ([1], 10)]
        waits_longer = await send(s, batch, [5], 10)
        await asyncio.sleep(0.15)
        assert len(s.producer.committed) == 3
        await asyncio.wait_for(waits_longer, 5)


async def test_after_a_quickly_filled_transaction_the_rest_waits_a_moment() -> None:
    async with owned(Setting(max_rows=3, interval_seconds=60)) as s:
        batch = record_batch([b"x"] * 4, tracker=s.tracker, first_offset=5)
        await (await send(s, batch, [0, 1, 2], 10))
        rest = await send(s, batch, [3], 10)
        await asyncio.sleep(0.02)
        assert len(s.producer.committed) == 1
        await asyncio.wait_for(rest, 5)


async def test_output_that_trickles_in_waits_for_the_interval() -> None:
    async with owned(Setting(max_rows=1000, interval_seconds=0.2)) as s:
        batch = record_batch([b"x"] * 100, tracker=s.tracker, first_offset=5)
        for row in range(100):
            await send(s, batch, [row], 10)
            await asyncio.sleep(0.01)
        assert len(s.producer.committed) <= 10


async def test_the_offset_is_sent_while_records_are_written() -> None:
    """Records of several outputs and the offset are under way at once; all end before a commit."""
    async with owned(Setting()) as s:
        waiting = s.producer.unacknowledged = []
        batch = record_batch([b"x"] * 2, tracker=s.tracker, first_offset=5)
        for row in range(2):
            await send(s, batch, [row], 10)
        await asyncio.sleep(0.05)
        assert len(waiting) == 3
        assert s.producer._open == ([1, 1], 7)
        for done in reversed(waiting):
            assert s.producer.committed == []
            done.set_result(None)
            await asyncio.sleep(0.01)
        assert s.producer.committed == [([1, 1], 7)]


@pytest.mark.parametrize("error", [ProducerFenced(), GroupAuthorizationFailedError()])
async def test_a_rejected_offset_commits_nothing(error: KafkaError) -> None:
    async with owned(Setting()) as s:
        s.producer.offset_failure = error
        batch = record_batch([b"x"], tracker=s.tracker, first_offset=5)
        await (await send(s, batch, [0], 10))
        assert s.producer._open == ([1], 6)  # written, and left to the next owner to abort
        assert (s.producer.committed, s.producer.num_aborted) == ([], 0)
        assert not batch.span.is_live
        assert s.lost == [TP]


async def test_a_failed_write_commits_nothing_though_the_offset_is_accepted() -> None:
    async with owned(Setting()) as s:
        s.producer.failure = KafkaError("no")
        batch = record_batch([b"x"], tracker=s.tracker, first_offset=5)
        await (await send(s, batch, [0], 10))
        assert s.producer._open == ([], 6)
        assert (s.producer.committed, s.producer.num_aborted) == ([], 0)
        assert s.lost == [TP]


async def test_a_rejected_record_waits_for_the_offset_before_the_abort() -> None:
    """No request of the transaction is under way once it is aborted."""
    async with owned(Setting()) as s:
        waiting = s.producer.unacknowledged = []
        batch = record_batch([b"x"], tracker=s.tracker, first_offset=5)
        refused = await send(s, batch, [0], 5000)
        await asyncio.sleep(0.05)
        assert s.producer.num_aborted == 0
        (offset_taken,) = waiting
        offset_taken.set_result(None)
        with pytest.raises(RecordTooLargeError, match="doubles"):
            await refused
        assert (s.producer.committed, s.producer.num_aborted) == ([], 1)


async def test_an_unauthorized_topic_is_reported_though_the_offset_failed_too() -> None:
    """aiokafka gives the offset the error of a partition that can't be added."""
    async with owned(Setting()) as s:
        s.producer.failure = s.producer.offset_failure = TopicAuthorizationFailedError()
        batch = record_batch([b"x"], tracker=s.tracker, first_offset=5)
        with pytest.raises(ProduceError, match="topic doubles rejected results"):
            await (await send(s, batch, [0], 10))
        assert s.producer.num_aborted == 1
        assert s.lost == []


async def test_a_fenced_owner_does_not_abort() -> None:
    async with owned(Setting()) as s:
        s.producer.offset_failure = ProducerFenced()
        batch = record_batch([b"x"], tracker=s.tracker, first_offset=5)
        await (await send(s, batch, [0], 5000))
        assert (s.producer.committed, s.producer.num_aborted) == ([], 0)
        assert s.lost == [TP]


async def test_rejected_output_is_reported_and_the_rest_is_written_once() -> None:
    async with owned(Setting()) as s:
        batch = record_batch([b"x"] * 3, tracker=s.tracker, first_offset=5)
        sent = [await send(s, batch, [row], 5000 if row == 1 else 10) for row in range(3)]
        await sent[0]
        with pytest.raises(RecordTooLargeError, match="doubles"):
            await sent[1]
        assert s.producer.num_aborted == 1
        await (await send(s, batch, [1], 10))  # its dead letter
        await sent[2]
        assert s.producer.committed[-1][1] == 8
        assert sum(sum(written) for written, _ in s.producer.committed) == 3
        assert s.lost == []


async def test_a_fenced_owner_releases_without_a_commit() -> None:
    async with owned(Setting()) as s:
        s.producer.failure = ProducerFenced()
        batch = record_batch([b"x"], tracker=s.tracker, first_offset=5)
        await (await send(s, batch, [0], 10))
        assert s.producer.committed == []
        assert not batch.span.is_live
        assert s.lost == [TP]
        assert s.failures == []
        assert not s.transactions.owns(TP)
        await asyncio.sleep(0.01)
        assert s.producer.is_stopped
        await (await send(s, batch, [0], 10))  # goes nowhere, and says so at once


async def test_repeated_failures_end_the_worker() -> None:
    s = Setting()
    for number in range(5):
        async with owned(s):
            assert s.failures == []
            s.producer._open, s.producer.failure = None, KafkaError("no")
            batch = record_batch([b"x"], tracker=s.tracker, first_offset=5)
            await (await send(s, batch, [0], 10))
            await asyncio.sleep(0.02)
            assert len(s.lost) == number + 1
    assert "transactions fail" in str(s.failures[0])


async def test_output_of_an_unowned_partition_is_dropped() -> None:
    s = Setting()
    batch = record_batch([b"x"], tracker=s.tracker)
    await (await send(s, batch, [0], 10))
    assert s.producer.committed == []


async def test_a_failed_attempt_leaves_no_start_that_would_fence_the_next(
    monkeypatch: Any,
) -> None:
    """One partition's producer can't start while another's is at it: both begin again."""
    monkeypatch.setattr("streams.exactly_once.transactions._RETRY_SECONDS", 0.01)
    starting: set[str] = set()
    fenced: list[str] = []
    failed: list[str] = []

    class Slow(FakeProducer):
        def __init__(self, transactional_id: str) -> None:
            super().__init__()
            self.id = transactional_id

        async def start(self) -> None:
            if self.id in starting:
                fenced.append(self.id)
            if self.id.endswith("/1") and not failed:
                failed.append(self.id)
                raise KafkaError("the broker went away")
            starting.add(self.id)
            try:
                await asyncio.sleep(0.05 if self.id.endswith("/0") else 0)
            finally:
                starting.discard(self.id)

    both = [TopicPartition("numbers", 1), TP]
    s = Setting()
    s.transactions._new_producer = lambda transactional_id: Slow(transactional_id)  # type: ignore[assignment,return-value]

    async def no_offsets(partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        assert not starting
        return {}

    s.transactions._committed_offsets = no_offsets
    await s.transactions.own(both, s.seek)
    assert fenced == []
    await s.transactions.release_all()
