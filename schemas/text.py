"""Texts: chat messages, tickets, posts."""

from __future__ import annotations

from typing import Annotated, Self

from msgspec import Meta

from schemas.event import Event, Label


class TextMessage(Event, frozen=True, kw_only=True):
    """One message of one conversation."""

    text: Annotated[str, Meta(min_length=1, max_length=100_000)]
    """The text, limited in Unicode characters; models cut it to the length they can read."""
    language: Label = ""
    """BCP 47 tag such as `en` or `pt-BR`; "" means not known."""

    @classmethod
    def example(cls) -> Self:
        """Return a short English message."""
        return cls(
            source_id="conversation-1",
            event_time_ms=1_700_000_000_000,
            event_id="m-1",
            text="what's my balance?",
            language="en",
        )
