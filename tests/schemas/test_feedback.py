"""Late labels name the event that they are about."""

from __future__ import annotations

import pytest

from schemas import Feedback, JsonCodec, Origin, SchemaError
from schemas.feedback import parse_origin
from streams.kafka.positions import result_id


@pytest.mark.parametrize("topic_id", ["", "a" * 22])
def test_the_id_of_a_result_names_its_record(topic_id: str) -> None:
    ce_id = result_id("text.messages", topic_id, 3, 12345, "agent", "penstock.nlu_result.v1", 0)
    assert parse_origin(ce_id) == Origin("text.messages", 3, 12345)


def test_a_position_alone_is_enough() -> None:
    assert parse_origin("in:0:7") == Origin("in", 0, 7)


@pytest.mark.parametrize(
    "text", ["", "in", "in:0", "in:x:7", "in:0:7x", "in:-1:7", "a b:0:7", "in:0:" + "9" * 30]
)
def test_other_texts_are_no_ids(text: str) -> None:
    assert parse_origin(text) is None


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (b'{"label": "a"}', "expected `answer`"),
        (b'{"label": "a", "answer": "no id"}', "expected a result's ce_id"),
        (b'{"label": "", "answer": "in:0:7"}', "label"),
        (b'{"label": "%s", "answer": "in:0:7"}' % (b"x" * 201), "label"),
        (b'{"answer": "in:0:7"}', "label"),
    ],
)
def test_a_label_that_can_not_be_joined_is_refused(value: bytes, problem: str) -> None:
    with pytest.raises(SchemaError, match=problem):
        JsonCodec(Feedback).decode(value, {})
