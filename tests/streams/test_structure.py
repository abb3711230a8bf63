"""Depth, items and strings, told from bytes: what decoding would find, in linear time."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import TooLargeError
from streams.structure import Structure, check_json, check_msgpack

ANY = 10**9
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5)
    | st.dictionaries(st.text(max_size=9), inner, max_size=5),
    max_leaves=30,
)  # fmt: skip


def depth(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


def num_items(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return len(value) + sum(map(num_items, value)) if isinstance(value, list) else 0


def longest(value: Any) -> int:
    if isinstance(value, dict):
        return max(map(longest, [*value, *value.values()]), default=0)
    if isinstance(value, list):
        return max(map(longest, value), default=0)
    return len(value.encode()) if isinstance(value, str) else 0


def passes(check: Any, value: bytes, **limits: int) -> bool:
    try:
        check(
            value,
            Structure(**{"max_depth": ANY, "max_items": ANY, "max_string_bytes": ANY} | limits),
        )
    except TooLargeError:
        return False
    return True


@given(VALUES)
def test_message_pack_is_measured_exactly(value: Any) -> None:
    packed = msgspec.msgpack.encode(value)
    for name, size in (
        ("max_depth", depth(value)),
        ("max_items", num_items(value)),
        ("max_string_bytes", longest(value)),
    ):
        assert passes(check_msgpack, packed, **{name: size})
        assert size == 0 or not passes(check_msgpack, packed, **{name: size - 1})


@given(VALUES)
def test_json_is_measured_exactly_in_depth_and_items_at_most_once_too_many_a_list(
    value: Any,
) -> None:
    written = json.dumps(value).encode()
    assert passes(check_json, written, max_depth=depth(value))
    assert depth(value) == 0 or not passes(check_json, written, max_depth=depth(value) - 1)
    assert num_items(value) == 0 or not passes(check_json, written, max_items=num_items(value) - 1)
    empty = written.count(b"[]") + written.count(b"{}")
    assert passes(check_json, written, max_items=num_items(value) + empty)


@pytest.mark.parametrize(
    ("value", "limits"),
    [
        (b"[" * 1_000_000, {"max_depth": 64}),
        (b'{"a":' * 200_000, {"max_depth": 64}),
        (b"[" + b"0," * 500_000 + b"0]", {"max_items": 100_000}),
        (b'"' + b"x" * 1_000_000 + b'"', {"max_string_bytes": 999_999}),
        (b'"' + b'\\"' * 500_000, {"max_string_bytes": 999_998}),
    ],
)
def test_json_over_a_limit(value: bytes, limits: dict[str, int]) -> None:
    assert not passes(check_json, value, **limits)


def test_brackets_and_commas_inside_of_strings_do_not_count() -> None:
    assert passes(check_json, b'["[[[{{,,,", "\\"[[[", "]"]', max_depth=1, max_items=3)


@pytest.mark.parametrize("first", [b'"', b'\\"', b'"\\', b'"\\"', b'"a"b'])
def test_a_quote_is_looked_at_once(first: bytes) -> None:
    """A scan that began anew at each quote would take hours."""
    assert passes(check_json, first * 300_000, max_string_bytes=900_000)


@pytest.mark.parametrize(
    ("value", "limits"),
    [
        (b"\x91" * 1_000_000, {"max_depth": 64}),
        (b"\xdd\xff\xff\xff\xff", {"max_items": 100_000}),
        (b"\xdf\xff\xff\xff\xff", {"max_items": 100_000}),
        (b"\x81\xa1x\xdc\xff\xff" + b"\xdc\xff\xff" * 3, {"max_items": 100_000}),
        (b"\xc6\xff\xff\xff\xff", {"max_string_bytes": 10_000_000}),
        (b"\xdb\x00\x00\x00\x05hello", {"max_string_bytes": 4}),
    ],
)
def test_message_pack_over_a_limit(value: bytes, limits: dict[str, int]) -> None:
    assert not passes(check_msgpack, value, **limits)


@given(st.binary(max_size=200))
def test_any_bytes_end_in_an_answer(value: bytes) -> None:
    for check in (check_json, check_msgpack):
        passes(check, value, max_depth=8, max_items=50, max_string_bytes=20)
