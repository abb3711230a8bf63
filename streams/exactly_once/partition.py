"""One partition whose output is committed in transactions: its producer, its outbox, its pace."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aiokafka.structs import OffsetAndMetadata
from aiokafka.structs import TopicPartition as KafkaTopicPartition

from streams.exactly_once.staged_output import Piece, StagedOutput, TransactionContents
from streams.offsets import OffsetTracker
from streams.records import TopicPartition
from streams.transport.broker_retry import send_batch_until_queued
from streams.transport.producer import TransactionalProducer
from streams.transport.sink import REFUSED, explain, producer_batches

#: Where it takes less to fill a transaction, a wait costs nobody anything.
_SHORTEST_WAIT_SECONDS = 0.05


class Owner(Protocol):
    """The worker that a partition is owned by."""

    group_id: str
    tracker: OffsetTracker
    interval_seconds: float

    def succeeded(self) -> None:
        """Note that a transaction was committed."""
        ...

    async def lose(self, tp: TopicPartition, error: BaseException) -> None:
        """Let a partition go whose transaction failed."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """When a transaction is committed before its time."""

    max_rows: int
    max_bytes: int


class OwnedPartition:
    """One partition that this worker owns, until `stop`, or until a transaction fails."""

    def __init__(
        self,
        tp: TopicPartition,
        producer: TransactionalProducer,
        owner: Owner,
        limits: Limits,
        committed: int | None,
    ) -> None:
        """Say what is owned; nothing is committed before `start`.

        Args:
            tp: the input partition.
            producer: started, so that earlier owners are fenced.
            owner: told of each transaction's end.
            limits: above which a transaction does not wait for its time.
            committed: the group's offset; None if there is none.
        """
        self._tp = tp
        self._producer = producer
        self._owner = owner
        self._limits = limits
        self._committed = committed
        self._outbox = StagedOutput(tp, owner.tracker)
        self._under_way: Sequence[Piece] = []
        """What the present transaction holds."""
        self._is_hurried = False
        self._due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, first_wait_seconds: float) -> None:
        """Begin to commit what comes, the first time after so many seconds."""
        self._task = asyncio.ensure_future(self._run(first_wait_seconds))

    def put(self, piece: Piece) -> None:
        """Keep a piece for a transaction."""
        self._outbox.put(piece)
        if self._is_hurried or self._is_enough():
            self._due.set()

    def _is_enough(self) -> bool:
        """Whether what waits makes a transaction; what the present one holds no longer waits.

        Were it counted, a small one would follow each large one, and cost as many requests.
        """
        outbox, under_way, limits = self._outbox, self._under_way, self._limits
        num_rows = outbox.num_rows - sum(piece.num_rows for piece in under_way)
        num_bytes = outbox.num_bytes - sum(piece.num_bytes for piece in under_way)
        return num_rows >= limits.max_rows or num_bytes >= limits.max_bytes

    def is_full(self) -> bool:
        """Whether so much output waits that no more should be read."""
        return self._outbox.num_bytes >= 2 * self._limits.max_bytes

    def flush(self) -> None:
        """Commit from now on whatever is ready, at once."""
        self._is_hurried = True
        self._due.set()

    async def stop(self) -> None:
        """Let it go; what was not committed is its next owner's to read again."""
        self._outbox.give_up()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._producer.stop()

    async def _run(self, first_wait_seconds: float) -> None:
        loop, wait_seconds = asyncio.get_running_loop(), first_wait_seconds
        began = loop.time()
        try:
            while True:
                # Not `wait_for`, which may swallow the cancelling when both come at once.
                timer = loop.call_later(wait_seconds, self._due.set)
                await self._due.wait()
                timer.cancel()
                self._due.clear()
                wait_seconds = self._next_wait(wait_seconds, loop.time() - began)
                began = loop.time()
                await self._commit(self._outbox.cut())
        except Exception as error:
            await self._owner.lose(self._tp, error)

    def _next_wait(self, waited_seconds: float, took_seconds: float) -> float:
        """Return for how long the next transaction may be filled.

        In a backlog full ones follow one another. What fills none in the time of the one before is
        the backlog's end, which should not wait for the whole interval. What trickles in after it
        is kept together for ever longer.
        """
        seconds = took_seconds if self._is_enough() else 2 * waited_seconds
        return min(max(seconds, _SHORTEST_WAIT_SECONDS), self._owner.interval_seconds)

    async def _commit(self, cut: TransactionContents) -> None:
        if cut.offset is None or not (cut.pieces or cut.offset > (self._committed or 0)):
            return
        await self._producer.begin_transaction()
        self._under_way = cut.pieces
        refused = await self._fill(cut.offset, cut.pieces)
        if refused:
            await self._producer.abort_transaction()
            self._outbox.refuse(refused)
            self._due.set()
        else:
            await self._producer.commit_transaction()
            self._committed = cut.offset
            self._owner.tracker.committed({self._tp: cut.offset})
            self._outbox.delivered(cut.pieces)
            self._owner.succeeded()
        self._under_way = []

    async def _fill(self, offset: int, pieces: Iterable[Piece]) -> dict[Piece, Exception]:
        """Write pieces and send the offset above them; wait for the brokers to have all.

        The offset is sent as soon as the last record is on its way: nothing is to be seen of
        either before the transaction's end, so the one need not wait until the other is there.
        Not sooner: where an offset is refused, aiokafka forgets which partitions are still to be
        added to the transaction, and writes to them all the same.

        Returns:
            Those that their topic refuses, and why; the others may have been written or not. The
            transaction is to be aborted then.

        Raises:
            KafkaError: the transaction can't be committed.
        """
        sent: list[tuple[Piece, str, asyncio.Future[Any]]] = []
        for piece in pieces:
            for topic, partition, records in piece.outputs:
                for batch in producer_batches(self._producer, records):
                    future = await send_batch_until_queued(self._producer, batch, topic, partition)
                    future.add_done_callback(_look_at)
                    sent.append((piece, topic, future))
        offsets = {KafkaTopicPartition(*self._tp): OffsetAndMetadata(offset, "")}
        taken = self._producer.queue_offsets(offsets, self._owner.group_id)
        writes = (future for *_, future in sent)
        no_offset, *done = await asyncio.gather(taken, *writes, return_exceptions=True)
        refused: dict[Piece, Exception] = {}
        failures: list[BaseException] = []
        for (piece, topic, _), outcome in zip(sent, done, strict=True):
            if isinstance(outcome, REFUSED):
                refused[piece] = explain(outcome, topic)
            elif isinstance(outcome, BaseException):
                failures.append(outcome)
        if no_offset is not None and not (refused and isinstance(no_offset, REFUSED)):
            raise no_offset  # for its own reason: the producer may have failed, and abort nothing
        if failures and not refused:
            raise failures[0]
        return refused


def _look_at(future: asyncio.Future[Any]) -> None:
    """Take note of a failure that nobody waits for any more, so that asyncio does not warn."""
    if not future.cancelled():
        future.exception()
