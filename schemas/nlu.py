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


class TextEmbedding(Result, kw_only=True):
    """The sentence vector of one message: texts of like meaning have a cosine near 1."""

    dimension: int
    """Numbers in the vector."""
    embedding: list[float] | None = None
    """The vector, of length 1; null if it is packed."""
    packed: str | None = None
    """The vector as base64 of little-endian float16 numbers, if the pipeline asks for it."""
    is_truncated: bool = False
    """Whether the text was longer than the model reads: the vector is about a part of it."""


class LabelSimilarity(msgspec.Struct, frozen=True):
    """How near a text is to one label."""

    label: str
    similarity: float
    """Cosine of the text's vector and the nearest of the label's descriptions, in [-1, 1]. It is no
    probability, and comparable only within one encoder."""


class TextLabels(Result, kw_only=True):
    """Which of the pipeline's labels one message is about."""

    label: str | None
    """The most similar label; null: none of them reaches the threshold."""
    labels: list[LabelSimilarity]
    """The most similar labels, by descending similarity."""
    is_truncated: bool = False
    """Whether the text was longer than the model reads: the answer is about a part of it."""


class TextUnderstanding(Result, kw_only=True):
    """What several heads over one pass of an encoder say; the fields of absent heads are null."""

    is_truncated: bool
    """Whether intent, label and embedding are about a part of the text: its first `max_tokens`."""
    intent: str | None = None
    """As `NluResult.intent`, and so are `score` and `alternatives`."""
    score: float | None = None
    alternatives: list[IntentScore] | None = None
    entities: list[Entity] | None = None
    """As `TextEntities.entities`."""
    label: str | None = None
    """As `TextLabels.label`: null also if none of the labels fits."""
    labels: list[LabelSimilarity] | None = None
    """As `TextLabels.labels`."""
    embedding: list[float] | None = None
    """As `TextEmbedding.embedding`."""
    is_search_truncated: bool = False
    """Whether the end of the text was not searched for entities (`max_windows`)."""
