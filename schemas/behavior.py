"""What users do: clicks, sessions, orders, network connections."""

from __future__ import annotations

from typing import Annotated, Self

from msgspec import Meta

from schemas.event import Event, FiniteFloat, Label


class BehaviorEvent(Event, frozen=True, kw_only=True):
    """One action of one user, with the numbers that describe it."""

    action: Label
    """What was done, as a verb: `view`, `buy`, `connect`."""
    features: Annotated[dict[str, FiniteFloat], Meta(min_length=1, max_length=1024)]
    """Feature name to value, finite. A model says how it scales them."""

    @classmethod
    def example(cls) -> Self:
        """Return a purchase."""
        return cls(
            source_id="user-1",
            event_time_ms=1_700_000_000_000,
            event_id="b-1",
            action="buy",
            features={"pages": 12.0, "seconds": 340.0, "amount_eur": 59.9},
        )
