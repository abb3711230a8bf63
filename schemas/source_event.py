"""What sources and their channels do: they fall silent, come back, and send late."""

from __future__ import annotations

from typing import Literal

from schemas.event import Result


class SourceEvent(Result, kw_only=True):
    """A source, or a channel of it, fell silent or came back; or a source sent an old event."""

    kind: Literal["silent", "back", "late"]
    subject: str
    """The source that it is about; of `silent` not that of the record, which shows the time."""
    last_event_time_ms: int
    """The subject's latest event time before this, milliseconds since 1970-01-01T00:00:00Z."""
    seconds: float
    """Of `silent` and `back`: how long nothing came. Of `late`: how much older it is. >= 0."""
    allowed_seconds: float
    """How long the subject may be silent, > 0; 0 if that is not known yet."""
    channel: str = ""
    """Of `silent` and `back`: the subject's channel that it is about; "": the subject itself."""
