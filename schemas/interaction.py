"""What users do with items: views, purchases, ratings, plays."""

from __future__ import annotations

from typing import Annotated, Self

from msgspec import Meta

from schemas.event import Event, Label


class Interaction(Event, frozen=True, kw_only=True):
    """One action of one user on one item; without an item, a request for recommendations."""

    item: Label = ""
    """The item's id. "": nothing was done, the user only asks what to show."""
    action: Label
    """What was done, as a verb: `view`, `buy`, `rate`."""
    weight: Annotated[float, Meta(ge=0, le=100)] = 1.0
    """How much the action says about the user's taste. 0: seen, but nothing to learn from."""

    @classmethod
    def example(cls) -> Self:
        """Return a purchase."""
        return cls(
            source_id="user-1",
            event_time_ms=1_700_000_000_000,
            event_id="i-1",
            item="tea-7",
            action="buy",
            weight=3.0,
        )
