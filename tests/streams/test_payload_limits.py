"""A record over a limit is told so, alone or among good ones."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from schemas import Event, SensorReading, VideoFrame, make_codec
from streams.decoding import Decoder
from streams.offsets import OffsetTracker
from streams.settings import LimitSettings
from tests.fakes import record_batch

GOOD = b'{"source_id": "s", "event_time_ms": 5, "values": {"a": 1}}'
PNG = VideoFrame.example().image


class Anything(Event, frozen=True, kw_only=True):
    body: Any


class Tree(Event, frozen=True, kw_only=True):
    branches: list[Tree] = msgspec.field(default_factory=list)


def refused(
    value: bytes,
    key: bytes = b"k",
    headers: list[tuple[str, bytes]] | None = None,
    event_type: type[Event] = SensorReading,
    codec: str = "json",
    **limits: int,
) -> str:
    """Decode a record alone and after a good one; return why it was refused, "" if it was not."""
    decoder: Decoder[Event] = Decoder(
        make_codec(codec, event_type), 1_000_000, LimitSettings(**limits), event_type
    )
    reasons = set()
    for neighbours in ([], [value]):
        rows = [*neighbours, value]
        batch = record_batch(
            rows, tracker=OffsetTracker(), keys=[key] * len(rows),
            headers=[headers or []] * len(rows), topic="t",
        )  # fmt: skip
        decoded = decoder.decode(batch)
        assert len(decoded.events) + len(decoded.failed) == len(rows)
        reasons |= {f"{error.reason}: {error}" for _, error in decoded.failed} or {""}
    (reason,) = reasons
    return reason


def test_what_is_within_passes() -> None:
    assert refused(GOOD) == ""
    assert refused(GOOD, key=b"k" * 4096, headers=[("a", b"")] * 100) == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"key": b"k" * 4097}, "the key has 4,097 bytes: limits.max_key_bytes is 4,096"),
        ({"headers": [("a", b"b")] * 101}, "101 headers: limits.max_headers is 100"),
        ({"value": b'{"values":{"a":1}}', "headers": [("a", b"b" * 65_536)]}, "max_header_bytes"),
        ({"value": PNG, "codec": "image", "event_type": VideoFrame,
          "headers": [("a", b"b" * 65_536)]}, "max_header_bytes"),
        ({"value": b'{"values":{"a":1},"x":[' + b"1," * 100_000 + b"1]}"}, "limits.max_items"),
        ({"value": b'{"x":"' + b"y" * 600 + b'"}', "max_string_bytes": 599}, "max_string_bytes"),
        ({"value": b'{"body":' + b"[" * 99 + b"]" * 99 + b"}", "event_type": Anything},
         "max_depth"),
        ({"value": b'{"branches":[' * 99 + b"{}" + b"]}" * 99, "event_type": Tree}, "max_depth"),
        ({"value": msgspec.msgpack.encode({"body": [[[1]]]}), "event_type": Anything,
          "codec": "msgpack", "max_depth": 3}, "max_depth"),
    ],
)  # fmt: skip
def test_what_is_over_is_refused(options: dict[str, Any], words: str) -> None:
    reason = refused(**{"value": GOOD, **options})
    assert reason.startswith("too_large: ")
    assert words in reason


def test_headers_that_nobody_reads_are_not_weighed() -> None:
    full = b'{"source_id":"s","event_id":"e","event_time_ms":5,"values":{"a":1}}'
    assert refused(full, headers=[("a", b"b" * 100_000)]) == ""


def test_depth_that_no_field_can_hold_is_skipped() -> None:
    assert refused(b'{"values":{"a":1},"x":' + b"[" * 99 + b"]" * 99 + b"}") == ""
    assert refused(b'{"body":[[1]]}', event_type=Anything, max_depth=3) == ""


@pytest.mark.parametrize("value", [b"1" * 30, b"+-1", b"1_0", b"0x1", b""])
def test_whole_numbers_in_headers_are_plain_and_fit_64_bits(value: bytes) -> None:
    reason = refused(PNG, codec="image", event_type=VideoFrame, headers=[("frame_index", value)])
    assert "frame_index" in reason
