"""Commit one partition's output in transactions: its producer, staged output and timing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from streams.exactly_once.staged_output import Piece, StagedOutput, TransactionContents
from streams.offsets import OffsetTracker
from streams.records import TopicPartition
from streams.transport.broker_retry import send_batch_until_queued
from streams.transport.producer import TransactionalProducer
from streams.transport.sink import REFUSED, explain, producer_batches

#: The shortest time that a transaction is filled for, so that small ones are not frequent.
_SHORTEST_WAIT_SECONDS = 0.05


class Owner(Protocol):
    """The worker that owns a partition: `Transactions`, which imports this module."""

    group_id: str
    tracker: OffsetTracker
    interval_seconds: float

    def succeeded(self) -> None:
        """Note a committed transaction."""
        ...

    async def lose(self, tp: TopicPartition, error: BaseException) -> None:
        """Release a partition whose transaction failed."""
        ...

    def offset_metadata(self, tp: TopicPartition, offset: int, /) -> Awaitable[str | None]:
        """Return the metadata of an offset; None if it may not be committed any more."""
        ...


@dataclass(frozen=True, slots=True)
class TransactionLimits:
    """The output at which a transaction is committed before the interval is over."""

    max_rows: int
    max_bytes: int


class OwnedPartition:
    """One partition that this worker owns, until `stop` or a failed transaction."""

    def __init__(
        self,
        tp: TopicPartition,
        producer: TransactionalProducer,
        owner: Owner,
        limits: TransactionLimits,
        committed: int | None,
    ) -> None:
        """Commit nothing before `start`.

        Args:
            tp: the input partition.
            producer: started, so earlier owners are fenced.
            owner: notified of committed and failed transactions.
            limits: output at which a transaction is committed early.
            committed: the group's committed offset; None if there is none.
        """
        self._tp = tp
        self._producer = producer
        self._owner = owner
        self._limits = limits
        self._committed = committed
        self._staged = StagedOutput(tp, owner.tracker)
        self._in_transaction: Sequence[Piece] = []
        """The pieces of the open transaction."""
        self._is_flushing = False
        self._due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, first_wait_seconds: float) -> None:
        """Begin to commit; the first transaction is committed after this wait."""
        self._task = asyncio.ensure_future(self._run(first_wait_seconds))

    def put(self, piece: Piece) -> None:
        """Stage a piece for a transaction."""
        self._staged.put(piece)
        if self._is_flushing or self._is_enough():
            self._due.set()

    def _is_enough(self) -> bool:
        """Whether there is enough output for a transaction, without the open transaction's.

        With it, a small transaction would follow each large one, and cost as many requests.
        """
        staged, limits = self._staged, self._limits
        num_rows = staged.num_rows - sum(piece.num_rows for piece in self._in_transaction)
        num_bytes = staged.num_bytes - sum(piece.num_bytes for piece in self._in_transaction)
        return num_rows >= limits.max_rows or num_bytes >= limits.max_bytes

    def is_full(self) -> bool:
        """Whether staged output is at its limit: no more records should be fetched."""
        return self._staged.num_bytes >= 2 * self._limits.max_bytes

    def flush(self) -> None:
        """Commit output as soon as it is ready from now on."""
        self._is_flushing = True
        self._due.set()

    async def stop(self) -> None:
        """Release the partition; its next owner reads uncommitted records again."""
        self._staged.release()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._producer.stop()

    async def _run(self, first_wait_seconds: float) -> None:
        loop, wait_seconds = asyncio.get_running_loop(), first_wait_seconds
        began = loop.time()
        try:
            while True:
                # Not `wait_for`: it may swallow a cancellation that comes with the event.
                timer = loop.call_later(wait_seconds, self._due.set)
                await self._due.wait()
                timer.cancel()
                self._due.clear()
                wait_seconds = self._next_wait(wait_seconds, loop.time() - began)
                began = loop.time()
                await self._commit(self._staged.cut())
        except Exception as error:
            await self._owner.lose(self._tp, error)

    def _next_wait(self, waited_seconds: float, took_seconds: float) -> float:
        """Return for how long the next transaction may be filled.

        In a backlog, full transactions follow one another. At its end, the last output should not
        wait for the whole interval: it waits as long as the transaction before took to fill. Output
        that trickles in after that is gathered for twice as long each time.
        """
        seconds = took_seconds if self._is_enough() else 2 * waited_seconds
        return min(max(seconds, _SHORTEST_WAIT_SECONDS), self._owner.interval_seconds)

    async def _commit(self, contents: TransactionContents) -> None:
        offset, pieces = contents
        if offset is None or not (pieces or offset != (self._committed or 0)):
            return
        metadata = await self._owner.offset_metadata(self._tp, offset)
        if metadata is None and not pieces:
            return
        await self._producer.begin_transaction()
        self._in_transaction = pieces
        rejected = await self._fill(offset, metadata, pieces)
        if rejected:
            await self._producer.abort_transaction()
            self._staged.reject(rejected)
            self._due.set()
        else:
            await self._producer.commit_transaction()
            self._committed = offset
            self._owner.tracker.committed({self._tp: offset})
            self._staged.delivered(pieces)
            self._owner.succeeded()
        self._in_transaction = []

    async def _fill(
        self, offset: int, metadata: str | None, pieces: Iterable[Piece]
    ) -> dict[Piece, Exception]:
        """Write pieces and the offset above them; wait until the brokers have acknowledged both.

        The offset is sent as soon as the last record is queued: readers see neither before the end
        of the transaction, so the order of their acknowledgements does not matter. It is not sent
        earlier: when an offset is rejected, aiokafka forgets which partitions must still be added
        to the transaction, and writes to them nevertheless.

        Without metadata, the input topic is deleted: its last results are written without an
        offset, which would count for a new topic of the same name.

        Returns:
            The pieces that their topic rejects, with the errors; the others may be written or not,
            and the transaction must be aborted.

        Raises:
            KafkaError: the transaction can't be committed.
        """
        sent: list[tuple[Piece, str, asyncio.Future[Any]]] = []
        for piece in pieces:
            for topic, partition, records in piece.outputs:
                for batch in producer_batches(self._producer, records):
                    future = await send_batch_until_queued(self._producer, batch, topic, partition)
                    future.add_done_callback(_retrieve_exception)
                    sent.append((piece, topic, future))
        if metadata is None:
            offset_taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            offset_taken.set_result(None)
        else:
            offset_taken = self._producer.queue_offset(
                self._tp, offset, self._owner.group_id, metadata
            )
        writes = (future for *_, future in sent)
        offset_error, *outcomes = await asyncio.gather(
            offset_taken, *writes, return_exceptions=True
        )
        rejected: dict[Piece, Exception] = {}
        failures: list[BaseException] = []
        for (piece, topic, _), outcome in zip(sent, outcomes, strict=True):
            if isinstance(outcome, REFUSED):
                rejected[piece] = explain(outcome, topic)
            elif isinstance(outcome, BaseException):
                failures.append(outcome)
        if offset_error is not None and not (rejected and isinstance(offset_error, REFUSED)):
            raise offset_error  # a separate error: the producer may be unable to abort
        if failures and not rejected:
            raise failures[0]
        return rejected


def _retrieve_exception(future: asyncio.Future[Any]) -> None:
    """Retrieve an exception that nothing awaits any more, so that asyncio does not warn."""
    if not future.cancelled():
        future.exception()
