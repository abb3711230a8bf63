"""`penstock produce`: publish events from files, cameras or the demo's sources."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from agents.commands.cluster import (
    OptionalConfigOption,
    ServersOption,
    kafka_settings,
    optional_pipeline,
)
from agents.commands.terminal import JsonOption, progress_bar
from agents.errors import UserError, printable
from agents.process.exit import stop_on_signals
from streams.settings import PipelineSettings

if TYPE_CHECKING:
    from agents.commands.produce.job import PublishJob
    from agents.commands.publishing import Published
    from streams.kafka.settings import Kafka

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class KindName(StrEnum):
    """What the events are."""

    VIDEO = "video"
    TEXT = "text"
    SENSOR = "sensor"
    BEHAVIOR = "behavior"


class EventTime(StrEnum):
    """Where an event's time comes from."""

    DATA = "data"
    NOW = "now"


#: Where each kind goes unless `--topic` says otherwise, and how unless the pipeline file does.
_TOPICS = {
    KindName.VIDEO: "video.frames",
    KindName.TEXT: "text.messages",
    KindName.SENSOR: "sensor.readings",
    KindName.BEHAVIOR: "behavior.events",
}


@app.command("produce")
def command(
    kind: KindName,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="video: an image, a folder of images, a video file, /dev/video0, rtsp://...; "
            "sensor, behavior: CSV or JSON lines; text: JSON lines, CSV or plain text; each "
            "file also as .gz; demo:NAME takes one of the demo's sources",
        ),
    ],
    topic: Annotated[str, typer.Option("--topic", help="By default the kind's usual one.")] = "",
    rate: Annotated[
        float, typer.Option(min=0, help="Events a second; 0: as fast as the broker takes them.")
    ] = 0.0,
    limit: Annotated[int | None, typer.Option(min=1, help="End after so many events.")] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Start again at the source's end.")] = False,
    source_id: Annotated[
        str, typer.Option(help="The records' key, if no column holds it; else the file's name.")
    ] = "",
    codec: Annotated[
        str,
        typer.Option(help="json, msgpack or image; by default the pipeline's, image for video."),
    ] = "",
    event_time: Annotated[
        EventTime, typer.Option(help="The data's own, or the moment of sending.")
    ] = EventTime.DATA,
    time_column: Annotated[str, typer.Option(help="Holds the time.")] = "",
    key_column: Annotated[str, typer.Option(help="Holds the source id.")] = "",
    value_columns: Annotated[
        str, typer.Option(help="Hold the numbers, separated by commas; by default all that do.")
    ] = "",
    action_column: Annotated[str, typer.Option(help="Holds the action, of behavior.")] = "",
    text_column: Annotated[str, typer.Option(help="Holds the text.")] = "text",
    delimiter: Annotated[str, typer.Option(help="Of a CSV; by default the likeliest.")] = "",
    as_json: JsonOption = False,
    config: OptionalConfigOption = None,
    servers: ServersOption = "",
) -> None:
    """Publish events from a file, a camera or one of the demo's sources.

    Each is acknowledged by the broker; the exit code is 1 if some were not.
    """
    from agents.commands.produce.job import PublishJob
    from agents.commands.produce.sources.opening import SourceOptions
    from agents.commands.produce.sources.tables import Columns

    columns = Columns(
        time=time_column,
        key=key_column,
        values=tuple(name.strip() for name in value_columns.split(",") if name.strip()),
        action=action_column,
        source_id=source_id,
        delimiter=delimiter,
    )
    options = SourceOptions(source_id, loop, columns, text_column)
    topic = topic or _TOPICS[kind]
    pipeline = optional_pipeline(config, servers)
    kafka = kafka_settings(pipeline, servers)
    codec = codec or _codec_of(pipeline, topic) or ("image" if kind == "video" else "json")
    is_now = event_time is EventTime.NOW
    job = PublishJob(kind.value, source, options, topic, codec, rate, limit, is_now)
    _report(_run(job, kafka), topic, as_json)


def _codec_of(pipeline: PipelineSettings | None, topic: str) -> str:
    agents = pipeline.agents.values() if pipeline else ()
    return next((agent.codec for agent in agents if topic in agent.inputs), "")


def _run(job: PublishJob, kafka: Kafka) -> Published:
    try:
        with stop_on_signals() as stop, progress_bar(job.topic, job.limit) as on_progress:
            return job.run(kafka, stop, on_progress)
    except ValueError as error:  # also a SourceError
        raise UserError(str(error)) from error


def _report(published: Published, topic: str, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"topic": topic, **asdict(published)}))
    else:
        rate = published.num_delivered / max(published.seconds, 1e-9)
        typer.echo(
            f"{published.num_delivered} events to {topic} in {published.seconds:.1f} s "
            f"({rate:.0f} a second, {published.num_bytes / 1e6:.1f} MB)"
        )
    if published.num_failed:
        typer.echo(
            f"{published.num_failed} failed, the first with: {printable(published.first_failure)}",
            err=True,
        )
        raise typer.Exit(1)
