"""Publish records to Kafka and count what became of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from streams.kafka.clients import make_producer
from streams.kafka.settings import Kafka

#: Apply unless the pipeline's `kafka:` sets them. librdkafka partitions by CRC-32, Java and
#: aiokafka by murmur2: with murmur2, a key's records share a partition whichever client sends them.
PRODUCER_DEFAULTS: dict[str, str | int | float | bool] = {
    "acks": "all",
    "enable.idempotence": True,
    "partitioner": "murmur2_random",
    "delivery.timeout.ms": 30_000,
}
#: How long to wait for acknowledgements when librdkafka's queue is full.
_FULL_QUEUE_SECONDS = 0.1

#: Called once a record is acknowledged, with "", or has failed, with the reason.
OnDelivery = Callable[[str], None]


def _ignore_delivery(_: str) -> None: ...


@dataclass
class Deliveries:
    """How many records were sent, and what became of them so far."""

    num_sent: int = 0
    num_delivered: int = 0
    """Acknowledged by the broker."""
    num_failed: int = 0
    num_bytes: int = 0
    """Bytes of the keys and values that were delivered."""
    first_failure: str = ""
    """Why the first of `num_failed` failed."""

    @property
    def is_settled(self) -> bool:
        """Whether each record that was sent is delivered or has failed."""
        return self.num_sent == self.num_delivered + self.num_failed

    def fail(self, reason: str) -> None:
        """Count a record that failed."""
        self.num_failed += 1
        self.first_failure = self.first_failure or reason


class Publisher:
    """Sends records without waiting for each. Not thread-safe: one caller at a time.

    Args:
        kafka: client settings by librdkafka's names; `PRODUCER_DEFAULTS` fill in what is absent.
        settings: override `kafka`.

    Raises:
        BrokerSettingsError: a client setting is missing or has a wrong value.
    """

    def __init__(self, kafka: Kafka, settings: Kafka | None = None) -> None:
        self._producer = make_producer({**PRODUCER_DEFAULTS, **kafka}, settings)
        self.deliveries = Deliveries()
        self.outstanding_bytes = 0
        """Bytes of the keys and values that are neither acknowledged nor failed."""

    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        *,
        partition: int = -1,
        headers: Sequence[tuple[str, bytes | None]] = (),
        timestamp_ms: int = 0,
        on_delivery: OnDelivery = _ignore_delivery,
    ) -> None:
        """Queue a record; waits only while librdkafka's queue is full.

        Args:
            topic: must exist; records for a missing one fail.
            value: None for a tombstone.
            key: decides the partition, unless `partition` is given.
            partition: -1: chosen by the key.
            headers: in order.
            timestamp_ms: milliseconds since 1970; 0: the moment of sending.
            on_delivery: called from `serve`, `flush` or a later `send`.
        """
        num_bytes = len(key or b"") + len(value or b"")
        self.deliveries.num_sent += 1
        self.outstanding_bytes += num_bytes
        settle = partial(self._settle, num_bytes, on_delivery)
        while True:
            try:
                self._producer.produce(
                    topic,
                    value,
                    key,
                    partition,
                    on_delivery=settle,
                    timestamp=timestamp_ms,
                    headers=list(headers),
                )
                return
            except BufferError:  # acknowledgements make room
                self._producer.poll(_FULL_QUEUE_SECONDS)
            except KafkaException as error:  # larger than the client's message.max.bytes
                return settle(error.args[0], None)

    def serve(self, seconds: float = 0.0) -> None:
        """Handle acknowledgements; waits at most `seconds` for the first."""
        self._producer.poll(seconds)

    def flush(self, seconds: float = -1.0) -> int:
        """Wait until every record is acknowledged or has failed.

        Args:
            seconds: to wait at most; -1: no limit but `delivery.timeout.ms`.

        Returns:
            How many records are still neither.
        """
        return int(self._producer.flush(seconds))

    def _settle(
        self, num_bytes: int, on_delivery: OnDelivery, error: KafkaError | None, _: Any
    ) -> None:
        self.outstanding_bytes -= num_bytes
        reason = "" if error is None else str(error.str())
        if error is None:
            self.deliveries.num_delivered += 1
            self.deliveries.num_bytes += num_bytes
        else:
            self.deliveries.fail(reason)
        on_delivery(reason)
