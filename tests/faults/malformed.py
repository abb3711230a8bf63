"""Generate malformed records without end, the same ones for the same seed.

A corpus of inputs that have broken parsers before, and good records that are cut, stretched,
flipped and spliced. All are small, except a few as large as a broker takes.
"""

from __future__ import annotations

import io
import json
import random
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from PIL import Image

Headers = list[tuple[str, bytes | None]]


class Malformed(NamedTuple):
    """One record to publish; by chance it may be valid."""

    key: bytes | None
    value: bytes | None
    headers: Headers


def picture(format: str, size: tuple[int, int] = (40, 30), **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert("RGB").save(buffer, format, **options)
    return buffer.getvalue()


def png(width: int, height: int, pixels: bytes, *, extra: bytes = b"") -> bytes:
    """A PNG that claims a size that its pixels need not have."""
    blocks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
              (b"IDAT", pixels), (b"IEND", b"")]  # fmt: skip
    written = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in blocks
    ]
    return b"\x89PNG\r\n\x1a\n" + written[0] + extra + b"".join(written[1:])


GOOD: dict[str, list[Any]] = {
    "json": [
        {"source_id": "pump", "event_time_ms": 1_700_000_000_000, "values": {"a": 1.5, "b": -2}},
        {"values": {"temperature": 21.5}, "event_id": "e-1"},
        {"values": {f"c{i}": i / 3 for i in range(40)}},
    ],
    "text": [
        {"source_id": "c", "text": "where is my order?", "language": "en"},
        {"text": "Größe 42 \u2603 \U0001f600", "event_time_ms": 5},
    ],
    "msgpack": [
        {"source_id": "u", "action": "buy", "features": {"pages": 3.0, "eur": 59.9}},
        {"action": "view", "features": {"x": 1}, "event_time_ms": 7, "event_id": "e"},
    ],
    "nested": [
        {"source_id": "n", "body": {"a": [1, [2, [3]]], "b": {"c": {"d": None}}}},
        {"body": "leaf"},
    ],
}

_NUMBERS = [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1e-999", b"-0", b"01", b"1.",
            b".5", b"0x10", b"9" * 400, b"-" + b"9" * 30, b"1" * 5000, b"18446744073709551616",
            b"1e+", b"--1", b"1_000"]  # fmt: skip
_TEXTS = [b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\u12"', b'"\\x41"', b'"\xff\xfe"',
          b'"\xed\xa0\x80"',
          b'"\xc0\xaf"', b'"\xf4\x90\x80\x80"', b'"\\u0000"', b'"\n"', b'"', b"'a'", b'"a\\"',
          b'"' + b"x" * 5000 + b'"', b'"\xe2\x80\xae\xe2\x81\xa6"', b'""']  # fmt: skip
_WHOLE = [b"", b" ", b"\x00", b"null", b"true", b"[]", b"{}", b"0", b'""', b"[" * 900, b"{" * 900,
          b'{"a":' * 200, b"[" * 70 + b"]" * 70, b"\xef\xbb\xbf{}", "{}".encode("utf-16"),
          b'{"values":{"a":1}}{"values":{"a":1}}', b'{"values":{"a":1},}', b'{"values":{"a":1}} x',
          b"<xml/>", b"text=a&b=c", b"\x1f\x8b\x08\x00", b"PK\x03\x04", b"%PDF-1.7",
          b"\x80\x04\x95."]  # fmt: skip
_PACKED = [b"\xc1", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdc\xff\xff",
           b"\xde\xff\xff",
           b"\xc6\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc9\xff\xff\xff\xff\x01",
           b"\x91" * 900, b"\x81\xa1x" * 300, b"\x81\xa8features\xdf\xff\xff\xff\xff",
           b"\x81\xa8features\x81\xa1a\xcb\x7f\xf8\0\0\0\0\0\0", b"\xd7\xff" + b"\xff" * 8,
           b"\x81\xc0\xc0", b"\x82\x01\x02\x03\x04", b"\xca\x7f\x80\0\0", b"\xcf" + b"\xff" * 8,
           b"\x81\xa6action\xa3\xed\xa0\x80", b"\x9f" + b"\xc0" * 14, b"\xa0"]  # fmt: skip

_PICTURES = [
    png(30_000, 30_000, zlib.compress(bytes(1000))),
    png(2_000, 2_000, zlib.compress(bytes(2_000 * 6_001), 9)),  # a thousandfold, within limits
    png(100, 100, zlib.compress(b"")),
    png(0, 10, b""),
    png(10, 10, b"not deflate"),
    png(8, 8, zlib.compress(bytes(8 * 25)), extra=b"\0\0\0\0tEXt\0\0\0\0" * 40),
    png(8, 8, zlib.compress(bytes(8 * 25)), extra=b"\xff\xff\xff\xffzTXt"),
    b"GIF89a" + bytes(40), b"RIFF\xff\xff\xff\xffWEBPVP8X" + b"\xff" * 30, b"RIFF\x04\0\0\0WEBP",
    b"\xff\xd8\xff\xe0" + b"\0" * 200, b"\xff\xd8\xff\xda", b"\xff\xd8\xff" * 50, b"BM" + bytes(60),
]  # fmt: skip


def _keys(rng: random.Random) -> bytes | None:
    if rng.random() < 0.7:
        return b"key-%d" % rng.randrange(50)
    return rng.choice([
        None, b"", b"\xff\xfe", b"\x00", b"k" * rng.randrange(300),
        "sch\u00fcssel\u202e".encode(), rng.randbytes(rng.randrange(40)), b"k" * 4097,
    ])  # fmt: skip


