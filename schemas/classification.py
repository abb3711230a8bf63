"""What a frame shows, as a whole."""

from __future__ import annotations

import msgspec

from schemas.event import Result


class ClassScore(msgspec.Struct, frozen=True):
    """One candidate class."""

    label: str
    class_id: int
    """Index into the model's labels, from 0."""
    score: float
    """Probability in [0, 1], as the model sees it."""


class Classification(Result, kw_only=True):
    """The class of one frame or event."""

    label: str
    """The likeliest class."""
    class_id: int
    """Index of `label` into the model's labels, from 0."""
    score: float
    """Score of `label`, in [0, 1]."""
    top: list[ClassScore] = msgspec.field(default_factory=list)
    """The likeliest classes by descending score, `label` first; as many as the model's `top_k`."""
