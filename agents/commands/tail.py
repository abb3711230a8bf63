"""`penstock tail`: print the records of a topic, results in words."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
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
    from agents.commands.tailing import TailedRecord


def command(
    topic: Annotated[str, typer.Argument(metavar="TOPIC")],
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Start at the oldest record.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="End after so many records.")
    ] = None,
    as_json: JsonOption = False,
    config: OptionalConfigOption = None,
    servers: ServersOption = "",
) -> None:
    """Print the records of a topic in words, until Ctrl-C. Joins no group and commits nothing."""
    from agents.commands.tailing import tail_topic

    kafka = kafka_settings(optional_pipeline(config, servers), servers)
    line = record_as_json if as_json else record_in_words
    with stop_on_signals() as stop:
        records = tail_topic(kafka, topic, from_beginning=from_beginning, stop=stop)
        for record in itertools.islice(records, limit):
            typer.echo(line(record))


def record_in_words(record: TailedRecord) -> str:
    """Return one line for people."""
    from agents.commands.describe import describe_record

    return describe_record(record.topic, record.value, record.headers)


def record_as_json(record: TailedRecord) -> str:
    """Return one line of JSON, all of it ASCII, so that it can't act on a terminal either."""
    headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
    found = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp_ms": record.timestamp_ms,
        "key": None if record.key is None else record.key.decode("utf-8", "replace"),
        "headers": headers,
        "value": _value(record.value, headers.get("content-type", "")),
    }
    return json.dumps(found)


def _value(value: bytes | None, content_type: str) -> Any:
    """Return a value's own JSON, its text, or the kind and size of what is neither."""
    from agents.commands.describe_bytes import in_general, readable

    if value is None:
        return None
    try:
        if "msgpack" in content_type:
            return readable(msgspec.msgpack.decode(value))
        return msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return in_general(value, {})
