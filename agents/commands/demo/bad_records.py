"""Publish records that no agent can process, to show that each of them is accounted for."""

from __future__ import annotations

import struct
import threading
import time
import zlib
from dataclasses import dataclass, field
from typing import NamedTuple

from agents.commands.demo.inputs import Input
from agents.commands.produce.event_records import EventEncoder
from agents.commands.produce.sources.source import Kind
from schemas import EVENT_TYPES
from streams.kafka.publisher import Publisher
from streams.kafka.settings import Kafka
from streams.settings import AgentSettings

Headers = list[tuple[str, bytes]]

#: More pixels than any frame may have, in a file of a few dozen bytes.
_BOMB_SIDE_PIXELS = 30_000
#: The first record is sent after this share of the run, the last before the same share of its end.
_MARGIN = 0.1
_FLUSH_SECONDS = 30.0


class BadRecord(NamedTuple):
    """A record that becomes a dead letter; a tombstone is filtered instead."""

    description: str
    value: bytes | None
    """None for a tombstone."""
    headers: Headers = []  # noqa: RUF012 (of a NamedTuple: never shared, never changed)


def bad_records(kind: Kind, good_value: bytes) -> list[BadRecord]:
    """Return the bad records of a topic.

    Args:
        kind: of the topic's events.
        good_value: the value of a record that an agent can process; some bad records are made
            from it.
    """
    return [*_BY_KIND[kind], *_damaged(kind, good_value), BadRecord("a tombstone", None)]


def _damaged(kind: Kind, good_value: bytes) -> list[BadRecord]:
    half = good_value[: len(good_value) // 2]
    if kind == "video":
        version = [("schema_version", b"99")]
        return [
            BadRecord("a truncated JPEG", half),
            BadRecord("a frame of schema version 99", good_value, version),
        ]
    unknown = b'{"schema_version":99,' + good_value.removeprefix(b"{")
    return [
        BadRecord("truncated JSON", half),
        BadRecord("an event of schema version 99", unknown),
    ]


def _png_bomb() -> bytes:
    """Return a PNG whose header declares 900 million pixels."""
    header = struct.pack(">IIBBBBB", _BOMB_SIDE_PIXELS, _BOMB_SIDE_PIXELS, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


_BY_KIND: dict[Kind, list[BadRecord]] = {
    "video": [
        BadRecord("text instead of an image", b"not an image"),
        BadRecord("a PNG of 30000 x 30000 pixels", _png_bomb()),
    ],
    "text": [
        BadRecord("a number instead of text", b'{"source_id":"demo","text":5}'),
        BadRecord("an empty value", b""),
    ],
    "sensor": [
        BadRecord("a number too large", b'{"source_id":"demo","values":{"flow":1e999}}'),
        BadRecord("text instead of a number", b'{"source_id":"demo","values":{"flow":"hot"}}'),
    ],
    "behavior": [
        BadRecord("an event without features", b'{"action":"see","features":{}}'),
        BadRecord("NaN, which is not JSON", b'{"action":"see","features":{"a":NaN}}'),
    ],
    "interaction": [
        BadRecord("a negative weight", b'{"action":"view","item":"tea","weight":-1}'),
        BadRecord("an interaction without an action", b'{"item":"tea"}'),
    ],
}


@dataclass
class SentBadRecords:
    """The bad records that were delivered to one topic."""

    descriptions: list[str] = field(default_factory=list)

    @property
    def num_delivered(self) -> int:
        """Records that the broker has acknowledged."""
        return len(self.descriptions)


class BadRecordSender(threading.Thread):
    """Sends each topic's bad records once, spread evenly over the run."""

    def __init__(
        self, feeds: list[tuple[Input, AgentSettings]], kafka: Kafka, seconds: float
    ) -> None:
        super().__init__(name="bad-records", daemon=True)
        self.by_topic = {agent.inputs[0]: SentBadRecords() for _, agent in feeds}
        # Made before the run: each needs an event of its topic, and drawing one takes its time.
        self._due = _interleaved([self._records(*feed) for feed in feeds])
        self._seconds = seconds
        self._stopped = threading.Event()
        self._publisher = Publisher(kafka)

    def run(self) -> None:
        """Send the records at even intervals until all are sent or it is stopped."""
        started = time.monotonic()
        interval = self._seconds * (1 - 2 * _MARGIN) / max(len(self._due), 1)
        for index, (topic, record) in enumerate(self._due):
            due = started + self._seconds * _MARGIN + index * interval
            if self._stopped.wait(max(due - time.monotonic(), 0.0)):
                break
            self._send(topic, record)
        self._publisher.flush(_FLUSH_SECONDS)

    def stop(self) -> None:
        """Make it send no more."""
        self._stopped.set()

    def _records(self, source: Input, agent: AgentSettings) -> list[tuple[str, BadRecord]]:
        event = next(iter(source))
        good = EventEncoder(EVENT_TYPES[agent.event], agent.codec).encode(event)
        return [(agent.inputs[0], record) for record in bad_records(source.kind, good.value)]

    def _send(self, topic: str, record: BadRecord) -> None:
        sent = self.by_topic[topic]

        def on_delivery(failure: str) -> None:
            if not failure:
                sent.descriptions.append(record.description)

        self._publisher.send(
            topic, record.value, b"demo-bad", headers=record.headers, on_delivery=on_delivery
        )
        self._publisher.serve()


def _interleaved(groups: list[list[tuple[str, BadRecord]]]) -> list[tuple[str, BadRecord]]:
    """Return the first item of each group, then the second of each, and so on."""
    longest = max(map(len, groups), default=0)
    return [group[i] for i in range(longest) for group in groups if i < len(group)]
