"""The sentences of the speech grammar with punctuation, for a synthesizer to learn from."""

from __future__ import annotations

import re
from collections.abc import Callable

from models.speech.grammar import RULES, held_out_sentences, training_sentences

_ASKING = ("what", "is", "how", "when", "who", "why", "where", "can")
_LEVELS = RULES["level"]


def punctuated(sentence: str) -> str:
    """Return a sentence of the grammar with a comma after an alert's level and an end mark."""
    first, _, rest = sentence.partition(" ")
    if first in _LEVELS and rest:
        sentence = f"{first}, {rest}"
    return sentence + ("?" if first in _ASKING else ".")


def learned_sentences(seed: int, count: int, max_characters: int) -> list[str]:
    """Return `count` different sentences to train on, in the order drawn.

    Args:
        seed: of the draw.
        count: of the sentences.
        max_characters: longer ones are left out, at least 20.
    """
    return _short(training_sentences, seed, count, max_characters)


def unseen_sentences(seed: int, count: int, max_characters: int) -> list[str]:
    """Return the same of sentences that no training sees."""
    return _short(held_out_sentences, seed, count, max_characters)


def words_of(sentence: str) -> list[str]:
    """Return the words without punctuation."""
    return re.findall(r"[a-z']+", sentence.lower())


def _short(
    draw: Callable[[int, int], list[str]], seed: int, count: int, max_characters: int
) -> list[str]:
    """Return the first `count` of the drawn sentences that are short enough."""
    drawn = 2 * count
    while True:
        short = [punctuated(s) for s in draw(seed, drawn) if len(s) < max_characters]
        if len(short) >= count:
            return short[:count]
        drawn *= 2
