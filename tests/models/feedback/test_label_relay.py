"""Labels are copied unchanged, to an input where they are known as labels."""

from __future__ import annotations

from models.feedback.label_relay import LabelRelay
from schemas import Feedback, make_codec
from schemas.cloudevents import type_name
from schemas.side_records import side_type


def test_a_copy_is_read_as_the_label_that_it_copies() -> None:
    label = Feedback.example()
    (copy,) = LabelRelay().predict_batch([label])
    kind = side_type([("ce_type", type_name(type(copy)).encode())])
    assert kind is Feedback
    again = make_codec("json", kind).decode(make_codec("json", kind).encode(copy), {})
    assert isinstance(again, Feedback)
    assert (again.label, again.answer, again.about) == (label.label, label.answer, label.about)
