"""aiokafka's producer with two faults mended, and one for transactions on shared connections.

An idempotent producer numbers its records per partition, and the broker refuses a batch whose
first number is not the next. aiokafka 0.14 loses count twice: a batch that is refused for its size
keeps its numbers although the broker never saw them, so that every later batch of the partition is
refused; and numbers go on below zero after 2**31 instead of at 0.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    IllegalOperation,
    MessageSizeTooLargeError,
    ProducerClosed,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)
from aiokafka.producer.message_accumulator import MessageAccumulator, MessageBatch
from aiokafka.producer.transaction_manager import TransactionManager
from aiokafka.structs import OffsetAndMetadata, TopicPartition

#: The broker refuses a batch with these before it looks at its sequence number.
_NEVER_SEEN = (MessageSizeTooLargeError, RecordListTooLargeError, TopicAuthorizationFailedError)
_NUM_SEQUENCES = 2**31

#: How long a producer that is given up may take to end what it is doing.
_ABANDON_SECONDS = 1.0


class _Numbering(TransactionManager):  # type: ignore[misc]
    def increment_sequence_number(self, tp: TopicPartition, increment: int) -> None:
        self._sequence_numbers[tp] = (self._sequence_numbers[tp] + increment) % _NUM_SEQUENCES


class _Accumulator(MessageAccumulator):  # type: ignore[misc]
    def _pop_batch(self, tp: TopicPartition) -> MessageBatch:
        batch = super()._pop_batch(tp)
        if batch.retry_count == 1:

            def take_back(future: asyncio.Future[Any]) -> None:
                # Only one batch a partition is on its way: the next one has no number yet.
                if not future.cancelled() and isinstance(future.exception(), _NEVER_SEEN):
                    self._txn_manager.increment_sequence_number(tp, -batch.record_count)

            batch.future.add_done_callback(take_back)
        return batch


class KafkaProducer(AIOKafkaProducer):  # type: ignore[misc]
    """`AIOKafkaProducer`, idempotent, that keeps count."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        known: TransactionManager = self._txn_manager
        self._txn_manager: TransactionManager = _Numbering(
            known.transactional_id, known.transaction_timeout_ms
        )
        was: MessageAccumulator = self._message_accumulator
        self._message_accumulator: MessageAccumulator = _Accumulator(
            self._metadata,
            was._batch_size,
            was._compression_type,
            was._batch_ttl,
            txn_manager=self._txn_manager,
            loop=self._loop,
            linger_ms=was._linger_time * 1000,
        )
        self._sender._txn_manager = self._txn_manager
        self._sender._message_accumulator = self._message_accumulator


class TransactionalProducer(KafkaProducer):
    """A producer with a transactional id, on the connections of another one.

    `start` returns when every earlier producer of the same id is fenced, and its last transaction
    is committed or aborted.
    """

    def __init__(self, client: AIOKafkaClient, transactional_id: str, **settings: Any) -> None:
        super().__init__(transactional_id=transactional_id, **settings)
        self.client = self._sender.client = client
        self._metadata = self._message_accumulator._cluster = client.cluster

    async def start(self) -> None:
        """Fence earlier producers of this id; waits while the brokers are away.

        Raises:
            KafkaError: the brokers refuse this id or its timeout.
        """
        try:
            await self._sender.start()
        except BaseException:
            self._closed = True
            raise

    def queue_offsets(
        self, offsets: Mapping[TopicPartition, OffsetAndMetadata], group_id: str
    ) -> asyncio.Future[None]:
        """Add a group's offsets to the transaction, and return before they are taken.

        It is to `send_offsets_to_transaction` what `send_batch` is to `send_and_wait`: meanwhile
        records that are queued go on to their brokers.

        Raises:
            IllegalOperation: no transaction is under way, or it has failed.
        """
        if not self._txn_manager.is_in_transaction():
            raise IllegalOperation("Not in the middle of a transaction")
        taken: asyncio.Future[None] = self._txn_manager.add_offsets_to_txn(dict(offsets), group_id)
        # Whoever waits may be cancelled, and aiokafka set the result all the same.
        return asyncio.shield(taken)

    async def stop(self) -> None:
        """Give up whatever is under way, without telling the brokers: its next owner does."""
        if self._closed:
            return
        self._closed = True
        self._message_accumulator._closed = True
        self._message_accumulator.fail_all(ProducerClosed())
        task = self._sender.sender_task
        while task is not None and not task.done():
            # The first cancels its loop, the second what the loop waits for on its way out.
            task.cancel()
            await asyncio.wait([task], timeout=_ABANDON_SECONDS)
        for outcome in (task, self._txn_manager._transaction_waiter):
            if outcome is not None and outcome.done() and not outcome.cancelled():
                with suppress(BaseException):
                    outcome.exception()  # looked at, so that nobody warns of it
