from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.nlu.entity_data import TaggedText
from models.nlu.entity_encoder import EntityEncoder
from models.nlu.entity_training import EntityTraining, bio_labels, encode_words, train_head

#: "order" is a thing; in capitals it is a name. Only the shape tells them apart.
TEXTS = [
    TaggedText("where is my order", frozenset({("thing", 12, 17)})),
    TaggedText("hello Order", frozenset({("name", 6, 11)})),
    TaggedText("thanks my balances", frozenset({("thing", 7, 18)})),
    TaggedText("hello", frozenset()),
    TaggedText(" ", frozenset()),
]
SETTINGS = EntityTraining(layers=(0, 2), width=16, epochs=200, dropout=(0.0, 0.0))


@pytest.fixture(scope="module")
def encoder(tiny_bert: Path) -> EntityEncoder:
    encoder = EntityEncoder(str(tiny_bert), 64, 16, 4)
    encoder.load("cpu", SETTINGS.layers)
    return encoder


def test_words_have_the_tags_of_the_entities_around_them(encoder: EntityEncoder) -> None:
    labels = bio_labels(TEXTS)
    assert labels == ("O", "B-name", "I-name", "B-thing", "I-thing")
    words = encode_words(encoder, TEXTS, labels)
    tags = [[labels[k] for k in text.tags] for text in words]
    assert tags == [
        ["O", "O", "O", "B-thing"],
        ["O", "B-name"],
        ["O", "B-thing", "I-thing"],
        ["O"],
    ]


def test_a_trained_head_finds_what_it_was_trained_on(encoder: EntityEncoder) -> None:
    labels = bio_labels(TEXTS)
    words = encode_words(encoder, TEXTS, labels)
    losses: list[float] = []
    head = train_head(words, labels, "abc", SETTINGS, lambda epoch, loss: losses.append(loss))
    assert losses[-1] < 0.1 < losses[0]
    size = len(head.token_weights)
    for text in words:
        projected = text.states[:, :size] @ head.token_weights
        probabilities = head.probabilities(projected, text.states[:, size:])
        assert head.best_tags(probabilities) == text.tags.tolist()
        assert np.isfinite(probabilities).all()


def test_the_same_seed_gives_the_same_head(encoder: EntityEncoder) -> None:
    labels = bio_labels(TEXTS)
    words = encode_words(encoder, TEXTS, labels)
    brief = EntityTraining(layers=(0, 2), width=8, epochs=2)
    first, second = (train_head(words, labels, "abc", brief) for _ in range(2))
    assert first.fingerprint() == second.fingerprint()
    other = EntityTraining(layers=(0, 2), width=8, epochs=2, seed=1)
    assert train_head(words, labels, "abc", other).fingerprint() != first.fingerprint()
