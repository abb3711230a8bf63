"""Results with NaN or infinity are errors that say where, in every codec; all others pass."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import Detection, Detections, Event, InputError
from schemas.codecs import make_codec
from streams.batching import Chunk, MicroBatch
from streams.encoding import ResultEncoder, Timings
from streams.finite_results import require_finite
from streams.offsets import OffsetTracker
from tests.fakes import record_batch

CODECS = pytest.mark.parametrize("codec", ["json", "msgpack"])
BAD = pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])


class Model:
    name, version = "m", "1"


def detections(score: float) -> Detections:
    found = Detection(label="a", class_id=0, score=score, box=(0, 0, 1, 1))
    return Detections(width=4, height=4, detections=[found])


def check(result: Any, codec: str) -> None:
    encoder = make_codec(codec, Event)
    require_finite(result, encoder.encode(result), encoder.content_type)


@CODECS
@BAD
@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda bad: {"y": bad}, "y"),
        (lambda bad: {"a": [1.0, {"b": (0.0, bad)}]}, "a[1].b[1]"),
        (lambda bad: {"scores": {1: bad}}, "scores.1"),
        (lambda bad: detections(bad), "detections[0].score"),
    ],
)
def test_the_place_is_named(make: Any, path: str, bad: float, codec: str) -> None:
    with pytest.raises(ValueError, match="expected a finite number") as caught:
        check(make(bad), codec)
    assert str(caught.value).startswith(f"{path} is {bad}")


@BAD
def test_json_with_an_integer_that_messagepack_cant_write(bad: float) -> None:
    with pytest.raises(ValueError, match=r"^c is"):
        check({"a": None, "b": 2**80, "c": bad}, "json")
    check({"a": None, "b": 2**80}, "json")


json_like = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text() | st.binary()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)  # fmt: skip


@CODECS
@given(value=json_like)
def test_finite_results_of_any_content_pass(codec: str, value: Any) -> None:
    check({"value": value}, codec)


@CODECS
def test_bytes_and_texts_that_look_like_not_a_number_pass(codec: str) -> None:
    check({"data": b"\xcb\x7f\xf8", "text": "null NaN", "none": None, "large": 1.7e308}, codec)


@CODECS
@BAD
def test_the_event_becomes_a_dead_letter_and_its_neighbors_are_answered(
    codec: str, bad: float
) -> None:
    answers = [{"y": 1.0}, {"y": bad}, {"y": 3.0}]
    assert outcome(answers, codec) == [0, 2]


@CODECS
@BAD
def test_so_it_is_for_results_of_one_type(codec: str, bad: float) -> None:
    assert outcome([detections(score) for score in (0.5, bad, 0.7)], codec) == [0, 2]


def outcome(answers: list[Any], codec: str) -> list[int]:
    """Return the rows that were answered; require that the others failed with a reason."""
    batch = record_batch([b"x"] * len(answers), tracker=OffsetTracker())
    events = [Event(source_id="s", event_time_ms=1) for _ in answers]
    chunk = Chunk(batch, range(len(events)), events)
    encoder = ResultEncoder("scores", make_codec(codec, Event), Model())
    timings = Timings(len(events), 0.25, 0.125)
    (encoded,) = encoder.encode(MicroBatch([chunk], 0.0), answers, [], timings)
    [failed_chunk] = encoded.chunks
    for _, error in failed_chunk.failed:
        assert isinstance(error, InputError)
        assert error.reason == "unencodable_result"
        assert "expected a finite number" in str(error)
    assert len(failed_chunk.failed) + len(failed_chunk.rows) == len(answers)
    return list(failed_chunk.rows)
