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
    """Whether the text was longer than the model reads: the answer is about a part of it."""
    embedding: list[float] | None = None
    """Unit-length sentence vector, if the pipeline asks for it."""


class Entity(msgspec.Struct, frozen=True):
    """One mention of something in a text."""

    label: str
    """Kind of entity, as the model names it, such as `person`."""
    start: int
    """Its first character: an index into the original text, in Unicode code points, from 0."""
    end: int
    """The index behind its last character; `text[start:end]` is the mention."""
    score: float
    """Mean probability of its words' tags, in [0, 1]."""
    text: str
    """The mention as it stands in the original text."""


class TextEntities(Result, kw_only=True):
    """The entities of one message, in the order of the text; they don't overlap."""

    entities: list[Entity]
    is_truncated: bool = False
    """Whether the text was longer than the model reads: its end was not searched."""
