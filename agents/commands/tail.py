"""`penstock tail`: print the records of a topic, one line each."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from agents.commands.cluster import (
    OptionalConfigOption,
    ServersOption,
    kafka_settings,
    optional_pipeline,
)
from agents.commands.terminal import JsonOption
from agents.process.exit import stop_on_signals

if TYPE_CHECKING:
    from streams.kafka.reader import KafkaRecord
    from streams.kafka.settings import Kafka


def command(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="The topic to read.")],
    from_beginning: Annotated[
        bool,
        typer.Option("--from-beginning", help="Start at the oldest record, not after the newest."),
    ] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="Stop after this many records.")
    ] = None,
    as_json: JsonOption = False,
    config: OptionalConfigOption = None,
    servers: ServersOption = "",
) -> None:
    """Print the records of a topic, one line each, until Ctrl-C.

    Joins no consumer group and commits no offsets, so running workers are not affected.
    """
    from agents.commands.describe import describe_record, record_as_json

    kafka = kafka_settings(optional_pipeline(config, servers), servers)
    with stop_on_signals() as stop:
        records = tail_topic(kafka, topic, from_beginning=from_beginning, stop=stop)
        for record in itertools.islice(records, limit):
            if as_json:
                typer.echo(record_as_json(record))
            else:
                typer.echo(describe_record(record.topic, record.value, record.headers))


def tail_topic(
    kafka: Kafka,
    topic: str,
    *,
    from_beginning: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[KafkaRecord]:
    """Yield the records of all partitions as they arrive, without end.

    Args:
        kafka: client settings by librdkafka's names.
        topic: must exist.
        from_beginning: start at the oldest record, not after the newest.
        stop: checked at least every tenth of a second; ends the iteration when true.

    Raises:
        BrokerError: no broker answers, there is no such topic, or a client setting is wrong.
    """
    from confluent_kafka import OFFSET_BEGINNING, OFFSET_END

    from streams.kafka.admin import probe
    from streams.kafka.errors import BrokerError, or_hidden
    from streams.kafka.reader import follow

    topics = probe(kafka).topics
    if topic not in topics:
        similar = difflib.get_close_matches(topic, topics)
        hint = (
            f"did you mean {', '.join(similar)}?"
            if similar
            else ("`penstock topics plan -c FILE` lists a pipeline's topics")
        )
        servers = kafka["bootstrap.servers"]
        raise BrokerError(f"no topic {topic!r} on {servers}{or_hidden(kafka)}: {hint}")
    start = OFFSET_BEGINNING if from_beginning else OFFSET_END
    starts = {(topic, partition): start for partition in range(topics[topic])}
    yield from follow(kafka, starts, stop)
