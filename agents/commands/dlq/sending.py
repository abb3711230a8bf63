"""Writing records one by one, each acknowledged, to a partition that is named."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from agents.commands.publishing import DEFAULTS
from schemas import Settlement
from streams.kafka.errors import BrokerError, BrokerSettingsError
from streams.kafka.settings import Kafka, confluent_config

#: The broker's own limit decides, not the client's.
_MAX_BYTES = 100_000_000

_silent = logging.getLogger("penstock.dlq.librdkafka")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


@dataclass(frozen=True)
class Outgoing:
    """A record and where it goes."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]


class Sender:
    """Sends records and waits for their acknowledgement: acks=all, idempotent.

    Raises:
        BrokerSettingsError: a client setting is missing or of a wrong value.
    """

    def __init__(self, kafka: Kafka) -> None:
        config = {
            **DEFAULTS,
            **confluent_config(kafka, "producer"),
            "message.max.bytes": _MAX_BYTES,
        }
        try:
            self._producer = Producer(config, logger=_silent)
        except KafkaException as error:
            raise BrokerSettingsError(f"kafka: {error.args[0].str()}") from None

    def send(self, records: Sequence[Outgoing]) -> list[str]:
        """Send records in order; return of each why it was refused, "" where it was not."""
        why = ["no acknowledgement in time"] * len(records)
        for index, record in enumerate(records):
            self._send(record, partial(_note, why, index))
        self._producer.flush()
        return why

    def _send(self, record: Outgoing, on_delivery: Any) -> None:
        while True:
            try:
                self._producer.produce(
                    record.topic,
                    record.value,
                    record.key,
                    partition=record.partition,
                    headers=record.headers,
                    on_delivery=on_delivery,
                )
                return
            except BufferError:  # librdkafka's own queue is full: acknowledgements make room
                self._producer.poll(0.1)
            except KafkaException as error:
                on_delivery(error.args[0], None)
                return

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Write beside dead letters what was done with them.

        Raises:
            BrokerError: the broker refuses; what was done stays unmarked.
        """
        records = [
            Outgoing(s.letter.topic, s.letter.partition, *s.to_record()) for s in settlements
        ]
        if why := next(filter(None, self.send(records)), ""):
            raise BrokerError(
                f"can't mark dead letters as {settlements[0].action} on {records[0].topic}: {why}: "
                "the last ones may be taken for open"
            )


def _note(why: list[str], index: int, error: KafkaError | None, _: Any) -> None:
    why[index] = "" if error is None else str(error.str())
