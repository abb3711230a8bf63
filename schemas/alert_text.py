"""Alerts in words."""

from __future__ import annotations

from schemas.event import Result


class AlertText(Result, kw_only=True):
    """What to say about an event. Its record is also a `TextMessage`."""

    text: str
    """A sentence, at most some thousand characters."""
