"""A dead letter holds the original record unchanged, with its origin and the reason."""

from __future__ import annotations

import pytest

from schemas import DeadLetter, DecodeError, InputError, Origin, Replay
from schemas.errors import ModelFailedError
from schemas.registry.letters import DeadLetterRecord, original_value
from schemas.registry.output import FramedResults
from streams.dead_letters import make_dead_letter
from streams.offsets import OffsetTracker
from streams.output_records import OutputRecord
from streams.settings import DeadLetterPayload
from tests.fakes import record_batch


def letter(
    value: bytes,
    error: InputError,
    *,
    key: bytes | None = b"k",
    headers: list[tuple[str, bytes]] | None = None,
    max_bytes: int = 10_000,
    payload: DeadLetterPayload = "full",
    codec: str = "",
) -> OutputRecord:
    batch = record_batch(
        [b"other", value],
        tracker=OffsetTracker(),
        partition=3,
        first_offset=41,
        keys=[None, key],
        headers=[(), headers or []],
    )
    framed = None
    if codec:
        framed = FramedResults(codec)
        framed.learn(DeadLetterRecord, 7)
    return make_dead_letter("agent", batch, 1, error, max_bytes, payload, framed)


def size(record: OutputRecord) -> int:
    headers = sum(len(name) + len(value) for name, value in record.headers)
    return len(record.key or b"") + len(record.value) + headers


def test_it_holds_the_original_and_its_origin() -> None:
    record = letter(b"{bad", DecodeError("not JSON"), headers=[("mine", b"1"), ("ce_id", b"a")])
    assert (record.key, record.value) == (b"k", b"{bad")
    assert record.headers[:2] == [("mine", b"1"), ("ce_id", b"a")]
    dead_letter = DeadLetter.from_headers(record.headers)
    assert dead_letter.origin == Origin("numbers", 3, 42)
    assert (dead_letter.reason, dead_letter.message, dead_letter.exception) == (
        "decode_error",
        "not JSON",
        "DecodeError",
    )
    assert (dead_letter.agent, dead_letter.attempts, dead_letter.full_bytes) == ("agent", 1, -1)
    assert dict(record.headers)["ce_id"] == b"numbers:3:42:agent:dead_letter:0"


def test_a_model_failure_names_the_exception_of_the_model() -> None:
    dead_letter = DeadLetter.from_headers(
        letter(b"v", ModelFailedError(ZeroDivisionError("by zero"), 3)).headers
    )
    assert (dead_letter.reason, dead_letter.exception, dead_letter.attempts) == (
        "model_error",
        "ZeroDivisionError",
        3,
    )
    assert "by zero" in dead_letter.message


@pytest.mark.parametrize("max_bytes", [5_000, 2_000])
def test_a_dead_letter_that_is_too_large_is_cut_and_marked(max_bytes: int) -> None:
    record = letter(b"v" * 50_000, DecodeError("x"), max_bytes=max_bytes)
    assert size(record) <= max_bytes
    assert 0 < len(record.value) < 50_000
    dead_letter = DeadLetter.from_headers(record.headers)
    assert (dead_letter.full_bytes, dead_letter.cut) == (50_000, "value")


def test_headers_and_key_are_cut_before_the_reason() -> None:
    record = letter(
        b"v", DecodeError("x"), key=b"k" * 9_000, headers=[("h", b"h" * 9_000)], max_bytes=5_000
    )
    assert size(record) <= 5_000
    assert record.key is None
    headers = dict(record.headers)
    assert headers["__penstock.errors.cut"] == b"value, headers, key"
    assert headers["__penstock.errors.full_bytes"] == b"1"
    assert DeadLetter.from_headers(record.headers).reason == "decode_error"


def test_a_long_message_is_cut() -> None:
    dead_letter = DeadLetter.from_headers(letter(b"v", DecodeError("x" * 100_000)).headers)
    assert len(dead_letter.message) == 2_000


def test_it_holds_the_timestamp_of_the_record() -> None:
    assert DeadLetter.from_headers(letter(b"v", DecodeError("x")).headers).timestamp_ms == (
        1_700_000_000_001
    )


SECRET = "jane.doe@example.org"


def test_without_payload_it_holds_nothing_of_the_record() -> None:
    error = ModelFailedError(ValueError(f"no such customer: {SECRET}"), 2)
    headers = [("customer", SECRET.encode()), ("ce_id", SECRET.encode())]
    record = letter(SECRET.encode(), error, key=SECRET.encode(), headers=headers, payload="none")
    assert (record.key, record.value) == (None, b"")
    assert SECRET not in str(record)
    dead_letter = DeadLetter.from_headers(record.headers)
    assert dead_letter.origin == Origin("numbers", 3, 42)
    assert (dead_letter.reason, dead_letter.exception, dead_letter.attempts) == (
        "model_error",
        "ValueError",
        2,
    )
    assert (dead_letter.full_bytes, dead_letter.cut) == (
        len(SECRET),
        "value, headers, key, message",
    )
    assert {name.split("_")[0] for name, _ in record.headers} == {"", "ce", "content-type"}


@pytest.mark.parametrize(("payload", "max_bytes"), [("none", 10_000), ("full", 3_000)])
def test_a_cut_keeps_the_headers_of_a_replay(payload: DeadLetterPayload, max_bytes: int) -> None:
    replay = Replay(origin=Origin("numbers", 3, 7), attempt=2, replayed_at_ms=1)
    headers = [("mine", b"x" * 4_000), *replay.to_headers()]
    record = letter(b"v", DecodeError("x"), headers=headers, payload=payload, max_bytes=max_bytes)
    assert "mine" not in dict(record.headers)
    assert Replay.from_headers(record.headers) == replay


CODECS = ["avro", "protobuf", "json_schema"]


@pytest.mark.parametrize("codec", CODECS)
def test_a_framed_letter_holds_the_original_within(codec: str) -> None:
    record = letter(b"{bad", DecodeError("not JSON"), headers=[("mine", b"1")], codec=codec)
    assert record.value[:5] == b"\0\0\0\0\7"
    dead_letter = DeadLetter.from_headers(record.headers)
    assert (dead_letter.value_codec, dead_letter.message) == (codec, "not JSON")
    assert original_value(dead_letter, record.value) == b"{bad"
    assert record.headers[0] == ("mine", b"1")


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("num_bytes", [5_000, 8_990, 9_000, 9_300, 9_600, 9_990, 50_000])
def test_a_framed_letter_stays_below_the_limit(codec: str, num_bytes: int) -> None:
    record = letter(b"v" * num_bytes, DecodeError("x"), max_bytes=10_000, codec=codec)
    assert size(record) <= 10_000
    dead_letter = DeadLetter.from_headers(record.headers)
    value = original_value(dead_letter, record.value)
    assert value == b"v" * len(value)
    assert len(value) > 5_000 or num_bytes == len(value)
    assert (dead_letter.full_bytes == -1) == (len(value) == num_bytes)


@pytest.mark.parametrize("codec", CODECS)
def test_a_framed_letter_can_leave_out_the_original(codec: str) -> None:
    record = letter(b"secret", DecodeError("secret"), payload="none", codec=codec)
    assert b"secret" not in record.value
    assert original_value(DeadLetter.from_headers(record.headers), record.value) == b""
