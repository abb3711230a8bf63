"""Publish during a run: one feeder per agent, and the bad records."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from agents.commands.demo.bad_records import BadRecordSender
from agents.commands.demo.inputs import Input, Inputs
from agents.commands.demo.metrics import Scrape
from agents.commands.demo.pipeline import chained, feeds
from agents.commands.demo.report import Account, account_of
from agents.commands.produce.event_publisher import EventPublisher
from agents.commands.produce.event_records import EventEncoder
from agents.commands.produce.sources import SourceError
from schemas import EVENT_TYPES, Event
from streams.kafka.publisher import Deliveries
from streams.kafka.settings import Kafka
from streams.settings import AgentSettings, PipelineSettings

#: Limit of bytes published to a topic and not yet processed. The embedded broker silently drops
#: records beyond about 5 MB of a partition, and all keys of a topic may share one.
MAX_UNFINISHED_BYTES = 3_000_000
#: The same limit in events, as seconds at the topic's rate: a slow machine receives fewer events
#: instead of falling further and further behind.
MAX_UNFINISHED_SECONDS = 4.0
_POLL_SECONDS = 0.05
_JOIN_SECONDS = 40.0


class Feeder(threading.Thread):
    """Publishes one agent's events at a steady rate, as far ahead as the broker can keep."""

    def __init__(
        self,
        source: Input,
        agent: AgentSettings,
        kafka: Kafka,
        run_id: str,
        on_event: Callable[[Event], None],
    ) -> None:
        """Prepare to publish; `start` begins.

        Args:
            source: the events and their rate.
            agent: gives the topic, the event type and the codec.
            kafka: client settings.
            run_id: start of each event's id, by which results are matched with events.
            on_event: called with each event before it is published.
        """
        super().__init__(name=f"feed-{agent.inputs[0]}", daemon=True)
        self.num_finished = 0
        """Records that the agent has finished, by its latest metrics."""
        self.failure = ""
        """Why it ended before it was stopped; "" if it did not."""
        self._source, self._run_id, self._on_event = source, run_id, on_event
        self._stopped = threading.Event()
        encoder = EventEncoder(EVENT_TYPES[agent.event], agent.codec)
        # The data's own event times are years old: replace them by the moment of sending.
        self._publisher = EventPublisher(kafka, agent.inputs[0], encoder, stamp_now=True)

    @property
    def deliveries(self) -> Deliveries:
        """What became of the events so far."""
        return self._publisher.deliveries

    def run(self) -> None:
        """Publish until stopped, then wait for the broker's acknowledgements."""
        stopped = self._stopped.is_set
        try:
            self._publisher.publish(self._events(), rate=self._source.rate, stop=stopped)
        except SourceError as error:
            self.failure = str(error)

    def stop(self) -> None:
        """Make it send no more; `join` waits for the acknowledgements."""
        self._stopped.set()

    def _events(self) -> Iterator[Event]:
        for index, event in enumerate(self._source):
            while self._is_ahead() and not self._stopped.is_set():
                time.sleep(_POLL_SECONDS)
            event = msgspec.structs.replace(event, event_id=f"{self._run_id}-{index}")
            self._on_event(event)
            yield event

    def _is_ahead(self) -> bool:
        deliveries = self.deliveries
        unfinished = deliveries.num_sent - self.num_finished
        if unfinished <= 1:
            return False
        mean_bytes = deliveries.num_bytes / max(deliveries.num_delivered, 1)
        # Twice the mean: frames differ in size, and several large ones may follow each other.
        return (
            unfinished > MAX_UNFINISHED_SECONDS * self._source.rate
            or unfinished * 2 * mean_bytes > MAX_UNFINISHED_BYTES
        )


class Production:
    """The producers of a run, started and stopped together by `produce`."""

    def __init__(
        self,
        inputs: Inputs,
        settings: PipelineSettings,
        run_id: str,
        seconds: float,
        on_event: Callable[[Event], None],
    ) -> None:
        self._settings, self._chained = settings, chained(inputs)
        by_agent = feeds(inputs)
        self._feeders = {
            # Results are matched with events by their ids, so two agents' events have no id in
            # common.
            name: Feeder(
                source, settings.agents[name], settings.kafka, f"{run_id}-{name}", on_event
            )
            for name, source in by_agent.items()
        }
        bad = [(source, settings.agents[name]) for name, source in by_agent.items()]
        self._bad_records = BadRecordSender(bad, settings.kafka, seconds)

    def start(self) -> None:
        """Start to publish."""
        for thread in self._threads():
            thread.start()

    def stop(self) -> None:
        """Stop publishing, and wait for the broker's acknowledgements."""
        for thread in self._threads():
            thread.stop()
        for thread in self._threads():
            if thread.is_alive():
                thread.join(_JOIN_SECONDS)

    def _threads(self) -> list[Feeder | BadRecordSender]:
        return [*self._feeders.values(), self._bad_records]

    def note_progress(self, scrape: Scrape) -> None:
        """Update how far the agents are, so that the feeders don't get too far ahead."""
        for name, feeder in self._feeders.items():
            feeder.num_finished = int(scrape.sum("penstock_records_total", agent=name))

    def accounts(self, scrape: Scrape) -> list[Account]:
        """Return what became of each agent's records, by the engine's metrics."""
        fed = [
            account_of(name, *self._num_produced(name, feeder), scrape)
            for name, feeder in self._feeders.items()
        ]
        accounts = {account.agent: account for account in fed}
        for name, source in self._chained.items():
            num_results = sum(accounts[source].results.values())
            accounts[name] = account_of(name, num_results, 0, scrape)
        return list(accounts.values())

    def bad_records(self) -> dict[str, list[str]]:
        """Return the bad records that were delivered: input topic -> their descriptions."""
        return {topic: sent.descriptions for topic, sent in self._bad_records.by_topic.items()}

    def faults(self) -> Iterator[str]:
        """Yield what went wrong with publishing."""
        for name, feeder in self._feeders.items():
            deliveries = feeder.deliveries
            if feeder.failure:
                yield f"{name}: its source failed: {feeder.failure}"
            if deliveries.num_failed:
                yield (
                    f"{name}: {deliveries.num_failed} events could not be published: "
                    f"{deliveries.first_failure}"
                )
            if not deliveries.is_settled:
                yield f"{name}: the broker did not acknowledge every event"

    def _num_produced(self, name: str, feeder: Feeder) -> tuple[int, int]:
        """Return the records that were delivered to an agent's topic, and how many are bad."""
        num_bad = self._bad_records.by_topic[self._settings.agents[name].inputs[0]].num_delivered
        return feeder.deliveries.num_delivered + num_bad, num_bad


@contextmanager
def produce(production: Production) -> Iterator[Production]:
    """Publish for the length of a `with` block."""
    production.start()
    try:
        yield production
    finally:
        production.stop()
