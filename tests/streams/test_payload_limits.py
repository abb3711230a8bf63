"""A record over a limit is refused with the limit's name, alone or among good ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import Event, SensorReading, VideoFrame, make_codec
from streams.decoding import Decoder
from streams.offsets import OffsetTracker
from streams.payload_limits import (
    json_depth,
    may_be_deep_json,
    may_be_deep_msgpack,
    msgpack_depth,
)
from streams.settings import LimitSettings
from tests.fakes import record_batch

GOOD = b'{"source_id": "s", "event_time_ms": 5, "values": {"a": 1}}'
PNG = VideoFrame.example().image
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5)
    | st.dictionaries(st.text(max_size=9), inner, max_size=5),
    max_leaves=30,
)  # fmt: skip


class Anything(Event, frozen=True, kw_only=True):
    body: Any


class Tree(Event, frozen=True, kw_only=True):
    branches: list[Tree] = msgspec.field(default_factory=list)


def refusal(
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
    for neighbors in ([], [value]):
        rows = [*neighbors, value]
        batch = record_batch(
            rows, tracker=OffsetTracker(), keys=[key] * len(rows),
            headers=[headers or []] * len(rows), topic="t",
        )  # fmt: skip
        decoded = decoder.decode(batch)
        assert len(decoded.events) + len(decoded.failed) == len(rows)
        reasons |= {f"{error.reason}: {error}" for _, error in decoded.failed} or {""}
    (reason,) = reasons
    return reason


def test_a_record_within_the_limits_passes() -> None:
    assert refusal(GOOD) == ""
    assert refusal(GOOD, key=b"k" * 4096, headers=[("a", b"")] * 1000) == ""
    assert refusal(GOOD[:-1] + b',"x":[' + b"1," * 400_000 + b"1]}") == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"value": GOOD + b" " * 1_000_000}, "this agent's max_record_bytes is 1,000,000"),
        ({"key": b"k" * 4097}, "the key has 4,097 bytes: limits.max_key_bytes is 4,096"),
        ({"value": b'{"values":{"a":1}}', "headers": [("a", b"b" * 65_536)]}, "max_header_bytes"),
        ({"value": PNG, "codec": "image", "event_type": VideoFrame,
          "headers": [("a", b"b" * 65_536)]}, "max_header_bytes"),
        ({"value": b'{"body":' + b"[" * 99 + b"]" * 99 + b"}", "event_type": Anything},
         "nested deeper than 64: limits.max_depth"),
        ({"value": b'{"branches":[' * 99 + b"{}" + b"]}" * 99, "event_type": Tree}, "max_depth"),
        ({"value": msgspec.msgpack.encode({"body": [[[1]]]}), "event_type": Anything,
          "codec": "msgpack", "max_depth": 3}, "max_depth"),
    ],
)  # fmt: skip
def test_a_record_over_a_limit_is_refused(options: dict[str, Any], words: str) -> None:
    reason = refusal(**{"value": GOOD, **options})
    assert reason.startswith("too_large: ")
    assert words in reason


def test_headers_that_are_not_read_are_not_limited() -> None:
    full = b'{"source_id":"s","event_id":"e","event_time_ms":5,"values":{"a":1}}'
    assert refusal(full, headers=[("a", b"b" * 100_000)]) == ""


def test_depth_that_no_field_can_hold_is_skipped() -> None:
    assert refusal(b'{"values":{"a":1},"x":' + b"[" * 99 + b"]" * 99 + b"}") == ""
    assert refusal(b'{"body":[[1]]}', event_type=Anything, max_depth=3) == ""


@pytest.mark.parametrize("codec", ["json", "msgpack"])
@pytest.mark.parametrize("event_type", [Anything, SensorReading])
def test_nesting_beyond_the_decoders_reach_is_a_dead_letter(
    codec: str, event_type: type[Event]
) -> None:
    value = b'{"x":' + b"[" * 900_000 if codec == "json" else b"\x81\xa1x" + b"\x91" * 900_000
    assert refusal(value, event_type=event_type, codec=codec)


@pytest.mark.parametrize(
    "value",
    [
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\x81\xa4body\xdd\xff\xff\xff\xff",
        b"\x81\xa4body\xc6\xff\xff\xff\xff",
    ],
)
def test_message_pack_that_announces_gigabytes_is_a_dead_letter(value: bytes) -> None:
    assert refusal(value, event_type=Anything, codec="msgpack")


@pytest.mark.parametrize("value", [b"1" * 30, b"+-1", b"1_0", b"0x1", b""])
def test_whole_numbers_in_headers_are_plain_and_fit_64_bits(value: bytes) -> None:
    reason = refusal(PNG, codec="image", event_type=VideoFrame, headers=[("frame_index", value)])
    assert "frame_index" in reason


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(VALUES)
def test_depth_is_measured_exactly_from_bytes(value: Any) -> None:
    depth = depth_of(value)
    written, packed = json.dumps(value).encode(), msgspec.msgpack.encode(value)
    assert json_depth(written, 99) == msgpack_depth(packed, 99) == depth
    # The quick look never misses one that is too deep.
    assert depth == 0 or may_be_deep_json(written, depth - 1)
    assert depth == 0 or may_be_deep_msgpack(packed, depth - 1)


def test_brackets_inside_strings_do_not_count() -> None:
    assert json_depth(b'["[[[{{,,,", "\\"[[[", "]"]', 99) == 1


@pytest.mark.parametrize("first", [b'"', b'\\"', b'"\\', b'"\\"', b'"a"b'])
def test_a_quote_is_looked_at_once(first: bytes) -> None:
    """A scan that began anew at each quote would take hours."""
    assert json_depth(first * 300_000, 64) == 0


@pytest.mark.parametrize(
    ("depth", "value"),
    [(json_depth, b"[" * 1_000_000), (json_depth, b'{"a":' * 200_000),
     (msgpack_depth, b"\x91" * 1_000_000)],
)  # fmt: skip
def test_a_value_cut_short_is_measured_as_far_as_it_goes(
    depth: Callable[[bytes, int], int], value: bytes
) -> None:
    assert depth(value, 64) > 64


@given(st.binary(max_size=200))
def test_any_bytes_have_a_depth(value: bytes) -> None:
    assert json_depth(value, 8) <= len(value)
    assert msgpack_depth(value, 8) <= 9
