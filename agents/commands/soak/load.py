"""A steady stream of records, some of them bad, that survives a broker's absence."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from confluent_kafka import KafkaError, Message, Producer

from agents.commands.soak.model import POISON
from streams.kafka.settings import Kafka, confluent_config

#: Of records: one that the model raises on, and one that is no JSON.
_POISON_EVERY, _BROKEN_EVERY = 211, 307
_NUM_KEYS = 20
#: How often a bundle of records leaves.
_TICK_SECONDS = 0.02
#: Longer than any outage on purpose: a record that was taken on is delivered.
_MESSAGE_TIMEOUT_MS = 900_000

_OURS: Mapping[str, str | int | bool] = {
    "enable.idempotence": True,
    "linger.ms": 5,
    "message.timeout.ms": _MESSAGE_TIMEOUT_MS,
    "log_level": 0,
}


class Load:
    """Publishes numbers on a thread of its own: 0, 1, 2 ... over 20 keys."""

    def __init__(
        self,
        kafka: Kafka,
        topic: str,
        per_second: float,
        extra: tuple[float, ...] = (),
        poisons: bool = True,
    ) -> None:
        """Say what to send; nothing is sent yet.

        Args:
            kafka: client settings by librdkafka's names.
            topic: that it goes to.
            per_second: records.
            extra: numbers to send now and then besides.
            poisons: whether some make the model raise.
        """
        config: dict[str, Any] = {**confluent_config(kafka, "producer"), **_OURS}
        self._producer = Producer(config)
        self._topic = topic
        self._per_second = per_second
        self._extra = extra
        self._poisons = poisons
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self.num_delivered = 0
        self.num_failed = 0

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self, timeout: float = 120.0) -> bool:
        """Send no more; return whether all that was sent is with the broker."""
        self._stop.set()
        self._thread.join()
        return self._producer.flush(timeout) == 0 and not self.num_failed

    def _run(self) -> None:
        started, count = time.monotonic(), 0
        while not self._stop.wait(_TICK_SECONDS):
            due = int((time.monotonic() - started) * self._per_second)
            for number in range(count, due):
                self._send(number)
            count = max(count, due)
            self._producer.poll(0)

    def _send(self, number: int) -> None:
        while True:
            try:
                self._producer.produce(
                    self._topic, self._value(number), f"key-{number % _NUM_KEYS}",
                    on_delivery=self._delivered,
                )  # fmt: skip
                return
            except BufferError:  # the broker is away
                self._producer.poll(0.1)

    def _value(self, number: int) -> bytes:
        x = float(1_000 + number)
        if number % _BROKEN_EVERY == 1:
            return b'{"x": '
        if self._poisons and number % _POISON_EVERY == 1:
            x = POISON
        elif self._extra and number % _POISON_EVERY == 100:
            x = self._extra[number // _POISON_EVERY % len(self._extra)]
        return msgspec.json.encode({"x": x})

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self.num_delivered += 1
        else:
            self.num_failed += 1
