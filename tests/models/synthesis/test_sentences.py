from __future__ import annotations

import pytest

from models.speech.grammar import is_held_out
from models.synthesis.sentences import (
    learned_sentences,
    punctuated,
    unseen_sentences,
    words_of,
)
from models.synthesis.text import normalized


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("warning fan two is hot", "warning, fan two is hot."),
        ("where is anna", "where is anna?"),
        ("seven", "seven."),
        ("notice", "notice."),
    ],
)
def test_marks(sentence: str, expected: str) -> None:
    assert punctuated(sentence) == expected
    assert words_of(expected) == sentence.split()


def test_learned_and_unseen_sentences_are_disjoint_short_and_spoken_as_written() -> None:
    learned, unseen = learned_sentences(0, 200, 60), unseen_sentences(0, 50, 60)
    assert (len(set(learned)), len(set(unseen))) == (200, 50)
    assert not set(learned) & set(unseen)
    for text in (*learned, *unseen):
        assert len(text) <= 61
        assert normalized(text) == text
        assert is_held_out(" ".join(words_of(text))) == (text in unseen)


def test_the_seed_decides() -> None:
    assert learned_sentences(1, 20, 60) == learned_sentences(1, 20, 60)
    assert learned_sentences(1, 20, 60) != learned_sentences(2, 20, 60)
