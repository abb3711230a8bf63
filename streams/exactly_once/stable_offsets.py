"""Fetch committed offsets that no open transaction can still change (KIP-447).

A partition's new owner has ended its predecessor's transaction before it fetches them. But brokers
before 4.0 acknowledge the end of a transaction a moment before it reaches the group's offsets.
aiokafka's request does not wait for that moment; that of a confluent-kafka consumer does, with
`read_committed`. (An admin client could too, but librdkafka 2.16 crashes where its coordinator has
moved.)
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from aiokafka.errors import for_code
from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as ConfluentTopicPartition

from streams.kafka.clients import make_consumer
from streams.kafka.positions import CommittedPosition, position_of
from streams.kafka.settings import Kafka
from streams.records import TopicPartition
from streams.retry import retry

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 0.05
_REQUEST_SECONDS = 5.0
#: Shorter waits are not logged.
_QUIET_SECONDS = 5.0
_TRANSIENT = (
    KafkaError.UNSTABLE_OFFSET_COMMIT,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.REQUEST_TIMED_OUT,
)


class StableOffsets:
    """Fetches the committed offsets of one consumer group."""

    def __init__(self, kafka: Kafka, group_id: str) -> None:
        """Connect nothing yet.

        Args:
            kafka: client settings by librdkafka's names.
            group_id: the consumer group.
        """
        self._kafka = kafka
        self._group_id = group_id

    async def fetch(
        self, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, CommittedPosition]:
        """Return committed offsets; wait for open transactions, and while no broker answers.

        Returns:
            What the group has committed, for those partitions that have an offset.

        Raises:
            aiokafka.errors.KafkaError: the brokers reject the request.
            BrokerSettingsError: a client setting has a wrong value.
        """
        if not partitions:
            return {}
        began = time.monotonic()
        is_logged = False

        def log_long_wait(error: Exception, num_failures: int) -> None:
            nonlocal is_logged
            if is_logged or time.monotonic() - began <= _QUIET_SECONDS:
                return
            is_logged = True
            logger.warning(
                "waiting for the committed offsets of group %s: a transaction is still open, or "
                "the group coordinator does not answer: %s", self._group_id, error,
            )  # fmt: skip

        # It joins no group: it subscribes to nothing.
        settings = {"group.id": self._group_id, "isolation.level": "read_committed"}
        consumer = make_consumer(self._kafka, settings)
        wanted = [ConfluentTopicPartition(*tp) for tp in partitions]

        async def attempt() -> dict[TopicPartition, CommittedPosition]:
            return await asyncio.to_thread(self._request, consumer, wanted)

        try:
            return await retry(attempt, _TransientError, log_long_wait, wait_seconds=_RETRY_SECONDS)
        finally:
            await asyncio.to_thread(consumer.close)

    def _request(
        self, consumer: Consumer, wanted: list[ConfluentTopicPartition]
    ) -> dict[TopicPartition, CommittedPosition]:
        try:
            answered = consumer.committed(wanted, timeout=_REQUEST_SECONDS)
        except KafkaException as error:
            raise self._error(error.args[0]) from error
        for partition in answered:
            if partition.error is not None:
                raise self._error(partition.error)
        return {
            TopicPartition(partition.topic, partition.partition): position_of(partition)
            for partition in answered
            if partition.offset >= 0
        }

    def _error(self, error: KafkaError) -> Exception:
        # Negative codes are librdkafka's own: no connection, no answer in time.
        if error.code() in _TRANSIENT or error.code() < 0:
            return _TransientError(error.str())
        reason: Exception = for_code(error.code())(f"committed offsets of group {self._group_id}")
        return reason


class _TransientError(Exception):
    """The offsets are not stable yet, or the coordinator can't be reached."""
