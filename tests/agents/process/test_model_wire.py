"""Messages between a worker and its model's process are read back as they were written."""

from __future__ import annotations

import os
from typing import Any

import msgspec
import pytest

from agents.process.model_wire import Raised, SharedBytes, pack_answers, unpack_answers
from schemas import Detections, InputError, Result
from schemas.errors import TooLargeError, Unavailable


class Speed(Result):
    """A result type of a user."""

    kmh: float = 0.0


def sent_and_received(*answers: Any) -> list[Any]:
    return unpack_answers(pack_answers(answers))


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {"y": 1.5, "texts": ["a", "b"], "nested": {"x": None}},
        Speed(kmh=3.5, model="speed"),
        Detections(width=4, height=3, detections=[]),
        [Speed(kmh=1.0), {"y": 2}, Detections(width=4, height=3, detections=[])],
        [],
    ],
)
def test_an_answer_keeps_its_type_and_value(answer: Any) -> None:
    (received,) = sent_and_received(answer)
    assert received == answer
    assert type(received) is type(answer)


def test_a_tuple_of_results_becomes_a_list() -> None:
    assert sent_and_received((Speed(kmh=1.0), None)) == [[Speed(kmh=1.0), None]]


def test_an_input_error_keeps_its_reason_message_and_class_name() -> None:
    (received,) = sent_and_received(TooLargeError("a frame of 50,000 pixels"))
    assert isinstance(received, InputError)
    assert (received.reason, str(received)) == ("too_large", "a frame of 50,000 pixels")
    assert type(received).__name__ == "TooLargeError"


def test_another_error_keeps_its_class_name_and_message() -> None:
    error = Raised.of(ZeroDivisionError("by 0")).error()
    assert not isinstance(error, InputError)
    assert (type(error).__name__, str(error)) == ("ZeroDivisionError", "by 0")


def test_a_model_that_is_unavailable_stays_so() -> None:
    error = Raised.of(Unavailable("http://scores:8000 answers 503", 2.5)).error()
    assert isinstance(error, Unavailable)
    assert (error.retry_after_seconds, str(error)) == (2.5, "http://scores:8000 answers 503")


class Hidden(msgspec.Struct):
    x: int


def test_an_answer_that_can_not_be_sent_fails_alone() -> None:
    Hidden.__qualname__ = "Nowhere.Hidden"
    odd = Speed(kmh="fast")  # type: ignore[arg-type]
    first, *bad, last = sent_and_received({"y": 1}, object(), Hidden(1), odd, {"y": 2})
    assert (first, last) == ({"y": 1}, {"y": 2})
    assert [error.reason for error in bad] == ["unencodable_result"] * 3
    assert "object" in str(bad[0])
    assert "the worker does not know" in str(bad[1])


def test_shared_memory_grows_with_the_message() -> None:
    writer = SharedBytes()
    reader = SharedBytes(os.dup(writer.fd))
    for size in (0, 1, 64 * 1024, 64 * 1024 + 1, 10_000_000, 5):
        message = os.urandom(size)
        assert bytes(reader.read(writer.write(message))) == message
    reader.close()
    writer.close()


def test_a_message_that_is_still_looked_at_keeps_nothing_from_growing() -> None:
    writer = SharedBytes()
    reader = SharedBytes(os.dup(writer.fd))
    kept = reader.read(writer.write(b"first"))
    big = os.urandom(1_000_000)
    assert bytes(reader.read(writer.write(big))) == big
    del kept
    reader.close()
    writer.close()
