"""A dead letter is the original, byte for byte, and says why and whence."""

from __future__ import annotations

import pytest

from schemas import DeadLetter, DecodeError, InputError, Origin, Replay
from schemas.errors import ModelFailedError
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
) -> OutputRecord:
    batch = record_batch(
        [b"other", value],
        tracker=OffsetTracker(),
        partition=3,
        first_offset=41,
        keys=[None, key],
        headers=[(), headers or []],
    )
    return make_dead_letter("agent", batch, 1, error, max_bytes, payload)


def size(record: OutputRecord) -> int:
    headers = sum(len(name) + len(value) for name, value in record.headers)
    return len(record.key or b"") + len(record.value) + headers


def test_it_carries_the_original_and_its_origin() -> None:
    record = letter(b"{bad", DecodeError("not JSON"), headers=[("mine", b"1"), ("ce_id", b"a")])
    assert (record.key, record.value) == (b"k", b"{bad")
    assert record.headers[:2] == [("mine", b"1"), ("ce_id", b"a")]
    told = DeadLetter.from_headers(record.headers)
    assert told.origin == Origin("numbers", 3, 42)
    assert (told.reason, told.message, told.exception) == (
        "decode_error",
        "not JSON",
        "DecodeError",
    )
    assert (told.agent, told.attempts, told.full_bytes) == ("agent", 1, -1)
    assert dict(record.headers)["ce_id"] == b"numbers:3:42:agent:dead_letter:0"


def test_a_model_failure_names_what_the_model_raised() -> None:
    told = DeadLetter.from_headers(
        letter(b"v", ModelFailedError(ZeroDivisionError("by zero"), 3)).headers
    )
    assert (told.reason, told.exception, told.attempts) == ("model_error", "ZeroDivisionError", 3)
    assert "by zero" in told.message


@pytest.mark.parametrize("max_bytes", [5_000, 2_000])
def test_one_that_is_too_large_is_cut_and_says_so(max_bytes: int) -> None:
    record = letter(b"v" * 50_000, DecodeError("x"), max_bytes=max_bytes)
    assert size(record) <= max_bytes
    assert 0 < len(record.value) < 50_000
    told = DeadLetter.from_headers(record.headers)
    assert (told.full_bytes, told.cut) == (50_000, "value")


def test_large_headers_and_keys_go_before_the_reason_does() -> None:
    record = letter(
        b"v", DecodeError("x"), key=b"k" * 9_000, headers=[("h", b"h" * 9_000)], max_bytes=5_000
    )
    assert size(record) <= 5_000
    assert record.key is None
    headers = dict(record.headers)
    assert headers["__penstock.errors.cut"] == b"value, headers, key"
    assert headers["__penstock.errors.full_bytes"] == b"1"
    assert DeadLetter.from_headers(record.headers).reason == "decode_error"


def test_an_endless_explanation_is_cut() -> None:
    told = DeadLetter.from_headers(letter(b"v", DecodeError("x" * 100_000)).headers)
    assert len(told.message) == 2_000


def test_it_tells_when_the_record_was_written() -> None:
    assert DeadLetter.from_headers(letter(b"v", DecodeError("x")).headers).timestamp_ms == (
        1_700_000_000_001
    )


SECRET = "jane.doe@example.org"


def test_without_payload_nothing_of_the_record_is_in_it() -> None:
    error = ModelFailedError(ValueError(f"no such customer: {SECRET}"), 2)
    headers = [("customer", SECRET.encode()), ("ce_id", SECRET.encode())]
    record = letter(SECRET.encode(), error, key=SECRET.encode(), headers=headers, payload="none")
    assert (record.key, record.value) == (None, b"")
    assert SECRET not in str(record)
    told = DeadLetter.from_headers(record.headers)
    assert told.origin == Origin("numbers", 3, 42)
    assert (told.reason, told.exception, told.attempts) == ("model_error", "ValueError", 2)
    assert (told.full_bytes, told.cut) == (len(SECRET), "value, headers, key, message")
    assert {name.split("_")[0] for name, _ in record.headers} == {"", "ce", "content-type"}


@pytest.mark.parametrize(("payload", "max_bytes"), [("none", 10_000), ("full", 3_000)])
def test_how_often_it_was_replayed_survives_what_is_cut(
    payload: DeadLetterPayload, max_bytes: int
) -> None:
    replay = Replay(origin=Origin("numbers", 3, 7), attempt=2, replayed_at_ms=1)
    headers = [("mine", b"x" * 4_000), *replay.to_headers()]
    record = letter(b"v", DecodeError("x"), headers=headers, payload=payload, max_bytes=max_bytes)
    assert "mine" not in dict(record.headers)
    assert Replay.from_headers(record.headers) == replay
