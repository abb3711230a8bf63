from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import DeadLetter, Origin
from schemas.registry.letters import (
    DeadLetterRecord,
    move_schema_header,
    original_value,
    restore_schema_header,
)
from schemas.registry.output import FramedResults

CODECS = ("avro", "protobuf", "json_schema")


def letter(codec: str, message: str = "bad") -> DeadLetter:
    return DeadLetter(
        origin=Origin("t", 1, 2**40), agent="a", reason="decode_error", message=message,
        exception="DecodeError", full_bytes=7, value_codec=codec,
    )  # fmt: skip


def frame(codec: str, message: str, key: bytes | None, value: bytes) -> bytes:
    written = FramedResults(codec)
    written.learn(DeadLetterRecord, 7)
    return written.encode(DeadLetterRecord.of(letter(codec, message), key, value))


@pytest.mark.parametrize("codec", CODECS)
@given(st.text(st.characters()), st.none() | st.binary(max_size=20), st.binary(max_size=200))
def test_the_original_value_is_read_back(
    codec: str, message: str, key: bytes | None, value: bytes
) -> None:
    assert original_value(letter(codec), frame(codec, message, key, value)) == value


@pytest.mark.parametrize("codec", CODECS)
def test_an_error_message_that_utf8_cannot_write_is_written(codec: str) -> None:
    assert original_value(letter(codec), frame(codec, "found \udc80", None, b"v")) == b"v"


@pytest.mark.parametrize("codec", CODECS)
@given(st.binary(max_size=40))
def test_any_bytes_have_an_original_or_are_refused(codec: str, value: bytes) -> None:
    try:
        assert isinstance(original_value(letter(codec), value), bytes)
    except ValueError:
        pass


def test_a_letter_as_it_came_is_its_own_original() -> None:
    assert original_value(letter(""), b"\0abc") == b"\0abc"


def test_the_header_with_a_schema_id_is_moved_and_restored() -> None:
    headers = [("a", b"1"), ("__value_schema_id", b"\0\0\0\0\1"), ("b", b"2")]
    moved = move_schema_header(headers)
    assert "__value_schema_id" not in dict(moved)
    assert restore_schema_header(moved) == headers
