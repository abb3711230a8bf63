"""Open a source from what a user writes: a kind, an address and columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from agents.commands.produce.sources.audio import audio_chunks
from agents.commands.produce.sources.demo import DEMO_SOURCES
from agents.commands.produce.sources.source import Kind, SourceError, repeat
from agents.commands.produce.sources.tables import Columns, behavior_events, sensor_readings
from agents.commands.produce.sources.text import text_messages
from agents.commands.produce.sources.video import video_frames
from schemas import (
    AudioChunk,
    BehaviorEvent,
    Event,
    Interaction,
    SensorReading,
    TextMessage,
    VideoFrame,
)

DEMO_PREFIX = "demo:"

EVENT_TYPE_OF: dict[Kind, type[Event]] = {
    "video": VideoFrame,
    "text": TextMessage,
    "sensor": SensorReading,
    "behavior": BehaviorEvent,
    "audio": AudioChunk,
    "interaction": Interaction,
}


@dataclass(frozen=True)
class SourceOptions:
    """Options of all kinds of sources; each kind ignores those of the others."""

    source_id: str = ""
    loop: bool = False
    columns: Columns = field(default_factory=Columns)
    """Of tables; `time` and `key` apply to texts too."""
    text_column: str = "text"
    chunk_ms: int = 320
    """Of sound; 0: each file in one record."""


def open_source(kind: Kind, address: str, options: SourceOptions) -> Iterator[Event]:
    """Return the events at an address.

    Args:
        kind: of the events.
        address: a path, a camera or stream (video only), `microphone` (audio only), or `demo:NAME`.
        options: see `SourceOptions`.

    Raises:
        SourceError: the address or demo source does not exist, or can't be read. The first event is
            read before this returns, so that a wrong name is reported before anything is sent.
    """
    read = _demo(kind, address) or _reader(kind, address, options)
    events = repeat(read) if options.loop else read()
    first = next(events, None)
    return iter(()) if first is None else chain([first], events)


def _demo(kind: Kind, address: str) -> Callable[[], Iterator[Event]] | None:
    if not address.startswith(DEMO_PREFIX):
        return None
    sources = {source.name: source for source in DEMO_SOURCES if source.kind == kind}
    name = address.removeprefix(DEMO_PREFIX)
    if name not in sources:
        names = ", ".join(DEMO_PREFIX + name for name in sources)
        raise SourceError(f"no demo source {name!r} of kind {kind}: expected one of {names}")
    return sources[name].read


def _reader(kind: Kind, address: str, options: SourceOptions) -> Callable[[], Iterator[Event]]:
    path, columns = Path(address), options.columns
    if kind == "video":
        # Video repeats itself, so that its frame index continues to count.
        return lambda: video_frames(address, source_id=options.source_id, loop=options.loop)
    if kind == "audio":
        source_id, chunk_ms = options.source_id, options.chunk_ms
        return lambda: audio_chunks(address, source_id=source_id, chunk_ms=chunk_ms)
    if kind == "sensor":
        return lambda: sensor_readings(path, columns)
    if kind == "interaction":
        raise SourceError(
            f"{address}: interactions are not read from files: use demo:shop, or map your own "
            "topic by `fields:` in the pipeline file"
        )
    if kind == "behavior":
        return lambda: behavior_events(path, columns)
    return lambda: text_messages(
        path,
        text_column=options.text_column,
        key_column=columns.key,
        time_column=columns.time,
        source_id=options.source_id,
    )
