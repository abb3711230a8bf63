"""Results of language understanding."""

from __future__ import annotations

import msgspec

from schemas.event import Result


class IntentScore(msgspec.Struct, frozen=True):
    """One candidate intent."""

    intent: str
    score: float
    """Probability in [0, 1], as the model sees it."""


class NluResult(Result, kw_only=True):
    """The intent of one message."""

    intent: str
    """The likeliest intent, or the label for out of scope."""
    score: float
    """Score of `intent`, in [0, 1]."""
    alternatives: list[IntentScore] = msgspec.field(default_factory=list)
    """The next candidates, by descending score."""
    is_truncated: bool = False
    """Whether the text was longer than the model reads: the answer is about the part that it reads."""
    embedding: list[float] | None = None
    """Unit-length sentence vector, if the pipeline asks for it."""
