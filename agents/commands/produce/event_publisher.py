"""Publish events of one type to one topic: at a steady rate, in bounded memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import islice

import msgspec

from agents.commands.produce.event_records import EventEncoder
from schemas import Event, InputError
from streams.kafka.publisher import Deliveries, Publisher
from streams.kafka.settings import Kafka

#: Limit of bytes sent and not yet acknowledged; a crash of the producer can lose as many.
MAX_OUTSTANDING_BYTES = 32 * 1024 * 1024
#: How far the schedule may fall behind before it starts again from now. Otherwise a source that
#: stalled would be followed by a burst.
MAX_BEHIND_SECONDS = 1.0
#: Shorter pauses than this are skipped: they take more time than they ask for.
_MIN_PAUSE_SECONDS = 0.001
#: Handle acknowledgements after this many events, and this often while waiting.
_SERVE_EVERY, _SERVE_SECONDS = 64, 0.1


class Pace:
    """A schedule of turns at a steady rate; time spent between turns counts.

    Args:
        rate: turns a second, 0 for no limit.
        clock: seconds, monotonic.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1 / rate if rate > 0 else 0.0
        self._clock = clock
        self._due = clock()

    def wait_seconds(self) -> float:
        """Return the time until the next turn, 0 if it is due."""
        if not self._interval:
            return 0.0
        wait = self._due - self._clock()
        return wait if wait > _MIN_PAUSE_SECONDS else 0.0

    def took_turn(self) -> None:
        """Advance the schedule by one turn."""
        self._due = max(self._due, self._clock() - MAX_BEHIND_SECONDS) + self._interval


class EventPublisher:
    """Sends events of one type to one topic. One caller at a time.

    Args:
        kafka: client settings by librdkafka's names.
        topic: must exist; records for a missing one fail.
        encoder: of the topic's events.
        stamp_now: replace each event's time by the moment of sending, to publish old data as if it
            were live.
        max_outstanding_bytes: stop reading events while more bytes than this are not acknowledged.

    Raises:
        BrokerSettingsError: a client setting is missing or has a wrong value.
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
        self._publisher = Publisher(kafka)
        self._topic = topic
        self._encoder = encoder
        self._stamp_now = stamp_now
        self._max_outstanding_bytes = max_outstanding_bytes
        self.seconds = 0.0
        """Time spent in `publish`."""

    @property
    def deliveries(self) -> Deliveries:
        """What became of the events so far."""
        return self._publisher.deliveries

    def publish(
        self,
        events: Iterable[Event],
        *,
        rate: float = 0.0,
        limit: int | None = None,
        stop: Callable[[], bool] = lambda: False,
        on_progress: Callable[[Deliveries], None] = lambda _: None,
    ) -> Deliveries:
        """Send all events, then wait until each is acknowledged or has failed.

        Args:
            events: read one at a time, no faster than they are sent.
            rate: events a second; 0: as fast as the broker accepts them.
            limit: send at most this many; None: all.
            stop: checked before each event and while waiting; ends the run early when true.
            on_progress: called now and then, from this thread.

        Returns:
            The counts since this publisher was created.
        """
        started = time.monotonic()
        try:
            self._send_all(islice(events, limit), Pace(rate), stop, on_progress)
        finally:  # if the source fails, the events before its failure are still delivered
            while not self.deliveries.is_settled:
                self._serve(_SERVE_SECONDS, on_progress)
            self.seconds += time.monotonic() - started
        return self.deliveries

    def _send_all(
        self,
        events: Iterable[Event],
        pace: Pace,
        stop: Callable[[], bool],
        on_progress: Callable[[Deliveries], None],
    ) -> None:
        for index, event in enumerate(events):
            self._wait_for_turn(pace, stop, on_progress)
            if stop():
                return
            self._send(event)
            if index % _SERVE_EVERY == 0:
                self._serve(0, on_progress)

    def _wait_for_turn(
        self, pace: Pace, stop: Callable[[], bool], on_progress: Callable[[Deliveries], None]
    ) -> None:
        while (wait := pace.wait_seconds()) > 0 and not stop():
            self._serve(min(wait, _SERVE_SECONDS), on_progress)
        pace.took_turn()
        while self._publisher.outstanding_bytes > self._max_outstanding_bytes and not stop():
            self._serve(_SERVE_SECONDS, on_progress)

    def _serve(self, seconds: float, on_progress: Callable[[Deliveries], None]) -> None:
        self._publisher.serve(seconds)
        on_progress(self.deliveries)

    def _send(self, event: Event) -> None:
        if self._stamp_now:
            event = msgspec.structs.replace(event, event_time_ms=time.time_ns() // 1_000_000)
        try:
            record = self._encoder.encode(event)
        except InputError as error:
            self.deliveries.num_sent += 1
            return self.deliveries.fail(str(error))
        # Without a timestamp, so that it becomes the moment of sending: with an old event time as
        # its timestamp, the topic's retention would delete the record at once.
        self._publisher.send(self._topic, record.value, record.key, headers=record.headers)
