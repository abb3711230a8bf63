"""A sign that a source sends, read from any record that names its source and time."""

from __future__ import annotations

from schemas.event import Event


class Heartbeat(Event, frozen=True, kw_only=True):
    """The common fields of an event or a result; all other fields of the value are ignored."""
