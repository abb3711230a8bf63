"""Readings of sensors and other measured series."""

from __future__ import annotations

from typing import Annotated, Self

from msgspec import Meta

from schemas.event import Event, FiniteFloat


class SensorReading(Event, frozen=True, kw_only=True):
    """The values that one sensor measured at one time: one number a channel."""

    values: Annotated[dict[str, FiniteFloat], Meta(min_length=1, max_length=1024)]
    """Channel name to finite value, in the channel's unit (put it in the name: `flow_l_min`)."""

    @classmethod
    def example(cls) -> Self:
        """Return a reading of two channels."""
        return cls(
            source_id="pump-1",
            event_time_ms=1_700_000_000_000,
            event_id="r-1",
            values={"pressure_bar": 2.5, "flow_l_min": 31.0},
        )
