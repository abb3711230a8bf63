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
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import TopicPartition as ConfluentTopicPartition

from streams.kafka.clients import make_consumer
from streams.kafka.positions import CommittedPosition, position_of
from streams.kafka.settings import Kafka
from streams.records import TopicPartition
from streams.retry import retry

logger = logging.getLogger(__name__)

_RETRY_SECONDS, _MAX_RETRY_SECONDS = 0.05, 1.0
_REQUEST_SECONDS = 5.0
#: Shorter waits are not reported.
_QUIET_SECONDS = 5.0
#: A long wait is logged as often as this.
_LOG_AGAIN_SECONDS = 60.0
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
        self._problem = ""
        self._began = self._logged = 0.0

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
        wanted = [ConfluentTopicPartition(*tp) for tp in partitions]

        async def attempt() -> dict[TopicPartition, CommittedPosition]:
            return await asyncio.to_thread(self._request, wanted)

        self._began = self._logged = time.monotonic()
        try:
            answer = await retry(
                attempt, _TransientError, self._note_failure,
                wait_seconds=_RETRY_SECONDS, max_wait_seconds=_MAX_RETRY_SECONDS,
            )  # fmt: skip
            if self._problem:
                logger.warning("group %s: its committed offsets are there again", self._group_id)
            return answer
        finally:
            self._problem = ""

    def problem(self) -> str:
        """Return what a long wait is for, in words; "" if there is none. Thread-safe."""
        return self._problem

    def _note_failure(self, error: Exception, num_failures: int) -> None:
        now = time.monotonic()
        waited = now - self._began
        if waited <= _QUIET_SECONDS:
            return
        group = self._group_id
        problem = f"waiting for {waited:.0f} s for the committed offsets of group {group}: {error}"
        if not self._problem or now - self._logged > _LOG_AGAIN_SECONDS:
            self._logged = now
            logger.warning("%s", problem)
        self._problem = problem

    def _request(
        self, wanted: list[ConfluentTopicPartition]
    ) -> dict[TopicPartition, CommittedPosition]:
        # It joins no group: it subscribes to nothing. A new one for each attempt: one that was made
        # while the brokers started may never find the group's coordinator.
        settings = {"group.id": self._group_id, "isolation.level": "read_committed"}
        consumer = make_consumer(self._kafka, settings)
        try:
            answered = consumer.committed(wanted, timeout=_REQUEST_SECONDS)
        except KafkaException as error:
            raise self._error(error.args[0]) from error
        finally:
            consumer.close()
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
        if error.code() in (KafkaError.UNSTABLE_OFFSET_COMMIT, KafkaError._TIMED_OUT):
            # librdkafka asks again while they are unstable, until the time is over.
            return _TransientError(
                f"{error.str()}: a transaction is still open, or the group coordinator does not "
                "answer. If this does not end, look for open transactions with Kafka's "
                "kafka-transactions.sh (list, find-hanging)"
            )
        if error.code() in _TRANSIENT or error.code() < 0:
            return _TransientError(error.str())
        reason: Exception = for_code(error.code())(f"committed offsets of group {self._group_id}")
        return reason


class _TransientError(Exception):
    """The offsets are not stable yet, or the coordinator can't be reached."""
