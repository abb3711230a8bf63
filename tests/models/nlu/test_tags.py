from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from models.base import ModelError
from models.nlu.tags import Tag, find_entities, parse_tags

TEXT = "Ada Lovelace met Babbage in London"
SPANS = [(0, 3), (4, 12), (13, 16), (17, 24), (25, 27), (28, 34)]


def found(labels: Sequence[str], words: Sequence[str]) -> list[tuple[str, str]]:
    """Return (kind, mention) for words tagged with certainty."""
    choices = [labels.index(word) for word in words]
    probabilities = np.eye(len(labels), dtype=np.float32)[choices]
    entities = find_entities(TEXT, SPANS, choices, probabilities, parse_tags(labels))
    for entity in entities:
        assert TEXT[entity.start : entity.end] == entity.text
        assert entity.score == 1.0
    return [(entity.label, entity.text) for entity in entities]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ("O B-per I-per B-loc I-loc", "B-per I-per O B-per O B-loc"),
        ("I-per B-per O B-loc I-loc", "I-per I-per O I-per O I-loc"),  # IOB1
        ("O B-per I-per L-per U-per U-loc", "B-per L-per O U-per O U-loc"),
        ("O B-per I-per E-per S-per S-loc", "B-per E-per O S-per O S-loc"),
        ("O B_per I_per B_loc I_loc", "B_per I_per O B_per O B_loc"),
        ("O per loc", "per per O per O loc"),
    ],
    ids=["BIO", "IOB1", "BILOU", "BIOES", "underscores", "IO"],
)
def test_every_scheme_gives_the_same_entities(labels: str, words: str) -> None:
    assert found(labels.split(), words.split()) == [
        ("per", "Ada Lovelace"),
        ("per", "Babbage"),
        ("loc", "London"),
    ]


@pytest.mark.parametrize(
    ("labels", "words", "mentions"),
    [
        ("O B-per I-per", "B-per B-per O O O O", ["Ada", "Lovelace"]),
        ("O B-per I-per B-loc I-loc", "B-per I-loc O O O O", ["Ada", "Lovelace"]),
        ("O B-per I-per L-per U-per", "U-per U-per O O O O", ["Ada", "Lovelace"]),
        ("O B-per I-per L-per U-per", "L-per I-per O O O O", ["Ada", "Lovelace"]),
        ("O B-per I-per", "O O O O I-per I-per", ["in London"]),
    ],
)
def test_entities_side_by_side(labels: str, words: str, mentions: list[str]) -> None:
    assert [text for _, text in found(labels.split(), words.split())] == mentions


def test_a_kind_that_looks_like_a_prefix_is_a_kind_in_the_io_scheme() -> None:
    assert parse_tags(["O", "E-mail", "phone"]) == [Tag(""), Tag("E-mail"), Tag("phone")]


def test_scores_are_means_and_low_ones_are_left_out() -> None:
    probabilities = np.array([[0.2, 0.8], [0.4, 0.6], [0.9, 0.1]], dtype=np.float32)
    tags = parse_tags(["O", "per"])
    (entity,) = find_entities(TEXT, SPANS[:3], [1, 1, 0], probabilities, tags)
    assert entity.score == pytest.approx(0.7)
    assert find_entities(TEXT, SPANS[:3], [1, 1, 0], probabilities, tags, min_score=0.71) == []


def test_blanks_in_a_token_are_not_in_the_entity() -> None:
    one = np.ones((1, 2), dtype=np.float32)
    (entity,) = find_entities("a  Ada ", [(1, 7)], [1], one, parse_tags(["O", "per"]))
    assert (entity.start, entity.end, entity.text) == (3, 6, "Ada")
    assert find_entities("a  ", [(1, 3)], [1], one, parse_tags(["O", "per"])) == []


def test_labels_without_an_outside_are_an_error_that_lists_them() -> None:
    with pytest.raises(ModelError, match=r"LABEL_0, LABEL_1 is 'O'.*option `outside`"):
        parse_tags(["LABEL_0", "LABEL_1"])
    assert parse_tags(["LABEL_0", "LABEL_1"], "LABEL_0") == [Tag(""), Tag("LABEL_1")]
    with pytest.raises(ModelError, match="only the label"):
        parse_tags(["O"])
