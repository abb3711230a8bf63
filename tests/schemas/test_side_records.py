"""The header `ce_type` tells side records from events."""

from __future__ import annotations

import pytest

from schemas import Feedback
from schemas.side_records import side_type


@pytest.mark.parametrize("kind", [b"penstock.feedback.v1", b"penstock.feedback_copy.v1"])
def test_a_label_is_known_by_its_type_wherever_the_header_is(kind: bytes) -> None:
    assert side_type([("ce_id", b"1"), ("ce_type", kind), ("more", b"")]) is Feedback


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("ce_type", b"penstock.text_message.v1")],
        [("ce_type", b"penstock.feedback.v2")],
        [("other", b"penstock.feedback.v1")],
    ],
)
def test_other_records_are_events(headers: list[tuple[str, bytes]]) -> None:
    assert side_type(headers) is None
