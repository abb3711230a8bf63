"""Late labels: what the right answer for an earlier event was, known after the answer was given."""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import Meta

from schemas.errors import SchemaError
from schemas.event import Event, Label, Origin, Result

#: The beginning of a result's `ce_id`: topic, partition and offset of the record that it answers.
_ORIGIN = re.compile(r"([A-Za-z0-9._-]+):([0-9]{1,9}):([0-9]{1,18})(?::|$)")

ClassName = Annotated[str, Meta(min_length=1, max_length=200)]
"""The name of a class, 1 to 200 characters."""


class Feedback(Event, frozen=True, kw_only=True):
    """The right class of one earlier event, which `answer` or `about` names.

    It is a record of the input that the event came from, in the same partition, with the header
    `ce_type: penstock.feedback.v1`; the agent `label_relay` copies it there from another topic.
    """

    label: ClassName
    """The right class."""
    answer: Label = ""
    """The `ce_id` of the result that answered the event, or `topic:partition:offset` of it."""
    about: Label = ""
    """The `event_id` that the event's producer gave it; read where `answer` is absent."""

    def validate(self) -> None:
        """Check that it names an event.

        Raises:
            SchemaError: it names none, or `answer` is not an id of a result.
        """
        if not self.answer and not self.about:
            raise SchemaError("expected `answer`, a result's ce_id, or `about`, an event_id")
        if self.answer and parse_origin(self.answer) is None:
            raise SchemaError(
                f"answer is {self.answer[:60]!r}: expected a result's ce_id, which begins with "
                "topic:partition:offset"
            )

    @classmethod
    def example(cls) -> Feedback:
        """Return a label of a result."""
        return cls(
            source_id="conversation-7",
            event_time_ms=1_700_000_000_000,
            event_id="label-1",
            label="order_status",
            answer="text.messages:0:42:understand_text:penstock.nlu_result.v1:0",
            about="message-42",
        )


class FeedbackCopy(Result, kw_only=True):
    """A label as `label_relay` writes it to the input of the agent that learns from it."""

    label: str
    """The right class."""
    answer: str = ""
    """The `ce_id` of the result that answered the event."""
    about: str = ""
    """The `event_id` of the event."""


def parse_origin(ce_id: str) -> Origin | None:
    """Return the record that a result's `ce_id` begins with, None if it is not such an id."""
    found = _ORIGIN.match(ce_id)
    return Origin(found[1], int(found[2]), int(found[3])) if found else None
