"""One run of `penstock produce`: from a source to an existing topic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from agents.commands.produce.event_publisher import EventPublisher
from agents.commands.produce.event_records import EventEncoder
from agents.commands.produce.sources.opening import EVENT_TYPE_OF, SourceOptions, open_source
from agents.commands.produce.sources.source import Kind, SourceError
from streams.kafka.admin import create_topics, probe
from streams.kafka.errors import BrokerError, or_hidden
from streams.kafka.publisher import Deliveries
from streams.kafka.settings import Kafka
from streams.settings import TopicSettings


class Published(NamedTuple):
    """The result of a run."""

    deliveries: Deliveries
    seconds: float


@dataclass(frozen=True)
class PublishJob:
    """What to publish, to which topic, and how."""

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
        on_progress: Callable[[Deliveries], None] = lambda _: None,
    ) -> Published:
        """Publish until the source ends, the limit is reached or `stop` returns True.

        Raises:
            BrokerError: no broker answers, or there is no such topic.
            SourceError: the source can't be read; the events before it are delivered first.
            ValueError: the codec can't encode this kind of event.
        """
        encoder = EventEncoder(EVENT_TYPE_OF[self.kind], self.codec)
        events = open_source(self.kind, self.address, self.options)
        require_topic(kafka, self.topic)
        publisher = EventPublisher(kafka, self.topic, encoder, stamp_now=self.stamp_now)
        try:
            deliveries = publisher.publish(
                events, rate=self.rate, limit=self.limit, stop=stop, on_progress=on_progress
            )
        except SourceError as error:
            before = publisher.deliveries.num_delivered
            raise SourceError(f"{error} (the {before} events before it were delivered)") from error
        return Published(deliveries, publisher.seconds)


def require_topic(kafka: Kafka, topic: str) -> None:
    """Check that a topic exists; create it on the embedded broker alone.

    Raises:
        BrokerError: it does not exist, or the broker can't be reached.
    """
    cluster = probe(kafka)
    if topic in cluster.topics:
        return
    if cluster.is_embedded:
        create_topics(kafka, {topic: TopicSettings()})
    else:
        raise BrokerError(
            f"no topic {topic!r} on {kafka['bootstrap.servers']}{or_hidden(kafka)}: create it with "
            "`penstock topics create -c FILE`, or name another topic with --topic"
        )
