"""What passes between a worker and its model's process comes out as it went in."""

from __future__ import annotations

import os
from typing import Any

import msgspec
import pytest

from agents.process.model_wire import Raised, SharedBytes, pack_answers, unpack_answers
from schemas import Detections, InputError, Result
from schemas.errors import TooLargeError


class Speed(Result):
    """A result of a user's own."""

    kmh: float = 0.0


def there_and_back(*answers: Any) -> list[Any]:
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
def test_an_answer_stays_what_it_is(answer: Any) -> None:
    (found,) = there_and_back(answer)
    assert found == answer
    assert type(found) is type(answer)


def test_a_tuple_of_results_is_a_list_of_them() -> None:
    assert there_and_back((Speed(kmh=1.0), None)) == [[Speed(kmh=1.0), None]]


def test_an_error_keeps_its_reason_its_words_and_its_name() -> None:
    (found,) = there_and_back(TooLargeError("a frame of 50,000 pixels"))
    assert isinstance(found, InputError)
    assert (found.reason, str(found)) == ("too_large", "a frame of 50,000 pixels")
    assert type(found).__name__ == "TooLargeError"


def test_what_was_raised_is_raised_again_by_its_name() -> None:
    error = Raised.of(ZeroDivisionError("by 0")).error()
    assert not isinstance(error, InputError)
    assert (type(error).__name__, str(error)) == ("ZeroDivisionError", "by 0")


class Hidden(msgspec.Struct):
    x: int


def test_what_can_not_pass_fails_alone() -> None:
    Hidden.__qualname__ = "Nowhere.Hidden"
    odd = Speed(kmh="fast")  # type: ignore[arg-type]
    first, *bad, last = there_and_back({"y": 1}, object(), Hidden(1), odd, {"y": 2})
    assert (first, last) == ({"y": 1}, {"y": 2})
    assert [error.reason for error in bad] == ["unencodable_result"] * 3
    assert "object" in str(bad[0])
    assert "the worker does not know" in str(bad[1])


def test_shared_memory_grows_as_it_must() -> None:
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
