"""Lasting changes of series."""

from __future__ import annotations

from typing import Literal

from schemas.event import Result


class DriftEvent(Result, kw_only=True):
    """One channel of one source has changed for good."""

    channel: str
    method: Literal["adwin", "page_hinkley", "kswin"]
    """What noticed it."""
    noticed_ms: int
    """Event time of the reading that showed it, milliseconds since 1970-01-01T00:00:00Z."""
    before: float
    """Mean of the channel's values since the last change, in its unit."""
    after: float
    """Mean of about its last 8 values."""
    spread: float
    """Standard deviation of the values that it was compared with, in its unit, >= 0."""
