"""Records that no agent can process, sent on purpose: each must be accounted for too."""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from agents.commands.produce.sources.source import Kind

Headers = list[tuple[str, bytes]]

#: Far more pixels than any frame has, in a file of some dozen bytes.
_BOMB_SIDE_PIXELS = 30_000


class BadRecord(NamedTuple):
    """One record that becomes a dead letter, or, as a tombstone, is filtered."""

    what: str
    """In words."""
    value: bytes | None
    """None is a tombstone."""
    headers: Headers = []  # noqa: RUF012 (of a NamedTuple: never shared, never changed)


def bad_records(kind: Kind, good_value: bytes) -> list[BadRecord]:
    """Return the bad records of a topic.

    Args:
        kind: of the topic's events.
        good_value: of a record that an agent can process, to be spoiled.
    """
    return [*_BY_KIND[kind], *_spoiled(kind, good_value), BadRecord("a tombstone", None)]


def _spoiled(kind: Kind, good_value: bytes) -> list[BadRecord]:
    half = good_value[: len(good_value) // 2]
    if kind == "video":
        version = [("schema_version", b"99")]
        return [
            BadRecord("a JPEG that ends halfway", half),
            BadRecord("a frame of schema version 99", good_value, version),
        ]
    unknown = b'{"schema_version":99,' + good_value.removeprefix(b"{")
    return [
        BadRecord("JSON that ends halfway", half),
        BadRecord("an event of schema version 99", unknown),
    ]


def _png_bomb() -> bytes:
    """Return a PNG whose header promises 900 million pixels."""
    header = struct.pack(">IIBBBBB", _BOMB_SIDE_PIXELS, _BOMB_SIDE_PIXELS, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


_BY_KIND: dict[Kind, list[BadRecord]] = {
    "video": [
        BadRecord("text in the place of an image", b"not an image"),
        BadRecord("a PNG of 30000 x 30000 pixels", _png_bomb()),
    ],
    "text": [
        BadRecord("a number where text belongs", b'{"source_id":"demo","text":5}'),
        BadRecord("an empty value", b""),
    ],
    "sensor": [
        BadRecord("a number beyond all floats", b'{"source_id":"demo","values":{"flow":1e999}}'),
        BadRecord("text where a number belongs", b'{"source_id":"demo","values":{"flow":"hot"}}'),
    ],
    "behavior": [
        BadRecord("no features at all", b'{"source_id":"demo","action":"see","features":{}}'),
        BadRecord("NaN, which JSON lacks", b'{"action":"see","features":{"a":NaN}}'),
    ],
}
