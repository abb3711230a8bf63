"""`penstock produce`: publish events from files, cameras or demo sources."""

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
    from agents.commands.produce.job import Published, PublishJob
    from streams.kafka.settings import Kafka

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class KindName(StrEnum):
    """The kind of the events."""

    VIDEO = "video"
    TEXT = "text"
    SENSOR = "sensor"
    BEHAVIOR = "behavior"
    AUDIO = "audio"
    INTERACTION = "interaction"


class EventTime(StrEnum):
    """Where the event time comes from."""

    DATA = "data"
    NOW = "now"


#: The default topic of each kind.
_TOPICS = {
    KindName.VIDEO: "video.frames",
    KindName.TEXT: "text.messages",
    KindName.SENSOR: "sensor.readings",
    KindName.BEHAVIOR: "behavior.events",
    KindName.AUDIO: "audio.chunks",
    KindName.INTERACTION: "shop.interactions",
}
#: The default codec of each kind; of others it is json.
_CODECS = {KindName.VIDEO: "image", KindName.AUDIO: "audio"}


@app.command("produce")
def command(
    kind: KindName,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="For video: an image, a folder of images, a video file, /dev/video0 or "
            "rtsp://...; for audio: a sound file, a folder of them or microphone[:NAME]; for "
            "sensor and behavior: CSV or JSON lines; for text: JSON lines, CSV or plain text. "
            "Tables and texts may be packed as .gz. demo:NAME is a demo source.",
        ),
    ],
    topic: Annotated[
        str, typer.Option("--topic", help="The topic; the default depends on the kind.")
    ] = "",
    rate: Annotated[
        float, typer.Option(min=0, help="Events a second; 0: as fast as the broker accepts them.")
    ] = 0.0,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after this many events.")] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Start again when the source ends.")] = False,
    source_id: Annotated[
        str,
        typer.Option(
            help="The source id, which is the records' key, if no column holds it; "
            "default: the file's name."
        ),
    ] = "",
    codec: Annotated[
        str,
        typer.Option(
            help="json, msgpack, image or audio; default: as the pipeline file says, else image "
            "for video, audio for audio and json for other kinds."
        ),
    ] = "",
    event_time: Annotated[
        EventTime, typer.Option(help="The time in the data, or the moment of sending.")
    ] = EventTime.DATA,
    time_column: Annotated[str, typer.Option(help="The column with the time.")] = "",
    key_column: Annotated[str, typer.Option(help="The column with the source id.")] = "",
    value_columns: Annotated[
        str,
        typer.Option(
            help="The columns with the numbers, separated by commas; default: all numeric ones."
        ),
    ] = "",
    action_column: Annotated[
        str, typer.Option(help="The column with the action of behavior events.")
    ] = "",
    text_column: Annotated[str, typer.Option(help="The column with the text.")] = "text",
    chunk_ms: Annotated[
        int, typer.Option(min=0, help="Length of a chunk of sound; 0: each file in one record.")
    ] = 320,
    real_time: Annotated[
        bool, typer.Option("--real-time", help="Send sound as fast as it would be heard.")
    ] = False,
    delimiter: Annotated[
        str, typer.Option(help="The delimiter of a CSV; default: the most frequent.")
    ] = "",
    as_json: JsonOption = False,
    config: OptionalConfigOption = None,
    servers: ServersOption = "",
) -> None:
    """Publish events from a file, a camera or a demo source.

    The exit code is 1 if the broker did not acknowledge every event.
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
    options = SourceOptions(source_id, loop, columns, text_column, chunk_ms)
    if real_time:
        rate = _real_time_rate(kind, chunk_ms, rate)
    topic = topic or _TOPICS[kind]
    pipeline = optional_pipeline(config, servers)
    kafka = kafka_settings(pipeline, servers)
    codec = codec or _codec_of(pipeline, topic) or _CODECS.get(kind, "json")
    is_now = event_time is EventTime.NOW
    job = PublishJob(kind.value, source, options, topic, codec, rate, limit, is_now)
    _report(_run(job, kafka), topic, as_json)


def _real_time_rate(kind: KindName, chunk_ms: int, rate: float) -> float:
    """Return the chunks a second of one stream in real time."""
    if kind is not KindName.AUDIO or not chunk_ms or rate:
        raise UserError("--real-time is for audio in chunks, and without --rate")
    return 1000 / chunk_ms


def _codec_of(pipeline: PipelineSettings | None, topic: str) -> str:
    """Return the codec of the agent that reads the topic, or "" if none does.

    Raises:
        UserError: the agent reads other people's values there, which Penstock's events are not.
    """
    for name, agent in pipeline.agents.items() if pipeline else ():
        if topic not in agent.inputs:
            continue
        if agent.fields or agent.envelope != "none" or agent.has_schemas:
            raise UserError(
                f"agent {name} reads other people's values from {topic} (`fields`, `envelope` or "
                "a codec with a schema registry): "
                "events as `produce` writes them would be dead letters: name another --topic"
            )
        return agent.codec
    return ""


def _run(job: PublishJob, kafka: Kafka) -> Published:
    try:
        with stop_on_signals() as stop, progress_bar(job.topic, job.limit) as on_progress:
            return job.run(kafka, stop, on_progress)
    except ValueError as error:  # also a SourceError
        raise UserError(str(error)) from error


def _report(published: Published, topic: str, as_json: bool) -> None:
    deliveries, seconds = published
    if as_json:
        typer.echo(json.dumps({"topic": topic, **asdict(deliveries), "seconds": seconds}))
    else:
        rate = deliveries.num_delivered / max(seconds, 1e-9)
        typer.echo(
            f"{deliveries.num_delivered} events to {topic} in {seconds:.1f} s "
            f"({rate:.0f} a second, {deliveries.num_bytes / 1e6:.1f} MB)"
        )
    if deliveries.num_failed:
        reason = printable(deliveries.first_failure)
        typer.echo(f"{deliveries.num_failed} failed, the first with: {reason}", err=True)
        raise typer.Exit(1)
