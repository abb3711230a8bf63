"""A result of anomaly detection, read as an event: the results of one agent feed the next."""

from __future__ import annotations

from typing import Annotated, Self

from msgspec import Meta

from schemas.event import Event, FiniteFloat, Label


class AnomalyReport(Event, frozen=True, kw_only=True):
    """The value of an `AnomalyScore` result; fields that only results have are ignored."""

    score: Annotated[float, Meta(ge=0, le=1)]
    """How unusual the reading is."""
    is_anomaly: bool
    """Whether the model takes it for an anomaly."""
    channel: Label = ""
    """The most unusual channel; "" if the model does not compare channels."""
    expected: FiniteFloat | None = None
    """The value that the model expected of `channel`, in its unit, if it has one."""

    @classmethod
    def example(cls) -> Self:
        """Return an anomaly of a pump."""
        return cls(
            source_id="pump-7",
            event_time_ms=1_700_000_000_000,
            event_id="r-1",
            score=0.97,
            is_anomaly=True,
            channel="pressure_bar",
            expected=2.5,
        )
