"""Headers that results share are encoded once, and every record still has all of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from schemas import AudioChunk, Event, Result, SpokenAudio, TextMessage
from schemas.audio_codec import read_result
from schemas.cloudevents import MAX_RFC3339_MS, event_headers, type_name
from schemas.codecs import make_codec
from streams.batching import Chunk, MicroBatch
from streams.encoding import ResultEncoder, Timings
from streams.offsets import OffsetTracker
from tests.fakes import decode_headers, record_batch

_TIMES_MS = [1_700_000_000_007, 0, 1_700_000_000_250, MAX_RFC3339_MS + 1, 1]


class Score(Result, kw_only=True):
    """A number."""

    score: float = 0.0


@pytest.mark.parametrize("first_offset", [0, 8, 97, 99_998, 2**63 - 6])
def test_headers_equal_those_of_cloudevents(first_offset: int) -> None:
    """For offsets of different lengths, and events with and without a time."""
    batch = record_batch(
        [b"x"] * len(_TIMES_MS), first_offset=first_offset, tracker=OffsetTracker()
    )
    events = [Event(source_id="s", event_time_ms=time_ms) for time_ms in _TIMES_MS]
    chunk = Chunk(batch, range(len(events)), events)
    timings = Timings(5, 0.25, 0.125)
    model = SimpleNamespace(name="m", version="1")
    encoder = ResultEncoder("scores", make_codec("json", Event), model)
    answers = [Score(score=float(i)) for i in range(len(events))]
    (encoded,) = encoder.encode(MicroBatch([chunk], 0.0), answers, [], timings)
    records = encoded.records.unpack()
    assert len(records) == len(events)
    for row, packed in enumerate(records.headers):
        headers = dict(decode_headers(packed))
        assert headers.pop("penstock_timing").endswith(b";batch=5;queue=0.250000;model=0.125000")
        expected = event_headers(
            event_id=f"numbers:0:{first_offset + row}:scores:{type_name(Score)}:0",
            type_name=type_name(Score),
            source="penstock/scores",
            time_ms=_TIMES_MS[row],
            content_type="application/json",
        )
        assert headers == dict(expected)
        assert len(decode_headers(packed)) == len(expected) + 1


class Row(Result, kw_only=True):
    """A row of a table of something else than the input's sources."""

    name: str

    def record_key(self) -> str:
        return self.name


@pytest.mark.parametrize(
    ("answers", "keys"),
    [
        ([Row(name="a"), Row(name="b")], [b"a", b"b"]),
        ([[Row(name="a"), Row(name="c")], []], [b"a", b"c"]),
        ([Row(name=""), Score()], [b"k", b"k"]),
    ],
)
def test_a_result_may_have_a_key_of_its_own(answers: list[Any], keys: list[bytes]) -> None:
    batch = record_batch([b"x"] * 2, first_offset=0, tracker=OffsetTracker())
    events = [Event(source_id="s") for _ in range(2)]
    chunk = Chunk(batch, range(2), events)
    model = SimpleNamespace(name="m", version="1")
    encoder = ResultEncoder("rows", make_codec("json", Event), model)
    (encoded,) = encoder.encode(MicroBatch([chunk], 0.0), answers, [], Timings(2, 0.0, 0.0))
    assert list(encoded.records.unpack().keys) == keys


def test_sound_is_the_value_and_the_rest_of_the_result_is_in_headers() -> None:
    batch = record_batch([b"x"] * 2, tracker=OffsetTracker())
    events = [TextMessage(source_id="s", event_id=f"e{n}", text="stop") for n in range(2)]
    model = SimpleNamespace(name="m", version="3")
    encoder = ResultEncoder("speak", make_codec("audio", Event), model)
    answers = [SpokenAudio(audio=bytes([n, 1]), sample_rate_hz=8000, text="stop") for n in range(2)]
    (encoded,) = encoder.encode(
        MicroBatch([Chunk(batch, range(2), events)], 0.0), answers, [], Timings(2, 0.0, 0.0)
    )
    records = encoded.records.unpack()
    assert records.values == [b"\0\1", b"\1\1"]
    for row, packed in enumerate(records.headers):
        headers = dict(decode_headers(packed))
        result = read_result(records.values[row], headers)
        assert (result.origin.offset, result.event_id, result.model) == (row, f"e{row}", "m")
        chunk = make_codec("audio", AudioChunk).decode(records.values[row], headers)
        assert isinstance(chunk, AudioChunk)
        assert (chunk.sample_rate_hz, chunk.is_end) == (8000, True)
        assert headers["ce_type"] == b"penstock.spoken_audio.v1"


def test_a_result_without_sound_can_not_be_written_as_sound() -> None:
    batch = record_batch([b"x"], tracker=OffsetTracker())
    encoder = ResultEncoder(
        "speak", make_codec("audio", Event), SimpleNamespace(name="m", version="1")
    )
    micro = MicroBatch([Chunk(batch, range(1), [Event(source_id="s")])], 0.0)
    (encoded,) = encoder.encode(micro, [Score(score=1.0)], [], Timings(1, 0.0, 0.0))
    ((row, error),) = encoded.chunks[0].failed
    assert (row, error.reason) == (0, "unencodable_result")
    assert "Score has none" in str(error)
