"""What a text means."""

from __future__ import annotations

import msgspec

from schemas.event import Result


class IntentScore(msgspec.Struct, frozen=True):
    """One candidate intent."""

    intent: str
    score: float
    """Probability in [0, 1] by the model's own measure."""


class NluResult(Result, kw_only=True):
    """The understanding of one message."""

    intent: str
    """The likeliest intent, or the model's name for out of scope."""
    score: float
    """Of `intent`, in [0, 1]."""
    alternatives: list[IntentScore] = msgspec.field(default_factory=list)
    """The next candidates, by descending score."""
    embedding: list[float] | None = None
    """Unit-length sentence vector, if the pipeline asks for it."""
