"""aiokafka's producer with two bugs fixed, and a transactional producer on shared connections.

An idempotent producer numbers its records per partition, and the broker rejects a batch whose first
number is not the next. aiokafka 0.14 gets this wrong twice: a batch rejected for its size keeps its
sequence numbers although the broker never counted them, so every later batch of the partition is
rejected; and after 2**31 - 1 the numbers become negative instead of starting at 0 again.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    IllegalOperation,
    IncompatibleBrokerVersion,
    MessageSizeTooLargeError,
    ProducerClosed,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)
from aiokafka.producer.message_accumulator import MessageAccumulator, MessageBatch
from aiokafka.producer.transaction_manager import TransactionManager
from aiokafka.structs import OffsetAndMetadata
from aiokafka.structs import TopicPartition as KafkaTopicPartition

from streams.records import TopicPartition
from streams.retry import within

logger = logging.getLogger(__name__)

#: The broker rejects a batch with these errors before it checks the sequence number.
_NEVER_SEEN = (MessageSizeTooLargeError, RecordListTooLargeError, TopicAuthorizationFailedError)
_NUM_SEQUENCES = 2**31

#: `OffsetFetch`, and the first version that can wait for open transactions (KIP-447, Kafka 2.5).
_OFFSET_FETCH, _REQUIRE_STABLE = 9, 7
#: How long to wait for a stopped producer's task to end, before cancelling it again.
_ABANDON_SECONDS = 1.0


class _Numbering(TransactionManager):  # type: ignore[misc]
    def increment_sequence_number(self, tp: TopicPartition, increment: int) -> None:
        self._sequence_numbers[tp] = (self._sequence_numbers[tp] + increment) % _NUM_SEQUENCES


class _Accumulator(MessageAccumulator):  # type: ignore[misc]
    def _pop_batch(self, tp: TopicPartition) -> MessageBatch:
        batch = super()._pop_batch(tp)
        if batch.retry_count == 1:

            def take_back(future: asyncio.Future[Any]) -> None:
                # One batch per partition is in flight at a time: the next one has no number yet.
                if not future.cancelled() and isinstance(future.exception(), _NEVER_SEEN):
                    self._txn_manager.increment_sequence_number(tp, -batch.record_count)

            batch.future.add_done_callback(take_back)
        return batch

    def fail_all(self, exception: Exception) -> None:
        """Fail the batches that wait or are under way; those that wait have two futures each."""
        super().fail_all(exception)
        for batches in self._batches.values():
            for batch in batches:
                # `send_batch` awaits it only for a second batch of a partition. Its error is that
                # of `batch.future`, and asyncio warns of errors that nothing retrieves.
                batch._drain_waiter.exception()


class KafkaProducer(AIOKafkaProducer):  # type: ignore[misc]
    """`AIOKafkaProducer` with correct sequence numbers, whose batches never expire.

    aiokafka drops a batch whose partition has had no leader for a request timeout. The batch has a
    sequence number by then, so the next one would be rejected. Memory stays bounded by the intake
    limits.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        known: TransactionManager = self._txn_manager
        self._txn_manager: TransactionManager = _Numbering(
            known.transactional_id, known.transaction_timeout_ms
        )
        default: MessageAccumulator = self._message_accumulator
        self._message_accumulator: MessageAccumulator = _Accumulator(
            self._metadata,
            default._batch_size,
            default._compression_type,
            float("inf"),  # the batch's time to live
            txn_manager=self._txn_manager,
            loop=self._loop,
            linger_ms=default._linger_time * 1000,
        )
        self._sender._txn_manager = self._txn_manager
        self._sender._message_accumulator = self._message_accumulator

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> asyncio.Future[Any]:
        """Queue a batch; see aiokafka. The client asks for the topic's metadata from now on.

        aiokafka adds a topic to those that it asks for only where its metadata lacks it. It begins
        by asking for all topics, so that none is missing; once one is deleted, it asks for that one
        alone, and forgets the leaders of all others, for whose batches it then waits for ever.
        """
        self.client.add_topic(topic)
        queued: asyncio.Future[Any] = await super().send_batch(batch, topic, partition=partition)
        return queued

    async def stop_within(self, seconds: float) -> None:
        """Stop; after some seconds, drop the batches that no broker has acknowledged."""
        if not await within(max(seconds, _ABANDON_SECONDS), self.stop()):
            logger.warning("the broker accepts no results: unacknowledged records are read again")
            # `close` of the client alone would wait for the sender's open requests.
            if (sending := self._sender.sender_task) is not None:
                sending.cancel()
            await self.client.close()


class TransactionalProducer(KafkaProducer):
    """A producer with a transactional id that uses the connections of another producer.

    `start` returns when every earlier producer with the same id is fenced and its last transaction
    is committed or aborted.
    """

    def __init__(self, client: AIOKafkaClient, transactional_id: str, **settings: Any) -> None:
        super().__init__(transactional_id=transactional_id, **settings)
        self.client = self._sender.client = client
        self._metadata = self._message_accumulator._cluster = client.cluster

    async def start(self) -> None:
        """Fence earlier producers with this id; wait while no broker answers.

        Raises:
            KafkaError: the brokers reject the id or the transaction timeout, or are too old.
        """
        try:
            await self._sender.start()
            self._require_stable_offsets()
        except BaseException:
            self._closed = True
            raise

    def _require_stable_offsets(self) -> None:
        # librdkafka ignores `require_stable` where a broker's version lacks it.
        for connection in self.client._conns.values():
            _, version = connection._versions.get(_OFFSET_FETCH, (0, _REQUIRE_STABLE))
            if version < _REQUIRE_STABLE:
                raise IncompatibleBrokerVersion("exactly_once needs Apache Kafka 2.5 or newer")

    def queue_offset(
        self, tp: TopicPartition, offset: int, group_id: str, metadata: str = ""
    ) -> asyncio.Future[None]:
        """Queue a group's offset for the transaction; the future ends when the broker has it.

        This is to `send_offsets_to_transaction` what `send_batch` is to `send_and_wait`: queued
        records are sent at the same time.

        Raises:
            IllegalOperation: there is no open transaction, or it has failed.
        """
        if not self._txn_manager.is_in_transaction():
            raise IllegalOperation("Not in the middle of a transaction")
        offsets = {KafkaTopicPartition(*tp): OffsetAndMetadata(offset, metadata)}
        taken: asyncio.Future[None] = self._txn_manager.add_offsets_to_txn(offsets, group_id)
        # Shielded: aiokafka sets the result even if the caller was cancelled.
        return asyncio.shield(taken)

    async def stop(self) -> None:
        """Stop without ending the open transaction: the partition's next owner aborts it."""
        if self._closed:
            return
        self._closed = True
        self._message_accumulator._closed = True
        self._message_accumulator.fail_all(ProducerClosed())
        task = self._sender.sender_task
        while task is not None and not task.done():
            # The first cancel ends the loop, the second what the loop waits for as it ends.
            task.cancel()
            await asyncio.wait([task], timeout=_ABANDON_SECONDS)
        for outcome in (task, self._txn_manager._transaction_waiter):
            if outcome is not None and outcome.done() and not outcome.cancelled():
                with suppress(BaseException):
                    outcome.exception()  # retrieved, so that asyncio does not warn
