from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import DecodeError, EmptyValueError, InputError
from schemas.registry.framing import HEADER, read_frame, read_indexes, write_indexes

GUID = UUID("89791762-2336-4186-9674-299b90a802e2")


def test_an_id_before_the_payload() -> None:
    frame = read_frame(b"\0\0\0\1\2rest", ())
    assert (frame.key, frame.rest, frame.is_header) == (258, b"rest", False)


def test_a_guid_before_the_payload() -> None:
    frame = read_frame(b"\1" + GUID.bytes + b"rest", ())
    assert (frame.key, frame.rest, frame.is_header) == (GUID, b"rest", False)


@pytest.mark.parametrize("stated", [b"\0\0\0\0\7", b"\1" + GUID.bytes])
def test_the_header_comes_before_the_value(stated: bytes) -> None:
    frame = read_frame(b"\0\0\0\1\2rest", [("other", b"x"), (HEADER, stated)])
    assert frame.key == (7 if stated[0] == 0 else GUID)
    assert frame.is_header


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b'{"a": 1}', "looks like JSON: use codec json"),
        (b"\0\0\1", "expected the byte 0 and a schema id of 4 bytes"),
        (b"\1abc", "not framed by a schema registry"),
        (b"\x02abcdef", "not framed by a schema registry"),
    ],
)
def test_a_value_without_a_frame_says_what_was_expected(value: bytes, words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        read_frame(value, ())


def test_no_bytes() -> None:
    with pytest.raises(EmptyValueError):
        read_frame(b"", ())


@given(st.binary(max_size=40))
def test_any_bytes_have_a_frame_or_are_refused(value: bytes) -> None:
    try:
        frame = read_frame(value, ())
    except InputError:
        return
    assert value.endswith(frame.rest)


@given(st.lists(st.integers(0, 2**20), min_size=1, max_size=8).map(tuple))
def test_message_indexes_round_trip(indexes: tuple[int, ...]) -> None:
    written = write_indexes(indexes)
    assert read_indexes(written + b"rest") == (indexes, len(written))


def test_the_first_message_is_one_byte() -> None:
    # As Confluent's serializers write it: 0 in place of the list [0].
    assert write_indexes((0,)) == b"\0"
    assert write_indexes((1, 0)) == b"\4\2\0"


@given(st.binary(max_size=12))
def test_any_bytes_have_indexes_or_are_refused(data: bytes) -> None:
    try:
        _, used = read_indexes(data)
    except DecodeError:
        return
    assert 0 < used <= len(data)
