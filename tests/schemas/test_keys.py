from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.keys import KeyFormat, key_text


@pytest.mark.parametrize(
    ("key", "key_format", "text"),
    [
        (None, "text", ""),
        (b"", "text", ""),
        (b"pump-1", "text", "pump-1"),
        ("Pumpe ä\u00a0".encode(), "text", "Pumpe ä\u00a0"),
        (b"\xff\x00", "text", "0xff00"),
        ((5).to_bytes(8, "big"), "text", "0x0000000000000005"),
        ((200).to_bytes(8, "big"), "text", "0x00000000000000c8"),
        (b"pump-1", "hex", "70756d702d31"),
        ((5).to_bytes(8, "big"), "integer", "5"),
        ((-2).to_bytes(4, "big", signed=True), "integer", "-2"),
        (b"abc", "integer", "0x616263"),
    ],
)
def test_a_key_as_text(key: bytes | None, key_format: KeyFormat, text: str) -> None:
    assert key_text(key, key_format) == text


@given(st.binary(), st.sampled_from(["text", "hex", "integer"]))
def test_no_key_is_refused(key: bytes, key_format: KeyFormat) -> None:
    key_text(key, key_format)


@given(st.uuids(), st.uuids())
def test_binary_keys_of_two_sources_differ(first: uuid.UUID, second: uuid.UUID) -> None:
    if first != second:
        assert key_text(first.bytes) != key_text(second.bytes)
