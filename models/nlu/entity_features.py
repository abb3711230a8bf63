"""What a word looks like, as numbers: an uncased encoder does not see it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.nlu.tags import Span

NUM_FEATURES = 17
#: The share of capitals from which a text counts as written in capitals: they say nothing then.
_MOSTLY_CAPITALS = 0.8
_SHORT, _LONG = 2, 7


def word_shapes(text: str, spans: Sequence[Span]) -> NDArray[np.float32]:
    """Return (W, `NUM_FEATURES`) float32, most of them 0 or 1, for the W words of a text."""
    letters = [char for char in text if char.isalpha()]
    capitals = sum(map(str.isupper, letters)) / max(1, len(letters))
    rows = [_shape(text, start, end, capitals, i == 0) for i, (start, end) in enumerate(spans)]
    return np.array(rows, dtype=np.float32).reshape(len(spans), NUM_FEATURES)


def _shape(text: str, start: int, end: int, capitals: float, is_first: bool) -> list[float]:
    word = text[start:end] or " "
    before = text[start - 1] if start else ""
    return [
        word[0].isupper(),
        word.isupper() and len(word) > 1,
        word.islower(),
        any(map(str.isdigit, word)),
        word.isdigit(),
        any(map(str.isupper, word[1:])) and not word.isupper(),
        not word[0].isalnum(),
        before == "@",
        before == "#",
        before not in ("", " "),
        end < len(text) and text[end] != " ",
        is_first,
        len(word) <= _SHORT,
        len(word) > _LONG,
        capitals,
        capitals > _MOSTLY_CAPITALS,
        start > 1 and text[start - 2] in ".!?:",
    ]