_TIMES = [b"2026-01-31T12:00:00Z", b"2026-01-31", b"0001-01-01T00:00:00+23:59",
          b"9999-12-31T23:59:60Z",
          b"1969-01-01T00:00:00Z", b"yesterday", b"", b"\xff", b"2026-13-45T99:99:99Z", b"1e9",
          b"2026-01-31T12:00:00.123456789123Z", b"-2026-01-31T12:00:00Z", b"9" * 500]  # fmt: skip


_HEADER_NAMES = ["ce_id", "ce_source", "ce_time", "frame_index", "schema_version", "content-type",
                 "__penstock.errors.reason", "x", "\u2603", "n" * 300]  # fmt: skip
_HEADER_VALUES = [None, b"", b"7", b"-1", b"99", b"1e3", b"9" * 60, b"\xff\xfe\x00"]


def _headers(rng: random.Random) -> Headers:
    if rng.random() < 0.7:
        return []
    headers: Headers = []
    for _ in range(rng.choice([1, 1, 2, 3, 5, 150])):
        name = rng.choice(_HEADER_NAMES)
        content = rng.choice(
            [*_HEADER_VALUES, rng.choice(_TIMES), rng.randbytes(rng.randrange(60))]
        )
        headers.append((name, content))
    return headers


def _bytes_changed(rng: random.Random, value: bytes) -> bytes:
    """Cut, flip, insert, delete, repeat or splice somewhere."""
    at = rng.randrange(len(value) + 1)
    until = min(at + rng.randrange(1, 12), len(value))
    match rng.randrange(6):
        case 0:
            return value[:at]
        case 1:
            flipped = bytearray(value)
            for _ in range(rng.randrange(1, 4)):
                flipped[rng.randrange(len(value))] ^= 1 << rng.randrange(8)
            return bytes(flipped)
        case 2:
            return value[:at] + rng.randbytes(rng.randrange(1, 9)) + value[at:]
        case 3:
            return value[:at] + value[until:]
        case 4:
            return value[:until] + value[at:until] * rng.randrange(2, 30) + value[until:]
        case _:
            return value[:at] + value[rng.randrange(len(value)) :]


def _json_changed(rng: random.Random, good: Sequence[Any]) -> bytes:
    written = json.dumps(rng.choice(good), ensure_ascii=rng.random() < 0.5).encode()
    match rng.randrange(4):
        case 0:
            return rng.choice(_WHOLE)
        case 1:  # a strange token in place of a value
            at = rng.choice([i for i, byte in enumerate(written) if byte == ord(":")])
            token = rng.choice(_NUMBERS + _TEXTS + _WHOLE)
            return written[: at + 1] + token + b"}" * rng.randrange(3)
        case 2:
            return b'{"schema_version":%d,' % rng.choice([0, 2, -1, 2**63, 10**30]) + written[1:]
        case _:
            return _bytes_changed(rng, written)


def _packed_changed(rng: random.Random, good: Sequence[Any]) -> bytes:
    written = msgspec.msgpack.encode(rng.choice(good))
    match rng.randrange(3):
        case 0:
            return rng.choice(_PACKED)
        case 1:
            at = rng.randrange(len(written))
            return written[:at] + rng.choice(_PACKED) + written[at:]
        case _:
            return _bytes_changed(rng, written)


def _picture_changed(rng: random.Random, good: Sequence[bytes]) -> bytes:
    return rng.choice(_PICTURES) if rng.random() < 0.3 else _bytes_changed(rng, rng.choice(good))


def _frames() -> list[bytes]:
    still = [picture("JPEG"), picture("JPEG", progressive=True), picture("PNG"), picture("WEBP"),
             picture("WEBP", lossless=True)]  # fmt: skip
    two = [Image.new("RGB", (20, 20), (40 * i, 0, 0)) for i in range(3)]
    moving = []
    for format in ("PNG", "WEBP"):
        buffer = io.BytesIO()
        two[0].save(buffer, format, save_all=True, append_images=two[1:])
        moving.append(buffer.getvalue())
    return still + moving


def _values(codec: str) -> Callable[[random.Random], bytes]:
    if codec == "image":
        frames = _frames()
        return lambda rng: _picture_changed(rng, frames)
    if codec == "msgpack":
        return lambda rng: _packed_changed(rng, GOOD[codec])
    return lambda rng: _json_changed(rng, GOOD[codec])


CODECS = ("json", "text", "msgpack", "nested", "image")
#: As large as a topic takes by default.
_HUGE = 1_000_000


def huge(codec: str) -> Iterator[bytes]:
    """Yield values near the broker's limit that would decode into much more."""
    if codec == "msgpack":
        yield from (
            b"\x91" * _HUGE,
            b"\xdc\xff\xff" + b"\xc0" * 65_535,
            b"\x81\xa1x" * (_HUGE // 3),
        )
    elif codec == "image":
        yield from (png(20_000, 2_000, zlib.compress(bytes(20_000 * 3 * 40), 9)),
                    png(8, 8, b"", extra=b"\0\0\0\0tEXt\0\0\0\0" * (_HUGE // 12 - 10)))  # fmt: skip
    else:
        yield from (b"[" * _HUGE, b'{"a":' * (_HUGE // 5), b'{"body":' + b"[" * (_HUGE - 8),
                    b'"' + b'\\"' * (_HUGE // 2 - 1), b"9" * _HUGE, b" " * _HUGE,
                    b'{"body":[' + b"0," * (_HUGE // 2 - 5))  # fmt: skip


def malformed(codec: str, seed: int) -> Iterator[Malformed]:
    """Yield records forever, the same ones for the same codec and seed."""
    rng = random.Random(f"{codec}:{seed}")
    value_of = _values(codec)
    while True:
        value = None if rng.random() < 0.01 else value_of(rng)
        yield Malformed(_keys(rng), value, _headers(rng))
