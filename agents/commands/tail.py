"""`penstock tail`: print the records of a topic, one line each."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.commands.cluster import (
    OptionalConfigOption,
    ServersOption,
    kafka_settings,
    optional_pipeline,
)
from agents.commands.framed_values import (
    AnyFramedValues,
    RegistryOption,
    as_json_bytes,
    framed_values,
    is_framed,
)
from agents.commands.terminal import JsonOption
from agents.errors import printable
from agents.process.exit import stop_on_signals
from schemas import InputError
from schemas.dead_letter import is_dead_letter

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
    save: Annotated[
        Path | None,
        typer.Option("--save", help="Also write the sound of each stream to a WAV file in here."),
    ] = None,
    play: Annotated[bool, typer.Option("--play", help="Also play the sound.")] = False,
    config: OptionalConfigOption = None,
    servers: ServersOption = "",
    registry: RegistryOption = "",
) -> None:
    """Print the records of a topic, one line each, until Ctrl-C.

    Values that a schema registry frames (Avro, Protobuf, JSON Schema) are decoded if --registry or
    the pipeline file names it.

    Joins no consumer group and commits no offsets, so running workers are not affected.
    """
    pipeline = optional_pipeline(config, servers)
    kafka = kafka_settings(pipeline, servers)
    with (
        stop_on_signals() as stop,
        framed_values(pipeline, registry) as framed,
        _sound_outputs(save, play) as outputs,
    ):
        records = tail_topic(kafka, topic, from_beginning=from_beginning, stop=stop)
        for record in itertools.islice(records, limit):
            typer.echo(record_line(record, framed, as_json=as_json))
            for take in outputs:
                take(record)


@contextmanager
def _sound_outputs(save: Path | None, play: bool) -> Iterator[list[Callable[[KafkaRecord], None]]]:
    """Yield what takes the sound of each record."""
    if save is None and not play:
        yield []
        return
    from agents.commands.sound_output import SoundFolder, Speaker

    folder = SoundFolder(save) if save is not None else None
    try:
        takes = [folder.take] if folder is not None else []
        yield [*takes, *([Speaker().take] if play else [])]
    finally:
        if folder is not None:
            folder.close()
            for path in folder.paths:
                typer.echo(f"saved {path}", err=True)


def record_line(record: KafkaRecord, framed: AnyFramedValues | None, *, as_json: bool) -> str:
    """Return a record as one line.

    Args:
        record: any.
        framed: decodes values that a schema registry frames; None: they are shown as bytes.
        as_json: whether the line is JSON.

    Raises:
        RegistryError: the registry does not answer, or refuses the login.
    """
    from agents.commands.describe import describe_record, record_as_json

    value, note = record.value, ""
    if framed is not None and value is not None and is_framed(value, record.headers):
        try:
            value = as_json_bytes(framed.read(value, record.headers))
        except InputError as error:
            note = f"  ({error})"
    is_decoded = value is not record.value
    if as_json:
        return record_as_json(record, decoded=value if is_decoded else None)
    headers = record.headers
    if is_decoded and not is_dead_letter(headers):
        headers = [*headers, ("content-type", b"application/json")]
    else:
        value = record.value
    return describe_record(record.topic, value, headers) + printable(note)


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
