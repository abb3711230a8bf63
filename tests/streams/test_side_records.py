"""Side records are decoded among the events, or filtered where the model does not read them."""

from __future__ import annotations

import random

import pytest

from schemas import Event, Feedback, SchemaError, TextMessage, make_codec
from streams.decoding import Decoded, Decoder
from streams.offsets import OffsetTracker
from streams.records import Headers
from streams.side_records import SideRecordDecoder
from tests.fakes import record_batch

LABEL: Headers = [("ce_type", b"penstock.feedback.v1")]
TEXT: Headers = [("ce_type", b"penstock.text_message.v1")]


def decode(
    values: list[bytes | None], headers: list[Headers], taken: tuple[type[Event], ...]
) -> Decoded[Event]:
    def make(kind: type[Event]) -> Decoder[Event]:
        return Decoder(make_codec("json", kind), 1000, None, kind)

    decoder = SideRecordDecoder(make(TextMessage), taken, make)
    return decoder.decode(record_batch(values, tracker=OffsetTracker(), headers=headers))


def test_labels_come_among_the_events_in_their_order() -> None:
    chance = random.Random(0)
    is_label = [chance.random() < 0.5 for _ in range(50)]
    values: list[bytes | None] = [
        b'{"label": "%d", "answer": "in:0:1"}' % i if label else b'{"text": "%d"}' % i
        for i, label in enumerate(is_label)
    ]
    decoded = decode(values, [LABEL if label else () for label in is_label], (Feedback,))
    assert list(decoded.rows) == list(range(50))
    for i, (event, label) in enumerate(zip(decoded.events, is_label, strict=True)):
        assert isinstance(event, Feedback if label else TextMessage)
        assert (event.label if isinstance(event, Feedback) else event.text) == str(i)
        assert event.source_id == "k"


def test_a_model_that_does_not_read_labels_gets_none() -> None:
    values: list[bytes | None] = [b'{"text": "a"}', b'{"label": "b", "answer": "in:0:1"}', b"{"]
    decoded = decode(values, [TEXT, LABEL, LABEL], ())
    assert list(decoded.rows) == [0]
    assert decoded.filtered == {"side_record": [1, 2]}
    assert not decoded.failed


def test_a_bad_label_and_a_tombstone_keep_their_own_outcomes() -> None:
    values: list[bytes | None] = [None, b'{"label": "b"}', b"{", b'{"text": "a"}', None]
    decoded = decode(values, [LABEL, LABEL, (), TEXT, ()], (Feedback,))
    assert list(decoded.rows) == [3]
    assert decoded.tombstones == [0, 4]
    assert [row for row, _ in decoded.failed] == [1, 2]
    assert isinstance(decoded.failed[0][1], SchemaError)


@pytest.mark.parametrize("headers", [(), TEXT])
def test_without_side_records_the_decoder_of_events_does_all(headers: Headers) -> None:
    decoded = decode([b'{"text": "a"}'] * 3, [headers] * 3, (Feedback,))
    assert decoded.rows == range(3)
