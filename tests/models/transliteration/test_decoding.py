from __future__ import annotations

from pathlib import Path

import pytest

from models.transliteration.decoding import transliterate
from models.transliteration.saved import load
from tests.models.transliteration.small_places import write_transliterator


def test_candidates_come_by_descending_probability(tmp_path: Path) -> None:
    alphabet, network = load(write_transliterator(tmp_path))
    names = [("badeki", "DE"), ("lo", ""), ("mani", "US")]
    answers = transliterate(network, alphabet, names, width=5)
    assert len(answers) == 3
    assert any(answers)
    for candidates in answers:
        scores = [c.score for c in candidates]
        assert scores == sorted(scores, reverse=True)
        assert 0 <= sum(scores) <= 1  # a network of random weights has no answer for some names
        written = [c.characters for c in candidates]
        assert len(set(written)) == len(written)
        assert all(written)
    for name, expected in zip(names, answers, strict=True):
        (alone,) = transliterate(network, alphabet, [name], width=5)
        assert [c.characters for c in alone] == [c.characters for c in expected]
        assert [c.score for c in alone] == pytest.approx([c.score for c in expected], abs=1e-6)
