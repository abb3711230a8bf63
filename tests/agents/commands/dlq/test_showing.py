from __future__ import annotations

import base64

import msgspec
import pytest

from agents.commands.dlq import Letter, State
from agents.commands.dlq.showing import as_dict, as_text, value_lines
from schemas import DeadLetter, Origin


def letter(value: bytes, **changes: object) -> Letter:
    details = DeadLetter(
        origin=Origin("in", 2, 7),
        agent="score",
        reason="decode_error",
        message="bad \x1b[2J",
        exception="DecodeError",
        attempts=3,
        failed_at_ms=1_700_000_000_250,
        **changes,  # type: ignore[arg-type]
    )
    headers = [("mine", b"\x1b]0;x\x07"), ("two", b"\xff")]
    return Letter("in.dlq", 2, 0, details, State.OPEN, b"k\x9b", value, headers)


def test_a_letter_is_shown_in_escaped_lines() -> None:
    lines = list(as_text(letter(b'{"a": [1, "\x1b[31m"]}')))
    assert "letter: in.dlq:2:0, open" in lines
    assert "record: in[2] offset 7" in lines
    assert "failed: 2023-11-14T22:13:20.250Z, in score" in lines
    assert "reason: decode_error (DecodeError): bad \\x1b[2J" in lines
    assert "attempts: 3 by the worker, replayed 0 times" in lines
    assert "key: [2 bytes: 6b 9b]" in lines
    assert "header mine: \\x1b]0;x\\x07" in lines
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        (b"", []),
        (b'{"a": 1}', ["{", '  "a": 1', "}"]),
        (b"two\nlines\x07", ["two", "lines\\x07"]),
        (b"\xff\xd8\xff\x00", ["[image/jpeg, 4 bytes]"]),
        (b"\x80A\n", ["00000000  80 41 0a" + " " * 41 + ".A."]),
    ],
)
def test_values_are_shown_by_their_kind(value: bytes, lines: list[str]) -> None:
    assert value_lines(value, {}) == lines


def test_messagepack_is_shown_as_json() -> None:
    packed = msgspec.msgpack.encode({"a": b"\x00"})
    headers = {"content-type": b"application/msgpack"}
    assert value_lines(packed, headers) == ["{", '  "a": "[binary, 1 bytes]"', "}"]


@pytest.mark.parametrize("value", [b"x" * 1_000_000, b"\xff" * 1_000_000, b"[" * 1_000_000])
def test_a_large_value_is_cut_with_a_note(value: bytes) -> None:
    lines = value_lines(value, {})
    assert sum(map(len, lines)) < 10_000
    assert lines[-1].startswith("... ")


def test_missing_parts_are_named() -> None:
    lines = list(as_text(letter(b"", full_bytes=99, cut="value, headers, key, message")))
    assert "value: 0 of 99 bytes; cut or left out: value, headers, key, message" in lines


def test_json_keeps_every_byte() -> None:
    found = msgspec.json.decode(msgspec.json.encode(as_dict(letter(b"\x00\xff"))))
    assert base64.b64decode(found["value_base64"]) == b"\x00\xff"
    assert base64.b64decode(found["key_base64"]) == b"k\x9b"
    assert [name for name, _ in found["headers"]] == ["mine", "two"]
    assert (found["reason"], found["origin"]["offset"], found["state"]) == (
        "decode_error",
        7,
        "open",
    )
