from __future__ import annotations

import numpy as np

from models.nlu.entity_features import NUM_FEATURES, word_shapes
from models.nlu.tags import Span


def test_words_of_different_looks_have_different_shapes() -> None:
    words = ["Ada", "NASA", "mouse", "42nd", "7", "iPhone", "!", "a", "Enterprise"]
    text = " ".join(words)
    spans: list[Span] = []
    for word in words:
        start = spans[-1][1] + 1 if spans else 0
        spans.append((start, start + len(word)))
    shapes = word_shapes(text, spans)
    assert shapes.shape == (len(words), NUM_FEATURES)
    assert shapes.dtype == np.float32
    assert len({tuple(row) for row in shapes.tolist()}) == len(words)
    assert 0 <= shapes.min() <= shapes.max() <= 1


def test_a_name_behind_an_at_sign_and_a_hash_sign() -> None:
    at, hashed, plain = (word_shapes(text, [(1, 4)])[0] for text in ("@ada", "#ada", " ada"))
    assert (at != hashed).any()
    assert (at != plain).any()


def test_a_text_in_capitals_is_known_as_one() -> None:
    loud, quiet = word_shapes("ADA IS HERE", [(0, 3)]), word_shapes("ADA is here", [(0, 3)])
    assert (loud != quiet).any()


def test_no_words_and_odd_spans_are_possible() -> None:
    assert word_shapes("", []).shape == (0, NUM_FEATURES)
    assert np.isfinite(word_shapes("a\u0301", [(0, 0), (1, 2)])).all()
