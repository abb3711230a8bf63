"""From what a user writes (a kind, a place, columns) to events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from agents.commands.produce.sources.demo import DEMO_SOURCES
from agents.commands.produce.sources.source import Kind, SourceError, repeat
from agents.commands.produce.sources.tables import Columns, behavior_events, sensor_readings
from agents.commands.produce.sources.text import text_messages
from agents.commands.produce.sources.video import video_frames
from schemas import BehaviorEvent, Event, SensorReading, TextMessage, VideoFrame

DEMO_PREFIX = "demo:"

EVENT_TYPE_OF: dict[Kind, type[Event]] = {
    "video": VideoFrame,
    "text": TextMessage,
    "sensor": SensorReading,
    "behavior": BehaviorEvent,
}


@dataclass(frozen=True)
class SourceOptions:
    """What each kind of source may be told; a kind ignores what is not its own."""

    source_id: str = ""
    loop: bool = False
    columns: Columns = field(default_factory=Columns)
    """Of tables; its `time` and `key` hold for texts too."""
    text_column: str = "text"


def open_source(kind: Kind, address: str, options: SourceOptions) -> Iterator[Event]:
    """Return the events at a place.

    Args:
        kind: what they are.
        address: a path, a camera or stream (video only), or `demo:NAME`.
        options: see there.

    Raises:
        SourceError: no such place or demo source, or nothing readable there. A file is looked at
            before this returns, so that a wrong name is told before anything is sent.
    """
    read = _demo(kind, address) or _reader(kind, address, options)
    events = repeat(read) if options.loop else read()
    first = next(events, None)
    return iter(()) if first is None else chain([first], events)


def _demo(kind: Kind, address: str) -> Callable[[], Iterator[Event]] | None:
    if not address.startswith(DEMO_PREFIX):
        return None
    fitting = {source.name: source for source in DEMO_SOURCES if source.kind == kind}
    name = address.removeprefix(DEMO_PREFIX)
    if name not in fitting:
        names = ", ".join(DEMO_PREFIX + name for name in fitting)
        raise SourceError(f"no demo source {name!r} of {kind}: expected {names}")
    return fitting[name].read


def _reader(kind: Kind, address: str, options: SourceOptions) -> Callable[[], Iterator[Event]]:
    path, columns = Path(address), options.columns
    if kind == "video":
        # Video loops by itself, so that its frame index counts on.
        return lambda: video_frames(address, source_id=options.source_id, loop=options.loop)
    if kind == "sensor":
        return lambda: sensor_readings(path, columns)
    if kind == "behavior":
        return lambda: behavior_events(path, columns)
    return lambda: text_messages(
        path,
        text_column=options.text_column,
        key_column=columns.key,
        time_column=columns.time,
        source_id=options.source_id,
    )
