"""Publishing events to a topic: keyed, paced, bounded in memory, every delivery accounted for."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import msgspec
from confluent_kafka import KafkaError, KafkaException, Producer

from agents.commands.produce.event_records import EventEncoder, EventRecord
from agents.commands.produce.pacing import Pace
from schemas import Event, InputError
from streams.kafka.errors import BrokerSettingsError
from streams.kafka.settings import Kafka, confluent_config

#: Bytes sent and not yet acknowledged; also what a crash of the producer can lose.
MAX_OUTSTANDING_BYTES = 32 * 1024 * 1024
#: What holds unless the pipeline's `kafka:` says otherwise. librdkafka would partition by CRC-32,
#: Java and aiokafka by murmur2: with theirs, a key's records share a partition whoever sends them.
DEFAULTS: dict[str, str | int | float | bool] = {
    "acks": "all",
    "enable.idempotence": True,
    "partitioner": "murmur2_random",
    "delivery.timeout.ms": 30_000,
}
#: Events between two looks at what was acknowledged.
_SERVE_EVERY = 64

_silent = logging.getLogger("penstock.publishing.librdkafka")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


@dataclass
class Published:
    """What became of the events so far."""

    num_sent: int = 0
    num_delivered: int = 0
    """Acknowledged by the broker."""
    num_failed: int = 0
    num_bytes: int = 0
    """Of keys and values delivered."""
    seconds: float = 0.0
    first_failure: str = ""
    """Why the first of `num_failed` failed."""

    @property
    def is_settled(self) -> bool:
        """Whether each event that was sent is delivered or has failed."""
        return self.num_sent == self.num_delivered + self.num_failed


class Publisher:
    """Sends events of one type to one topic. One caller at a time.

    Args:
        kafka: client settings by librdkafka's names; `DEFAULTS` fill what is absent.
        topic: must exist, or the broker must make topics by itself.
        encoder: of the topic's events.
        stamp_now: replace each event's time by the moment of sending, for data of the past that
            is to be seen as live.
        max_outstanding_bytes: reading stops while so many bytes await their acknowledgement.

    Raises:
        BrokerSettingsError: a client setting is missing or of a wrong value.
    """

    def __init__(
        self,
        kafka: Kafka,
        topic: str,
        encoder: EventEncoder,
        *,
        stamp_now: bool = False,
        max_outstanding_bytes: int = MAX_OUTSTANDING_BYTES,
    ) -> None:
        config = {**DEFAULTS, **confluent_config(kafka, "producer")}
        try:
            self._producer = Producer(config, logger=_silent)
        except KafkaException as error:
            raise BrokerSettingsError(f"kafka: {error.args[0].str()}") from None
        self._topic = topic
        self._encoder = encoder
        self._stamp_now = stamp_now
        self._max_outstanding_bytes = max_outstanding_bytes
        self._outstanding_bytes = 0
        self.published = Published()

    def publish(
        self,
        events: Iterable[Event],
        *,
        rate: float = 0.0,
        limit: int | None = None,
        stop: Callable[[], bool] = lambda: False,
        on_progress: Callable[[Published], None] = lambda _: None,
    ) -> Published:
        """Send events until they end, then wait until each is acknowledged or has failed.

        Args:
            events: read one at a time, no faster than they are sent.
            rate: events a second; 0: as fast as the broker takes them.
            limit: events at most; None: all.
            stop: asked before each event and while waiting; true ends it early.
            on_progress: called now and then, from this thread.

        Returns:
            The counts since this publisher was made.
        """
        started = time.monotonic()
        try:
            self._send_all(islice(events, limit), Pace(rate), stop, on_progress)
        finally:  # a source that breaks off must not cost what was read before
            while not self.published.is_settled:
                self._serve(0.1, on_progress)
            self.published.seconds += time.monotonic() - started
        return self.published

    def _send_all(
        self,
        events: Iterable[Event],
        pace: Pace,
        stop: Callable[[], bool],
        on_progress: Callable[[Published], None],
    ) -> None:
        for index, event in enumerate(events):
            self._wait_for_turn(pace, stop, on_progress)
            if stop():
                return
            self._send(event)
            if index % _SERVE_EVERY == 0:
                self._serve(0, on_progress)

    def _wait_for_turn(
        self, pace: Pace, stop: Callable[[], bool], on_progress: Callable[[Published], None]
    ) -> None:
        while (wait := pace.wait_seconds()) > 0 and not stop():
            self._serve(min(wait, 0.1), on_progress)
        pace.took_turn()
        while self._outstanding_bytes > self._max_outstanding_bytes and not stop():
            self._serve(0.1, on_progress)

    def _serve(self, seconds: float, on_progress: Callable[[Published], None]) -> None:
        self._producer.poll(seconds)
        on_progress(self.published)

    def _send(self, event: Event) -> None:
        if self._stamp_now:
            event = msgspec.structs.replace(event, event_time_ms=time.time_ns() // 1_000_000)
        self.published.num_sent += 1
        try:
            record = self._encoder.encode(event)
        except InputError as error:
            return self._fail(str(error))
        self._outstanding_bytes += record.num_bytes
        on_delivery = partial(self._settle, record.num_bytes)
        while True:
            try:
                return self._produce(record, on_delivery)
            except BufferError:  # librdkafka's own queue is full: acknowledgements make room
                self._producer.poll(0.1)

    def _produce(self, record: EventRecord, on_delivery: Callable[..., None]) -> None:
        try:
            # The record's timestamp stays the moment of sending: with an old event time in it,
            # a topic's retention would delete the record at once.
            self._producer.produce(
                self._topic,
                record.value,
                record.key,
                on_delivery=on_delivery,
                headers=record.headers,
            )
        except KafkaException as error:  # too large for the client's message.max.bytes
            on_delivery(error.args[0], None)

    def _settle(self, num_bytes: int, error: KafkaError | None, _: Any) -> None:
        self._outstanding_bytes -= num_bytes
        if error is not None:
            return self._fail(str(error.str()))
        self.published.num_delivered += 1
        self.published.num_bytes += num_bytes

    def _fail(self, reason: str) -> None:
        self.published.num_failed += 1
        self.published.first_failure = self.published.first_failure or reason
