"""Exactly once: commit a partition's output and its offset in one Kafka transaction.

**Who may commit.** Each input partition has its own transactional id,
`<group>/<topic>/<partition>`, whichever worker owns it. A new owner first starts a producer with
this id: the transaction coordinator raises the id's epoch, which fences every earlier owner (later
requests of a slow, disconnected or stopped owner are rejected), and commits or aborts its last
transaction. Only then are the committed offsets fetched and the partition read. All commits of a
partition's offset use its one id, so they are in sequence, and each begins where the last ended.
This does not depend on the consumer group: two workers that both believe they own a partition can't
both commit.

The alternative (KIP-447: one producer per worker, fenced by the group's generation) needs fewer
producers. But the transaction of a killed worker stays open until it times out, and blocks every
reader of the output; and all partitions of a worker would have to stop for each commit.

**What a transaction holds.** Output waits in the partition's `StagedOutput`. A transaction is
begun, filled and committed in one go, when there is enough output or the commit interval is over;
output for the next transaction gathers meanwhile. So a slow model holds no transaction open,
`transaction.timeout.ms` need not be longer than one commit, and readers never see output that is
not committed. The offset is sent while the last outputs are written, and the transaction ends when
the brokers have acknowledged both; a rejected batch aborts the transaction.

**When something fails**, the owner releases the partition without ending the transaction (the next
owner does that) and asks the group to rebalance. If it is still the owner it gets the partition
back, and reads from the committed offset. So the outcome of a failed commit is never guessed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IncompatibleBrokerVersion,
    InvalidTimestampError,
    InvalidTransactionTimeout,
    KafkaError,
    ProducerFenced,
    TransactionalIdAuthorizationFailed,
)

from streams.exactly_once.partition import OwnedPartition, TransactionLimits
from streams.exactly_once.staged_output import Piece
from streams.offsets import OffsetTracker
from streams.records import TopicPartition
from streams.retry import retry
from streams.sink import Output, ProduceError, Rows
from streams.transport.producer import TransactionalProducer
from streams.transport.sink import CLOCK_REFUSED, num_partitions

logger = logging.getLogger(__name__)

#: After this many takeovers in a row that failed before any commit, the worker ends.
_MAX_FAILURES = 5
_RETRY_SECONDS = 1.0
_PERMANENT = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IncompatibleBrokerVersion,
    InvalidTransactionTimeout,
    TransactionalIdAuthorizationFailed,
)

Seek: TypeAlias = Callable[[Mapping[TopicPartition, int]], Awaitable[None]]
FetchOffsets: TypeAlias = Callable[[Sequence[TopicPartition]], Awaitable[dict[TopicPartition, int]]]
OffsetMetadata: TypeAlias = Callable[[TopicPartition, int], Awaitable[str | None]]
OnLost: TypeAlias = Callable[[TopicPartition], Awaitable[None]]
OnFailure: TypeAlias = Callable[[BaseException], Coroutine[Any, Any, None]]


class Transactions:
    """The partitions that a worker owns and their transactions; the `RecordSink` of its agents."""

    def __init__(
        self,
        producer: Callable[[], AIOKafkaProducer],
        new_producer: Callable[[str], TransactionalProducer],
        *,
        group_id: str,
        tracker: OffsetTracker,
        limits: Callable[[str], TransactionLimits],
        interval_seconds: float,
        committed_offsets: FetchOffsets,
        offset_metadata: OffsetMetadata,
        on_lost: OnLost,
        on_failure: OnFailure,
    ) -> None:
        """Own no partition yet.

        Args:
            producer: returns the worker's plain producer.
            new_producer: makes a producer for a transactional id, on the same connections.
            group_id: the consumer group.
            tracker: the offsets of records in work.
            limits: returns the limits of a topic's partitions.
            interval_seconds: between two transactions of a partition with output.
            committed_offsets: fetches committed offsets that no open transaction can change.
            offset_metadata: returns the metadata of a partition's offset; None if the topic is no
                longer the one that is being read.
            on_lost: called for a released partition: drop its records, and rebalance.
            on_failure: called when the brokers reject output or transactions permanently: end the
                worker.
        """
        self._producer = producer
        self._new_producer = new_producer
        self.group_id = group_id
        self.tracker = tracker
        self._limits = limits
        self.interval_seconds = interval_seconds
        self._owned: dict[TopicPartition, OwnedPartition] = {}
        self._num_failures = 0
        self._has_failed = False
        """Since the last takeover; counted once, since one lost broker fails many partitions."""
        self._committed_offsets = committed_offsets
        self.offset_metadata = offset_metadata
        self._on_lost = on_lost
        self.on_failure = on_failure

    async def own(self, partitions: Iterable[TopicPartition], seek: Seek) -> None:
        """Fence earlier owners, then fetch the committed offsets and seek to them.

        Args:
            partitions: assigned to this worker by the group.
            seek: seeks to the committed offsets, before the partitions are owned.

        Raises:
            ProduceError: the brokers reject a transactional id, or the offset request.
        """
        wanted = list(partitions)
        await self.release(wanted)
        producers, offsets = await retry(
            lambda: self._fence(wanted), KafkaError, _warn, wait_seconds=_RETRY_SECONDS
        )
        self._has_failed = False
        try:
            await seek(offsets)
        except BaseException:
            await _stop(producers)
            raise
        for at, (tp, producer) in enumerate(zip(wanted, producers, strict=True)):
            owned = OwnedPartition(tp, producer, self, self._limits(tp.topic), offsets.get(tp))
            # Staggered, so that the partitions do not all commit at the same moment.
            owned.start(self.interval_seconds * (at + 1) / len(wanted))
            self._owned[tp] = owned

    async def _fence(
        self, partitions: Sequence[TopicPartition]
    ) -> tuple[list[TransactionalProducer], dict[TopicPartition, int]]:
        producers = [self._new_producer(self._transactional_id(tp)) for tp in partitions]
        starts = [asyncio.ensure_future(producer.start()) for producer in producers]
        try:
            await asyncio.gather(*starts)
            return producers, await self._committed_offsets(partitions)
        except BaseException as error:
            # A start that continued would fence the producer of the next attempt.
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
            await _stop(producers)
            if isinstance(error, _PERMANENT):
                raise ProduceError(_describe(error)) from error
            raise

    def _transactional_id(self, tp: TopicPartition) -> str:
        # Unique: a topic's name has no slash.
        return f"{self.group_id}/{tp.topic}/{tp.partition}"

    def owns(self, tp: TopicPartition) -> bool:
        """Whether a partition may be read: its earlier owners are fenced."""
        return tp in self._owned

    async def num_partitions(self, topic: str) -> int:
        """Return how many partitions a topic has, from the client's cached metadata."""
        return await num_partitions(self._producer(), topic)

    async def send(self, rows: Rows, outputs: Sequence[Output]) -> Awaitable[None]:
        """Stage the output of some rows for their partition's next transaction.

        The awaitable ends when it is committed, or when the partition moves to another worker.
        """
        delivered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        owned = self._owned.get(cast(TopicPartition, rows[0][0].partition))
        if owned is None or not all(span.is_live for span, _ in rows):
            delivered.set_result(None)
            return delivered
        num_bytes = sum(output.records.num_bytes for output in outputs)
        owned.put(Piece(rows, outputs, num_bytes, delivered))
        return delivered

    def is_full(self, tp: TopicPartition) -> bool:
        """Whether staged output is at its limit: no more records should be fetched."""
        owned = self._owned.get(tp)
        return owned is not None and owned.is_full()

    def flush(self) -> None:
        """Commit output as soon as it is ready from now on: the partitions will be released."""
        for owned in self._owned.values():
            owned.flush()

    async def release(self, partitions: Iterable[TopicPartition]) -> None:
        """Release partitions; their next owner reads uncommitted records again."""
        gone = [self._owned.pop(tp) for tp in partitions if tp in self._owned]
        await asyncio.gather(*(owned.stop() for owned in gone))

    async def release_all(self) -> None:
        """Release every partition."""
        await self.release(list(self._owned))

    def succeeded(self) -> None:
        """Note a committed transaction."""
        self._num_failures = 0

    async def lose(self, tp: TopicPartition, error: BaseException) -> None:
        """Release a partition whose transaction failed."""
        if isinstance(error, ProducerFenced):
            logger.warning(
                "%s-%d: another worker owns the partition now, or a transaction timed out; "
                "uncommitted records will be read again by the owner", *tp
            )  # fmt: skip
        else:
            self._num_failures += not self._has_failed
            self._has_failed = True
            logger.warning("%s-%d: a transaction failed, its records will be read again: %r",
                           *tp, error)  # fmt: skip
        owned = self._owned.pop(tp, None)
        await self._on_lost(tp)
        if owned is not None:
            await owned.stop()
        if self._num_failures >= _MAX_FAILURES:
            await self.on_failure(ProduceError(_describe(error)))


async def _stop(producers: Iterable[TransactionalProducer]) -> None:
    await asyncio.gather(*(producer.stop() for producer in producers))


def _warn(error: Exception, num_failures: int) -> None:
    logger.warning("can't begin transactions yet, retrying: %r", error)


def _describe(error: BaseException) -> str:
    if isinstance(error, InvalidTransactionTimeout):
        return "kafka: transaction.timeout.ms is above the broker's transaction.max.timeout.ms"
    if isinstance(error, TransactionalIdAuthorizationFailed):
        return (
            "the broker does not authorize the transactional id <group.id>/<topic>/<partition>: "
            "add an ACL"
        )
    if isinstance(error, InvalidTimestampError):
        return f"transactions fail: {CLOCK_REFUSED}"
    return f"transactions fail: {error!r}"
