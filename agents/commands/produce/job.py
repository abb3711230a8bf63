"""One run of `penstock produce`: from a place to a topic that is known to be there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agents.commands.produce.event_records import EventEncoder
from agents.commands.produce.sources.opening import EVENT_TYPE_OF, SourceOptions, open_source
from agents.commands.produce.sources.source import Kind, SourceError
from agents.commands.publishing import Published, Publisher
from streams.kafka.admin import probe
from streams.kafka.errors import BrokerError, or_hidden
from streams.kafka.settings import Kafka


@dataclass(frozen=True)
class PublishJob:
    """What to publish, where to, and how."""

    kind: Kind
    address: str
    options: SourceOptions
    topic: str
    codec: str
    rate: float = 0.0
    """Events a second; 0: no limit."""
    limit: int | None = None
    stamp_now: bool = False

    def run(
        self,
        kafka: Kafka,
        stop: Callable[[], bool] = lambda: False,
        on_progress: Callable[[Published], None] = lambda _: None,
    ) -> Published:
        """Publish until the source, the limit or `stop` ends it.

        Raises:
            BrokerError: no broker, or no such topic.
            SourceError: the source can't be read; what was sent before is delivered first.
            ValueError: the codec can't carry this kind of event.
        """
        encoder = EventEncoder(EVENT_TYPE_OF[self.kind], self.codec)
        events = open_source(self.kind, self.address, self.options)
        require_topic(kafka, self.topic)
        publisher = Publisher(kafka, self.topic, encoder, stamp_now=self.stamp_now)
        try:
            return publisher.publish(
                events, rate=self.rate, limit=self.limit, stop=stop, on_progress=on_progress
            )
        except SourceError as error:
            before = publisher.published.num_delivered
            raise SourceError(f"{error} (the {before} events before it were delivered)") from error


def require_topic(kafka: Kafka, topic: str) -> None:
    """Check that a topic is there, without making it by asking.

    Raises:
        BrokerError: it is not, or the broker can't be reached. The embedded broker makes topics
            on first use, so nothing is missing there.
    """
    cluster = probe(kafka)
    if topic not in cluster.topics and not cluster.is_embedded:
        raise BrokerError(
            f"no topic {topic!r} on {kafka['bootstrap.servers']}{or_hidden(kafka)}: make it with "
            "penstock topics create -c FILE, or name another one with --topic"
        )
