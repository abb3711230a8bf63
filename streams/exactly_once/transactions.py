"""Exactly once: a partition's output and its offset are committed in one Kafka transaction.

**Who may commit.** Each input partition has a producer with the transactional id
`<group>/<topic>/<partition>`, whoever its owner is. A new owner first starts its producer: the
transaction coordinator raises the id's epoch, which fences every earlier owner (what they send from
then on is refused, be they slow, cut off or stopped), and commits or aborts the transaction that
they left. Only then are the committed offsets fetched and the partition read. All commits of a
partition's offset go through its one id, so they stand in one line, and each begins where the last
ended. This needs no help from the consumer group: two workers that both believe they own a
partition can't both commit.

The other way (KIP-447: one producer a worker, fenced by the group's generation) needs fewer
producers, but leaves the transaction of a killed worker open until it times out, with every reader
of the output behind it; and a worker's partitions would have to stop together for each commit.

**What a transaction holds.** Output waits in the partition's `StagedOutput` until its
transaction; that is begun, filled and committed in one go, as soon as there is enough or the commit
interval is over, while the next one's output gathers. So a slow model holds no transaction open,
`transaction.timeout.ms` need not be longer than a commit takes, and what can't be committed was
never shown. The offset is sent while the last outputs are written, and the transaction is ended
when the brokers have all of them; a batch that is refused aborts the whole.

**When something fails**, the owner lets the partition go without a word (an open transaction is the
next owner's to end) and has the group assign its partitions anew: if it is the rightful owner it
gets it back, and reads from the committed offset. So an unknown outcome is never guessed at.
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
    InvalidTransactionTimeout,
    KafkaError,
    ProducerFenced,
    TransactionalIdAuthorizationFailed,
)

from streams.exactly_once.partition import Limits, OwnedPartition
from streams.exactly_once.stable_offsets import stable_offsets
from streams.exactly_once.staged_output import Piece
from streams.offsets import OffsetTracker
from streams.protocols import Output, ProduceError, Rows
from streams.records import TopicPartition
from streams.transport.producer import TransactionalProducer
from streams.transport.sink import num_partitions

logger = logging.getLogger(__name__)

#: Times in a row that partitions were taken over and lost to failures before anything was
#: committed, after which the worker gives in.
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
Fenced: TypeAlias = tuple[list[TransactionalProducer], dict[TopicPartition, int]]
OnFailure: TypeAlias = Callable[[BaseException], Coroutine[Any, Any, None]]


class Transactions:
    """A worker's partitions and their transactions; the `RecordSink` of its agents."""

    def __init__(
        self,
        producer: Callable[[], AIOKafkaProducer],
        new_producer: Callable[[str], TransactionalProducer],
        *,
        group_id: str,
        tracker: OffsetTracker,
        limits: Callable[[str], Limits],
        interval_seconds: float,
    ) -> None:
        """Say how to reach the brokers and when to commit.

        Args:
            producer: the worker's plain producer, whose connections are shared.
            new_producer: makes a producer on them for a transactional id.
            group_id: of the consumer group.
            tracker: of the records under way.
            limits: of a topic's partitions.
            interval_seconds: between the transactions of a partition, where it has output.
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
        """Since partitions were last taken over: one broker's end fails many at once."""
        self.on_lost: Callable[[TopicPartition], Awaitable[None]]
        """What to do when a partition was let go: forget its records, have the group reassign."""
        self.on_failure: OnFailure
        """What to do when the brokers refuse output or transactions for good: end the worker."""

    async def own(self, partitions: Iterable[TopicPartition], seek: Seek) -> None:
        """Fence earlier owners, and only then fetch the committed offsets and read from there.

        Args:
            partitions: that the group has given to this worker.
            seek: to the offset of each partition that has one; they are owned after it.

        Raises:
            ProduceError: the brokers refuse a transactional id, or the group's offsets.
        """
        wanted = list(partitions)
        await self.release(wanted)
        while (fenced := await self._try_to_fence(wanted)) is None:
            await asyncio.sleep(_RETRY_SECONDS)
        producers, offsets = fenced
        self._has_failed = False
        try:
            await seek(offsets)
        except BaseException:
            await _stop(producers)
            raise
        for at, (tp, producer) in enumerate(zip(wanted, producers, strict=True)):
            owned = OwnedPartition(tp, producer, self, self._limits(tp.topic), offsets.get(tp))
            # They take turns, so that the flow never stops for all of them at once.
            owned.start(self.interval_seconds * (at + 1) / len(wanted))
            self._owned[tp] = owned

    async def _try_to_fence(self, partitions: Sequence[TopicPartition]) -> Fenced | None:
        try:
            return await self._fence(partitions)
        except _PERMANENT as error:
            raise ProduceError(_in_words(error)) from error
        except KafkaError as error:
            logger.warning("transactions can't begin yet, trying again: %r", error)
            return None

    async def _fence(self, partitions: Sequence[TopicPartition]) -> Fenced:
        producers = [self._new_producer(self._transactional_id(tp)) for tp in partitions]
        starts = [asyncio.ensure_future(producer.start()) for producer in producers]
        try:
            await asyncio.gather(*starts)
            client = self._producer().client
            return producers, await stable_offsets(client, self.group_id, partitions)
        except BaseException:
            # One that went on would fence the producer that the next try starts.
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
            await _stop(producers)
            raise

    def _transactional_id(self, tp: TopicPartition) -> str:
        # A topic's name has no slash, so that no two partitions share an id.
        return f"{self.group_id}/{tp.topic}/{tp.partition}"

    def owns(self, tp: TopicPartition) -> bool:
        """Whether a partition may be read: its earlier owners are fenced."""
        return tp in self._owned

    async def num_partitions(self, topic: str) -> int:
        """Return how many partitions a topic has, from the client's cached metadata."""
        return await num_partitions(self._producer(), topic)

    async def send(self, rows: Rows, outputs: Sequence[Output]) -> Awaitable[None]:
        """Keep the output of some rows for their partition's next transaction.

        The awaitable is done when that is committed, or when the partition is another worker's.
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
        """Whether so much output waits for its transaction that no more should be read."""
        owned = self._owned.get(tp)
        return owned is not None and owned.is_full()

    def flush(self) -> None:
        """Commit from now on whatever is ready, at once: the partitions are about to go."""
        for owned in self._owned.values():
            owned.flush()

    async def release(self, partitions: Iterable[TopicPartition]) -> None:
        """Let partitions go; what was not committed is read again by their next owner."""
        gone = [self._owned.pop(tp) for tp in partitions if tp in self._owned]
        await asyncio.gather(*(owned.stop() for owned in gone))

    async def release_all(self) -> None:
        """Let every partition go."""
        await self.release(list(self._owned))

    def succeeded(self) -> None:
        """Note that a transaction was committed."""
        self._num_failures = 0

    async def lose(self, tp: TopicPartition, error: BaseException) -> None:
        """Let a partition go whose transaction failed."""
        if isinstance(error, ProducerFenced):
            logger.warning(
                "%s-%d: another worker has taken over, or a transaction took too long; what was "
                "under way here is not committed, and read again by its owner", *tp
            )  # fmt: skip
        else:
            self._num_failures += not self._has_failed
            self._has_failed = True
            logger.warning("%s-%d: a transaction failed, the partition is read again: %r",
                           *tp, error)  # fmt: skip
        owned = self._owned.pop(tp, None)
        await self.on_lost(tp)
        if owned is not None:
            await owned.stop()
        if self._num_failures >= _MAX_FAILURES:
            await self.on_failure(ProduceError(_in_words(error)))


async def _stop(producers: Iterable[TransactionalProducer]) -> None:
    await asyncio.gather(*(producer.stop() for producer in producers))


def _in_words(error: BaseException) -> str:
    if isinstance(error, InvalidTransactionTimeout):
        return "kafka: transaction.timeout.ms is above the broker's transaction.max.timeout.ms"
    if isinstance(error, TransactionalIdAuthorizationFailed):
        return "the broker allows no transactional id <group.id>/<topic>/<partition>: add an ACL"
    return f"transactions fail: {error!r}"
