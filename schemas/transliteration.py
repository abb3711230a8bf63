"""Names in another script."""

from __future__ import annotations

import msgspec

from schemas.event import Result


class TransliterationCandidate(msgspec.Struct, frozen=True):
    """One way to write a name."""

    text: str
    score: float
    """Probability in [0, 1], as the model sees it."""


class Transliteration(Result, kw_only=True):
    """How the name in one message is written in another script, by its sound."""

    text: str
    """The likeliest way to write it."""
    score: float
    """Score of `text`, in [0, 1]."""
    alternatives: list[TransliterationCandidate] = msgspec.field(default_factory=list)
    """The next candidates, by descending score."""
    country: str = ""
    """ISO 3166 code of the country as whose name it was read; "" for none."""
    is_truncated: bool = False
    """Whether the name was longer than the model reads: the answer is about its beginning."""
