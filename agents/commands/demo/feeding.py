"""Publishing one kind of events at a steady rate, never further ahead than the broker can keep."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import msgspec

from agents.commands.demo.inputs import Input
from agents.commands.produce.event_records import EventEncoder
from agents.commands.produce.sources import SourceError
from agents.commands.publishing import Published, Publisher
from schemas import EVENT_TYPES, Event
from streams.kafka.settings import Kafka
from streams.settings import AgentSettings

#: Of a topic, published and not yet finished. The embedded broker silently drops what is older
#: than about 5 MB of a partition, and all keys of a topic may share one.
MAX_UNFINISHED_BYTES = 3_000_000
#: The same in events, as so many seconds of the rate: a slow machine is fed less instead of
#: falling behind until the end.
MAX_UNFINISHED_SECONDS = 4.0
_POLL_SECONDS = 0.05


class Feeder(threading.Thread):
    """Feeds one agent until it is stopped."""

    def __init__(
        self,
        fed: Input,
        agent: AgentSettings,
        kafka: Kafka,
        run_id: str,
        on_event: Callable[[Event], None],
    ) -> None:
        """Say what to publish; nothing is sent yet.

        Args:
            fed: the events and their rate.
            agent: whose topic, event type and codec they take.
            kafka: client settings.
            run_id: begins each event's id, by which results are matched with events.
            on_event: told of each event before it is published.
        """
        super().__init__(name=f"feed-{agent.inputs[0]}", daemon=True)
        self.num_finished = 0
        """Records that the agent has finished, as whoever scrapes it last saw."""
        self.failure = ""
        """Why it ended before it was stopped; "": it did not."""
        self._fed, self._run_id, self._on_event = fed, run_id, on_event
        self._stopped = threading.Event()
        encoder = EventEncoder(EVENT_TYPES[agent.event], agent.codec)
        # Event times become the moment of sending: the data's own lie years back.
        self._publisher = Publisher(kafka, agent.inputs[0], encoder, stamp_now=True)

    @property
    def published(self) -> Published:
        """What became of the events so far."""
        return self._publisher.published

    def run(self) -> None:
        """Publish until stopped, then wait for the broker's acknowledgements."""
        stopped = self._stopped.is_set
        try:
            self._publisher.publish(self._events(), rate=self._fed.rate, stop=stopped)
        except SourceError as error:
            self.failure = str(error)

    def stop(self) -> None:
        """Let it send no more; `join` waits for the acknowledgements."""
        self._stopped.set()

    def _events(self) -> Iterator[Event]:
        for index, event in enumerate(self._fed):
            while self._is_ahead() and not self._stopped.is_set():
                time.sleep(_POLL_SECONDS)
            event = msgspec.structs.replace(event, event_id=f"{self._run_id}-{index}")
            self._on_event(event)
            yield event

    def _is_ahead(self) -> bool:
        published = self.published
        unfinished = published.num_sent - self.num_finished
        if unfinished <= 1:
            return False
        mean_bytes = published.num_bytes / max(published.num_delivered, 1)
        # Twice the mean: frames differ in size, and large ones may come in a row.
        return (
            unfinished > MAX_UNFINISHED_SECONDS * self._fed.rate
            or unfinished * 2 * mean_bytes > MAX_UNFINISHED_BYTES
        )
